"""The workflow through sbatch, on a real SLURM of one node that the tests start."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import slurm
from conftest import ROOT, Workflow
from documentation import blocks_in
from goodpart.jobs.parquet import read_table

MODEL = "qwen2.5-tiny"
CONFIG = {
    "run": {"models": [MODEL], "benchmarks": ["tiny-math500"]},
    "models": {MODEL: {"layers_skipped": [0, 2], "gpu": 1, "device": "cpu", "mem_mb": 1500, "runtime": 20}},
    "benchmarks": {"tiny-math500": {"n": 4}},
    "capture": {"benchmarks": ["tiny-mbpp"], "prompts": 2, "steps": [0]},
    "generation": {"kl_items": 0},
}
# In each job: the first attempt at calibration fails; while a file `slow` exists, generations wait.
HOOK = """
import os, sys, time

words = sys.orig_argv
job = words[words.index("goodpart.jobs.start") + 1] if "goodpart.jobs.start" in words else None
if job == "prompt_similarities" and os.environ.get("FAIL_ONCE"):
    marker = os.environ["FAIL_ONCE"]
    if not os.path.exists(marker):
        open(marker, "w").close()
        sys.exit("out of memory, as far as this test goes")
if job == "generations":
    while os.path.exists("slow"):
        time.sleep(0.2)
