"""Two runs never write one results folder at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from goodpart.errors import GoodpartError
from goodpart.jobs import cluster

HOLD = "import sys; from pathlib import Path; from goodpart.jobs.cluster import claim; " + (
    "lock = claim(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
)


def test_a_results_folder_is_one_runs_while_it_lives(tmp_path):
    results = tmp_path / "results"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, results], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(GoodpartError, match=rf"is written by process {other.pid} on .*set paths.results"):
        cluster.claim(results)
    other.kill()
    other.wait()
    lock = cluster.claim(results)
    assert f"process {os.getpid()} on" in (results / cluster.LOCK).read_text()
    lock.close()


def test_a_read_only_folder_is_not_locked(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "open", refused)
    assert cluster.claim(tmp_path / "results") is None
