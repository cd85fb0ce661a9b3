"""GPUs by a pretend driver: each job its own, what a scheduler chose is kept, batches shrink on demand."""

import os
import pwd
import subprocess
import sys
import tempfile
import time

import pytest
import torch

from goodpart.errors import GoodpartError
from goodpart.models import gpu

DRIVER = """#!/bin/sh
echo "0, GPU-aaaa-0, Pretend 24GB, 24576, 20000"
echo "1, GPU-bbbb-1, Pretend 24GB, 24576, 24000"
"""
HOLD = """
import sys, time
from goodpart.models import gpu
taken = gpu.take(poll=0.05)
print(taken.index if taken else "none", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def driver(tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text(DRIVER)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv(gpu.VISIBLE, raising=False)
    return tmp_path


def holder(**environment):
    return subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_jobs_side_by_side_hold_a_gpu_each_and_a_third_waits(driver):
    jobs = [holder()]
    try:
        assert jobs[0].stdout.readline() == "1\n"  # the one with more free memory
        jobs.append(holder())
        assert jobs[1].stdout.readline() == "0\n"
        jobs.append(holder())
        time.sleep(1)
        jobs[0].kill()  # a killed job frees its GPU
        jobs[0].wait()
        assert jobs[2].stdout.readline() == "1\n"
    finally:
        for job in jobs:
            job.kill()
            job.communicate()


def test_a_user_without_a_name_takes_a_gpu(driver, monkeypatch):
    """As in a container that runs under a number of its own."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    monkeypatch.setattr(gpu, "_held", [])
    monkeypatch.setattr(tempfile, "tempdir", str(driver))
    monkeypatch.setenv(gpu.VISIBLE, "0,1")
    assert gpu.take().index == "1"
    gpu._held[0].close()


def test_what_a_scheduler_chose_is_kept(driver):
    for chosen in ("0", "GPU-bbbb", "MIG-some-slice", ""):
        job = holder(**{gpu.VISIBLE: chosen})
        assert job.communicate("\n")[0] == "none\n"
    assert [g.index for g in gpu.allowed(gpu.installed(), "1,0")] == ["1", "0"]
    assert [g.index for g in gpu.allowed(gpu.installed(), "GPU-bbbb")] == ["1"]
    # CUDA ends the list at a name that fits no GPU.
    assert [g.index for g in gpu.allowed(gpu.installed(), "1,-1,0")] == ["1"]
    assert gpu.allowed(gpu.installed(), "9,0") == gpu.allowed(gpu.installed(), "") == []


def test_a_machine_without_a_driver(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu.installed() == []
    assert gpu.take() is None


def test_batches_are_halved_until_they_fit_and_stay_small():
    seen = []

    def work(part):
        seen.append(len(part))
        if len(part) > 3:
            raise torch.OutOfMemoryError("pretended")
        return sum(part)

    batches = gpu.Batches(16)
    made = list(batches.run(work, range(16)))
    assert [one for part, _ in made for one in part] == list(range(16))
    assert sum(total for _, total in made) == sum(range(16))
    assert seen == [16, 8, 4] + [2] * 8
    assert batches.size == 2
    assert [len(part) for part, _ in batches.run(work, range(5))] == [2, 2, 1]


def test_a_batch_of_one_that_does_not_fit_is_an_error():
    def work(part):
        raise torch.OutOfMemoryError("pretended")

    with pytest.raises(GoodpartError, match="too small for a batch of one"):
        list(gpu.Batches(4).run(work, range(4)))


def test_the_workstations_profile_is_found(workflow):
    run = workflow.snakemake(
        "-n", "results/items/tiny-mbpp/evaluation.parquet", "--workflow-profile", "workstation"
    )
    assert run.returncode == 0, run.stdout
    assert "Using workflow specific profile profiles/workstation" in run.stdout
