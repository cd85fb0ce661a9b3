"""What the tests share: the folder of reference data, where there is one, and a copy of the workflow."""

import os

# Tiny models compute faster on one thread, and tests run side by side; before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.utils import update_config

from goodpart.benchmarks.sandbox import Sandbox
from goodpart.config import Configuration
from goodpart.errors import GoodpartError
from goodpart.jobs.job import Job

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("GOODPART_SHARED", ROOT.parent / "shared"))
# The quality-latency study at its smallest, for cut-down configurations.
LATENCY = {
    "models": ["llada-tiny-instruct"],
    "benchmark": "tiny-math500",
    "decodes": ["t16", "t16-prefix"],
    "batch_sizes": [1],
    "repeats": 2,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that run whole workflows first: at the end, one process would wait for the other's."""
    items.sort(key=lambda item: item.path.parent.name != "workflow")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the real benchmark data and scoring oracles, which are not part of this repository."""
    if not (SHARED / "benchmarks").is_dir():
        pytest.skip(f"no reference data at {SHARED} (set GOODPART_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """The sandbox that this machine uses."""
    return working(Sandbox(cpu_seconds=10, wall_seconds=30))


def has_sandbox() -> bool:
    """Whether model-written code can be run here."""
    try:
        Sandbox().probe()
    except GoodpartError:
        return False
    return True


def working(sandbox: Sandbox) -> Sandbox:
    """The sandbox, or skip where it does not work: on macOS, or where containers forbid user namespaces."""
    try:
        sandbox.probe()
    except GoodpartError as error:
        pytest.skip(str(error).splitlines()[0])
    return sandbox


def changed(configuration: Configuration, changes: dict) -> Configuration:
    """A configuration with other values, valid one by one; nothing else is checked."""
    raw = configuration.model_dump(exclude_none=True)
    update_config(raw, changes)
    return Configuration.model_validate(raw)


def described(script, outputs, *, inputs=None, wildcards=None, **params) -> Job:
    """A rule's job as its script sees it."""
    outputs = outputs if isinstance(outputs, list) else [outputs]
    return Job(
        script,
        SimpleNamespace(**(inputs or {})),
        [Path(output) for output in outputs],
        SimpleNamespace(**params),
        SimpleNamespace(**(wildcards or {})),
    )


def run_script(script, outputs, **given) -> None:
    """Run `main(job)` of a script in this process, with inputs, wildcards and parameters."""
    importlib.import_module(f"scripts.{script}").main(described(script, outputs, **given))


def job_command(script, *options) -> list[str]:
    """The command of a job in a process of its own; `job_text` goes to its standard input."""
    return [sys.executable, "-m", "goodpart.jobs.start", script, *map(str, options)]


def job_text(outputs, *, inputs=None, wildcards=None, **params) -> str:
    """What such a job reads."""
    outputs = outputs if isinstance(outputs, list) else [outputs]
    files = {"input": inputs or {}, "output": outputs}
    told = {"params": params, "wildcards": wildcards or {}}
    return "\n".join(json.dumps(part, default=str) for part in (files, told))


def tool(name, words):
    """What `main` of a sub-command of `goodpart` gives for these words."""
    module = importlib.import_module(f"goodpart_tools.{name}")
    options = argparse.ArgumentParser()
    module.add_arguments(options)
    return module.main(options.parse_args(words))


def verify(words) -> int:
    """The exit status of `goodpart verify`."""
    return tool("verify", words)


class Workflow:
    """A copy of the workflow in a folder of its own, so that runs and edits touch nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("Snakefile", "config.yaml"):
            shutil.copy(ROOT / name, folder / name)
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("workflow", "envs", "profiles"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)

    def snakemake(
        self, *arguments: str, before: Sequence[str] = (), **environment: str
    ) -> subprocess.CompletedProcess:
        """Run snakemake in the copy; output and error are one text in `stdout`. `before`: words of a command
        that runs it."""
        return subprocess.run(
            [*before, sys.executable, "-m", "snakemake", *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def take_results(self, other: "Workflow") -> None:
        """Become a clone without weights that has another's results and its cut-down configuration."""
        shutil.rmtree(self.folder / "workflow" / "resources" / "models")
        shutil.copy(other.folder / "small.yaml", self.folder)
        ignore = shutil.ignore_patterns("hidden_states", "logs")
        shutil.copytree(other.folder / "results", self.folder / "results", ignore=ignore)

    def jobs(self, *arguments: str) -> dict[str, int]:
        """How many jobs of each rule a dry run would start."""
        run = self.snakemake("--dry-run", *arguments)
        assert run.returncode == 0, run.stdout
        counts, reading = {}, False
        for line in run.stdout.splitlines():
            words = line.split()
            if words[:2] == ["job", "count"]:
                reading = True
            elif reading and words and words[0] == "total":
                return counts
            elif reading and len(words) == 2 and words[1].isdigit():
                counts[words[0]] = int(words[1])
        return counts


@pytest.fixture
def workflow(tmp_path) -> Workflow:
    return Workflow(tmp_path)


@pytest.fixture
def machine(monkeypatch):
    """A pretended GPU; the list of calls that it gets: synchronize, capture, replay, ..."""
    from goodpart.models.architectures import llada, qwen2
    from pretended_gpu import pretended_gpu

    for architecture in (llada, qwen2):
        architecture.model_class()  # imported before anything is pretended
    monkeypatch.setattr("goodpart.models.gpu.take", lambda *a, **k: None)
    with pretended_gpu(monkeypatch) as calls:
        yield calls
