"""Scorers by hand-written completions, and by the oracles where they are at hand."""

import gzip
import json

import pytest

from goodpart.benchmarks import benchmark_module
from goodpart.errors import GoodpartError
from goodpart.sandbox import Sandbox

BINDING = {"must", "strict", "must_with_stop"}
STOPS = {
    "gsm8k": ["Question:"],
    "math500": ["Problem:"],
    "humaneval": ["\nclass ", "\ndef ", "\n# ", "\nif ", "\nprint"],
}
DATA = {
    "gsm8k": "gsm8k/test.jsonl",
    "math500": "math500/test.jsonl",
    "humaneval": "humaneval/HumanEval.jsonl.gz",
    "mbpp_full": "mbpp/mbpp.jsonl",
    "mbpp_sanitized": "mbpp/sanitized-mbpp.json",
}


@pytest.fixture(scope="session")
def sandbox():
    made = Sandbox(cpu_seconds=10, wall_seconds=20)
    try:
        made.probe()
    except GoodpartError as error:
        pytest.skip(str(error).splitlines()[0])
    return made


@pytest.mark.parametrize(
    ("completion", "correct"),
    [
        ("3 * 4 = 12\nFinal Answer: 12", True),
        ("Final Answer: $12.00", True),
        ("**Final Answer:** 12 apples", True),
        (r"so \boxed{12}", True),
        (r"\boxed{\text{12}}", True),
        ("#### 12", True),
        ("the answer might be 12", False),
        ("Final Answer: 12\nNo. Final Answer: 13", False),
        ("Final Answer: 12²", False),
        ("Final Answer: twelve", False),
        ("Final Answer: 12 or 13", False),
        ("", False),
    ],
)
def test_gsm8k(completion, correct):
    module = benchmark_module("gsm8k")
    reference = module.reference({"question": "", "answer": "3 * 4 = 12\n#### 12"})
    assert module.score(reference, completion).correct is correct


def test_gsm8k_commas_and_signs():
    module = benchmark_module("gsm8k")
    assert module.score({"answer": "1,200"}, "Final Answer: 1200").correct
    assert module.score({"answer": "-10"}, "Final Answer: -$10").correct
    assert not module.score({"answer": "-10"}, "Final Answer: 10").correct


@pytest.mark.parametrize(
    ("gold", "completion", "correct"),
    [
        ("5", r"x = \boxed{5}", True),
        ("5", r"\boxed{4} then \boxed{5}", True),
        (r"\frac{1}{2}", r"\boxed{0.5}", True),
        (r"\frac{1}{2}", r"\boxed{\dfrac12}", True),
        ("5", "5", False),
        ("5", r"\boxed{5", False),
        (".0000672", r"\boxed{0.0000671}", False),
    ],
)
def test_math500(gold, completion, correct):
    assert benchmark_module("math500").score({"answer": gold}, completion).correct is correct


def test_math_verify_is_killed_when_it_hangs():
    from goodpart.benchmarks.equivalence import Judge

    judge = Judge()
    same, reason = judge.ask(r"\binom{10^9}{10^8}", "5", 0.5)
    assert not same
    assert "no verdict" in reason
    assert judge.ask("0.5", r"\frac{1}{2}", 20) == (True, "math-verify")
    judge.close()


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
        ("    return 3 * x", False),
        ("    import sys\n    sys.exit(0)", False),
        ("    import os\n    os._exit(0)", False),
        ("    raise KeyboardInterrupt", False),
        ("```python\nimport os\nos.write(1, b'passed')\n```", False),
    ],
)
def test_humaneval(sandbox, completion, correct):
    assert benchmark_module("humaneval").score(HUMANEVAL, completion, sandbox).correct is correct


def test_a_sandboxed_program_sees_and_changes_nothing(sandbox, tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("here")
    program = f"import os\nassert not os.path.exists({str(canary)!r})\nopen('/tmp/x', 'w').write('1')"
    assert sandbox.run(program).passed
    assert not sandbox.run(f"open({str(canary)!r}, 'w')").passed
    assert canary.read_text() == "here"
    connect = "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)"
    assert not sandbox.run(connect).passed
    assert sandbox.run("import os\nassert 'PATH' in os.environ and 'HOME' not in os.environ").passed


def test_time_is_bounded(sandbox):
    quick = Sandbox(cpu_seconds=1, wall_seconds=2)
    assert quick.run("import time\ntime.sleep(60)").reason == "killed after 2 s"
    assert not quick.run(
        "while True:\n    try:\n        pass\n    except BaseException:\n        pass"
    ).passed
    assert quick.run("pass").passed


def rows_of(shared, name):
    path = shared / "benchmarks" / "data" / DATA[name]
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    rows = json.loads(text) if path.suffix == ".json" else [json.loads(t) for t in text.splitlines()]
    if name == "gsm8k":
        return {f"gsm8k/test/{i}": row for i, row in enumerate(rows)}
    return {row.get("unique_id") or row["task_id"]: row for row in rows}


@pytest.mark.parametrize(("name", "every"), [("gsm8k", 1), ("math500", 8), ("humaneval", 16),
                                             ("mbpp_sanitized", 16), ("mbpp_full", 16)])  # fmt: skip
def test_oracles(shared, sandbox, name, every):
    """Verdicts that any right scorer must give (every n-th row, to stay within minutes)."""
    rows, module = rows_of(shared, name), benchmark_module(name.split("_")[0])
    wrong, judged = [], 0
    oracle = (shared / "benchmarks" / "oracles" / f"{name}.jsonl").read_text(encoding="utf-8")
    for line in oracle.splitlines()[::every]:
        row = json.loads(line)
        if row["strength"] not in BINDING or row["expected_correct"] is None:
            continue
        text = row["completion"]
        if row["strength"] == "must_with_stop":
            for stop in STOPS.get(name, []):
                text = text.split(stop)[0]
        verdict = module.score(module.reference(rows[row["task_id"]]), text, sandbox)
        judged += 1
        if verdict.correct is not row["expected_correct"]:
            wrong.append((row["id"], verdict.reason))
    assert judged > 40
    assert not wrong


def test_prompts_equal_the_published_ones(shared):
    """The zero-shot prompts of the DFlash benchmark, by the hash of all of them."""
    import hashlib

    published = json.loads((shared / "benchmarks" / "oracles" / "dflash_prompts.json").read_text())
    for name, data in {"gsm8k": "gsm8k", "math500": "math500", "humaneval": "humaneval",
                       "mbpp": "mbpp_sanitized"}.items():  # fmt: skip
        rows = list(rows_of(shared, data).values())
        if name == "mbpp":
            rows = [row for row in rows if 11 <= row["task_id"] <= 510]
        prompts = [benchmark_module(name).prompt(row, "dflash") for row in rows]
        joined = hashlib.sha256("\0".join(prompts).encode()).hexdigest()
        assert joined == published[name]["sha256_of_prompts_joined_by_NUL"], name


@pytest.mark.parametrize(("name", "total"), [("gsm8k", 1319), ("math500", 500), ("mbpp", 257)])
def test_the_subset_of_the_dflash_benchmark(shared, name, total):
    from goodpart.rules.items import subset

    published = json.loads((shared / "benchmarks" / "oracles" / "dflash_prompts.json").read_text())
    wanted = published[name]["subset_128_seed0_transformers_backend"]
    assert subset(total, 128, "dflash") == wanted
