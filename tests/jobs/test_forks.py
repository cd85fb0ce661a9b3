"""The fork server: jobs that share their imports end, fail and die as jobs in processes of their own do."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from conftest import job_command
from goodpart.jobs import forks

SCRIPT = """
import os, sys, time
from goodpart.errors import GoodpartError


def main(job):
    kind = job.params.kind
    if kind == "message":
        raise GoodpartError("mend it")
    if kind == "crash":
        raise ValueError("unexpected")
    if kind == "kill":
        os.kill(os.getpid(), 9)
    if kind == "sleep":
        job.output.write_text(str(os.getpid()))
        time.sleep(600)
    print("on the screen")
    facts = [os.getcwd(), os.environ.get("OF_THE_JOB"), "numpy" in sys.modules, os.getppid()]
    job.output.write_text(repr(facts))
"""


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A running server, whose jobs find scripts of the test."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the fork server needs Linux")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "__init__.py").touch()
    (tmp_path / "scripts" / "pretended.py").write_text(SCRIPT)
    places = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))
    monkeypatch.setattr(forks, "LIBRARIES", ("numpy",))
    before = dict(os.environ)
    started = forks.start()
    yield started
    started.stdin.close()
    assert started.wait(20) == 0
    os.environ.clear()
    os.environ.update(before)


def started(tmp_path, kind, **more):
    """A job of the pretended script, begun; its process and its output."""
    output = tmp_path / f"{kind}.txt"
    files = {"input": {}, "output": [str(output)]}
    told = {"params": {"kind": kind, **more}, "wildcards": {}}
    job = subprocess.Popen(
        job_command("pretended", "--log", tmp_path / f"{kind}.log"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "OF_THE_JOB": "yes"},
    )
    job.stdin.write(f"{json.dumps(files)}\n{json.dumps(told)}")
    job.stdin.close()
    return job, output


def test_a_job_has_its_folder_environment_and_streams(server, tmp_path):
    job, output = started(tmp_path, "write")
    assert job.stdout.read() == "on the screen\n"
    assert job.wait() == 0
    folder, variable, _, parent = eval(output.read_text())
    assert (folder, variable, parent) == (str(tmp_path), "yes", server.pid)


def test_a_job_for_a_gpu_gets_a_process_of_its_own(server, tmp_path):
    job, output = started(tmp_path, "write", model={"device": "cuda"})
    assert job.wait() == 0
    assert eval(output.read_text())[-1] != server.pid


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [("message", 1, "mend it"), ("crash", 1, "ValueError: unexpected"), ("kill", 137, "")],
)
def test_a_job_fails_as_elsewhere(server, tmp_path, kind, status, said):
    job, _ = started(tmp_path, kind)
    assert job.wait() == status
    assert said in (tmp_path / f"{kind}.log").read_text()


def test_a_job_dies_with_the_process_that_asked_for_it(server, tmp_path):
    job, output = started(tmp_path, "sleep")
    while not output.exists() or not output.read_text():
        time.sleep(0.02)
    child = int(output.read_text())
    job.send_signal(signal.SIGKILL)
    job.wait()
    for _ in range(500):
        if not os.path.exists(f"/proc/{child}"):
            return
        time.sleep(0.02)
    pytest.fail("the job outlived the process that asked for it")


def test_without_its_server_a_job_starts_by_itself(server, tmp_path, monkeypatch):
    monkeypatch.setenv(forks.SOCKET, str(tmp_path / "nowhere"))
    job, output = started(tmp_path, "write")
    assert job.wait() == 0
    assert eval(output.read_text())[-1] == os.getpid()


def test_a_temporary_folder_with_a_long_path_has_no_server(tmp_path, monkeypatch):
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    monkeypatch.delenv(forks.SOCKET, raising=False)
    assert forks.start() is None
    assert not list(deep.iterdir())
    assert forks.reachable("{}\n{}") is None