"""
TABLE = "paper_figs/table1.csv"
SCRATCH = ("--configfile", "small.yaml", "--slurm-init-seconds-before-status-checks", "1")

pytestmark = [pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if why := slurm.missing():
        pytest.skip(f"{why}: apt-get install slurmctld slurmd slurm-client munge")
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("the executor is not installed: pip install -c envs/lock.txt -e '.[cluster]'")
    with slurm.Cluster(tmp_path_factory.mktemp("slurm")) as started:
        yield started


class Submitted(Workflow):
    """A copy of the workflow whose jobs go to the cluster."""

    def __init__(self, folder, cluster):
        super().__init__(folder)
        self.cluster = cluster
        (folder / "small.yaml").write_text(yaml.safe_dump(CONFIG))
        (folder / "hook").mkdir()
        (folder / "hook" / "sitecustomize.py").write_text(HOOK)
        profile = folder / "profiles" / "slurm" / "config.yaml"
        settings = yaml.safe_load(profile.read_text())
        settings |= {
            "slurm-partition-config": "partitions.yaml",
            "latency-wait": 10,
            "default-resources": {**settings["default-resources"], "mem_mb": "attempt * 1000"},
        }
        profile.write_text(yaml.safe_dump(settings))
        limits = {"cpu": {"max_gpu": 0}, "gpu": {"max_gpu": 2}}
        (folder / "partitions.yaml").write_text(yaml.safe_dump({"partitions": limits}))

    def environment(self, **more):
        path = os.pathsep.join(filter(None, [str(self.folder / "hook"), os.environ.get("PYTHONPATH")]))
        return {**self.cluster.environment, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}

    def arguments(self, *more):
        return [TABLE, "--workflow-profile", "slurm", *SCRATCH, *more]

    def submit(self, *more, **environment):
        return self.snakemake(*self.arguments(*more), **self.environment(**environment))

    def start(self, *more):
        """The head process, in the background."""
        with (self.folder / "head.log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", *self.arguments(*more)],
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                stdout=log,
                stderr=log,
            )

    def jobs(self, rule=""):
        """The cluster's jobs of this folder, by the rule's name in their comments."""
        here = str(self.folder.resolve())
        found = [job for job in self.cluster.jobs() if job["WorkDir"] == here]
        return [job for job in found if rule in job.get("Comment", "")]

    def wait_for(self, rule, state, head):
        """Until a job of the rule is in this state, while the head process lives."""
        deadline = time.monotonic() + 300
        while not any(job["JobState"] == state for job in self.jobs(rule)):
            log = self.folder / "head.log"
            assert head.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.5)


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory):
    """A run to Table 1 whose first attempt at calibration fails, and its output."""
    workflow = Submitted(tmp_path_factory.mktemp("submitted"), cluster)
    run = workflow.submit(FAIL_ONCE=str(workflow.folder / "failed-once"))
    logs = workflow.folder / ".snakemake" / "slurm_logs"
    more = "".join(file.read_text()[-1500:] for file in logs.rglob("*.log")) if logs.exists() else ""
    assert run.returncode == 0, run.stdout[-6000:] + more
    return workflow, run.stdout


def test_table_1_is_byte_identical_to_the_local_one(finished, tmp_path):
    submitted, output = finished
    assert "Using workflow specific profile" in output
    assert "profiles/slurm" in output
    local = Workflow(tmp_path)
    model = {key: value for key, value in CONFIG["models"][MODEL].items() if key != "gpu"}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({**CONFIG, "models": {MODEL: model}}))
    run = local.snakemake(TABLE, "--cores", "2", "--configfile", "small.yaml")
    assert run.returncode == 0, run.stdout[-3000:]
    assert (tmp_path / TABLE).read_bytes() == (submitted.folder / TABLE).read_bytes()


def test_jobs_with_a_model_ask_for_a_gpu_and_others_do_not(finished):
    submitted, _ = finished
    with_model = [
        job for rule in ("calibration", "generations", "likelihoods") for job in submitted.jobs(rule)
    ]
    assert len(with_model) == 2 + 2 + 1
    for job in submitted.jobs():
        asks = "gpu" in job.get("TresPerJob", "")
        assert asks == (job in with_model), job
        assert job["Partition"] == ("gpu" if asks else "cpu")


def test_a_retry_asks_for_more_memory_and_time(finished):
    first, second = finished[0].jobs("calibration")
    assert (first["JobState"], second["JobState"]) == ("FAILED", "COMPLETED")
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("1500M", "3000M")
    assert (first["TimeLimit"], second["TimeLimit"]) == ("00:20:00", "00:40:00")


def test_short_jobs_share_a_submission(finished):
    submitted, output = finished
    [count] = [line.split()[1] for line in output.splitlines() if line.startswith("total ")]
    assert int(count) == 11
    assert len(submitted.jobs()) == 8 + 1  # one failed


def test_jobs_of_a_model_can_share_a_submission_and_its_gpu(finished, cluster, tmp_path):
    done = finished[0].folder
    workflow = Submitted(tmp_path, cluster)
    for folder in ("results", ".snakemake/metadata"):
        shutil.copytree(done / folder, tmp_path / folder, copy_function=shutil.copy2)
    files = [f.relative_to(tmp_path) for f in sorted((tmp_path / "results/generations").rglob("*.parquet"))]
    assert len(files) == 2
    shutil.rmtree(tmp_path / "results" / "generations")
    [text] = blocks_in(ROOT / "docs" / "clusters.md", "yaml")
    named = yaml.safe_load(text)
    profile = tmp_path / "profiles" / "slurm" / "config.yaml"
    settings = yaml.safe_load(profile.read_text())
    for key, value in named.items():
        settings[key] = {**settings.get(key, {}), **value}
    profile.write_text(yaml.safe_dump(settings))
    arguments = ["--workflow-profile", "slurm", *SCRATCH]
    run = workflow.snakemake(*map(str, files), *arguments, **workflow.environment())
    assert run.returncode == 0, run.stdout[-4000:]
    [job] = workflow.jobs()
    assert job["TresPerJob"] == "gres:gpu:1"
    assert (job["MinMemoryNode"], job["TimeLimit"]) == ("1500M", "00:40:00")  # one after the other
    for file in files:
        assert read_table(tmp_path / file, ["token_ids"]) == read_table(done / file, ["token_ids"])


def test_resume_after_scancel_and_after_the_head_is_killed(finished, cluster, tmp_path):
    """Cancelled jobs run again; while those of a killed head live, a second run is refused."""
    done = finished[0].folder
    workflow = Submitted(tmp_path, cluster)
    shutil.copytree(done / "results", tmp_path / "results", copy_function=shutil.copy2)
    shutil.copytree(done / ".snakemake" / "metadata", tmp_path / ".snakemake" / "metadata")
    for name in ("generations", "scores", "cells.parquet"):
        path = tmp_path / "results" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    slow = tmp_path / "slow"
    slow.touch()
    head = workflow.start("--retries", "0")
    try:
        workflow.wait_for("generations", "RUNNING", head)
        cluster.run("scancel", *[job["JobId"] for job in workflow.jobs("generations")])
        assert head.wait(timeout=300) != 0
        assert "CANCELLED" in (tmp_path / "head.log").read_text()

        head = workflow.start()
        workflow.wait_for("generations", "RUNNING", head)
        head.send_signal(signal.SIGKILL)
        head.wait()
        assert workflow.snakemake("--unlock", "--configfile", "small.yaml").returncode == 0
        refused = workflow.submit()
        assert refused.returncode != 0
        assert "jobs of an earlier run still write into" in refused.stdout
        alive = [job["JobId"] for job in workflow.jobs() if job["JobState"] in ("RUNNING", "PENDING")]
        assert all(job in refused.stdout for job in alive)
        assert "Submitted" not in refused.stdout
    finally:
        slow.unlink()
        head.kill()
    deadline = time.monotonic() + 300
    while any(job["JobState"] in ("RUNNING", "PENDING", "COMPLETING") for job in workflow.jobs()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    run = workflow.submit()
    assert run.returncode == 0, run.stdout[-4000:]
    assert (tmp_path / TABLE).read_bytes() == (done / TABLE).read_bytes()
    hidden = list(Path(tmp_path, "results", "generations").rglob(".*"))
    assert {file.suffix for file in hidden} == {".kept"}  # no journal, and nothing half written


def test_another_scheduler_by_its_commands(cluster, tmp_path):
    """The generic profile with sbatch standing for some other scheduler's command."""
    if importlib.util.find_spec("snakemake_executor_plugin_cluster_generic") is None:
        pytest.skip("the executor is not installed: pip install -c envs/lock.txt -e '.[cluster]'")
    workflow = Submitted(tmp_path, cluster)
    profile = tmp_path / "profiles" / "cluster-generic" / "config.yaml"
    settings = yaml.safe_load(profile.read_text())
    settings["cluster-generic-submit-cmd"] = (
        "sbatch --parsable --cpus-per-task={threads} --mem={resources.mem_mb} --time={resources.runtime}"
        " --output=/dev/null"
    )
    settings["cluster-generic-cancel-cmd"] = "scancel"
    profile.write_text(yaml.safe_dump(settings))
    made = "results/items/tiny-mbpp/calibration.parquet"
    run = workflow.snakemake(
        made, "--workflow-profile", "cluster-generic", "--configfile", "small.yaml",
        "--latency-wait", "10", "--seconds-between-status-checks", "1", **workflow.environment(),
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:]
    assert (tmp_path / made).exists()
    assert [job["JobState"] for job in workflow.jobs()] == ["COMPLETED"]
    assert workflow.jobs()[0]["MinMemoryNode"] == "2000M"
