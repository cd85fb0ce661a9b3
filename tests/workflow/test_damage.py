"""Files of results that are cut or changed: one line that names the file and the remedy, which then helps."""

import importlib
import json
import re
from pathlib import Path

import pytest

from goodpart.errors import GoodpartError
from goodpart.jobs.job import Job
from small_run import Small

CONFIG = {
    "run": {"models": ["qwen2.5-tiny"], "benchmarks": ["tiny-mbpp"]},
    "models": {"qwen2.5-tiny": {"layers_skipped": [0, 2]}},
    "benchmarks": {"tiny-mbpp": {"n": 3}},
    "capture": {"benchmarks": ["tiny-mbpp"], "prompts": 2, "stored": 1},
    "generation": {"kl_items": 1},
}
TARGETS = ("paper_figs/table1.csv", "paper_figs/figure3.csv", "paper_figs/figure8.csv")
PLACE = "qwen2.5-tiny/default/tiny-mbpp"
# A file of each kind, and the job that reads it.
FILES = {
    "items/tiny-mbpp/evaluation.parquet": "generations",
    "items/tiny-mbpp/calibration.parquet": "prompt_similarities",
    "calibration/qwen2.5-tiny/default/tiny-mbpp.parquet": "skip_set",
    "prompt_similarities/qwen2.5-tiny/default/tiny-mbpp.parquet": "figure8",
    "skip_sets/qwen2.5-tiny/similarity/k2.json": "generations",
    f"hidden_states/{PLACE}/*.parquet": "statistics",
    f"streamed_statistics/{PLACE}/*/tokens.parquet": "statistics",
    f"statistics/{PLACE}/tokens.parquet": "figure3",
    f"generations/{PLACE}/similarity/k2/0-2.parquet": "cells",
    f"scores/{PLACE}/similarity/k2.parquet": "cells",
    "likelihoods/cells/qwen2.5-tiny/tiny-mbpp.parquet": "cells",
    "cells.parquet": "table1",
}


def changed_within(content):
    """Some other bytes all over the file."""
    changed = bytearray(content)
    for at in range(len(content) // 40, len(content), len(content) // 20):
        changed[at] ^= 0xFF
    return bytes(changed)


DAMAGES = {"cut": lambda b: b[: len(b) // 2], "empty": lambda b: b"", "changed": changed_within}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run."""
    small = Small(tmp_path_factory.mktemp("damage"))
    small.configure(CONFIG)
    run = small.run(*TARGETS)
    assert run.returncode == 0, run.stdout[-5000:]
    return small


@pytest.fixture(scope="module")
def jobs(finished):
    """(files, parameters) of each job of that run, by script."""
    shown = finished.run(*TARGETS, "--dry-run", "--forceall", "--printshellcmds").stdout
    found = {}
    for name, files, told in re.findall(r"jobs\.start (\w+) .*<<'JSON'\n(.*)\n(.*)\nJSON", shown):
        found.setdefault(name, []).append((json.loads(files), json.loads(told)))
    return found


def readers(jobs, script, file):
    """Descriptions of the jobs of a script that read a file, or the folder that it is in."""
    for files, told in jobs[script]:
        given = files["input"].values()
        inputs = [one for some in given for one in ([some] if isinstance(some, str) else some)]
        if any(one and Path(one) in (file, *file.parents) for one in inputs):
            yield files, told


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pattern", FILES)
def test_a_damaged_file_is_named_with_the_remedy(pattern, damage, finished, jobs, monkeypatch, tmp_path):
    monkeypatch.chdir(finished.folder)
    [file, *_] = sorted(Path("results").glob(pattern))
    script = FILES[pattern]
    files, told = next(readers(jobs, script, file))
    outputs = [Path(output) for output in files["output"]]
    new = [
        o.parent / "new" / o.name if script == "statistics" else o.with_name(f"new-{o.name}") for o in outputs
    ]
    job = Job.of(script, 1, {**files, "output": new}, told)
    whole = file.read_bytes()
    file.write_bytes(DAMAGES[damage](whole))
    try:
        with pytest.raises(GoodpartError) as raised:
            importlib.import_module(f"scripts.{script}").main(job)
    finally:
        file.write_bytes(whole)
    said = str(raised.value)
    assert said.startswith(f"{file}: ")
    assert "\n" not in said
    what = f"its folder results/{pattern.split('/*')[0]}" if "*" in pattern else "it"
    assert said.endswith(f"delete {what} and rerun")


@pytest.mark.parametrize(
    "pattern",
    [
        "likelihoods/cells/qwen2.5-tiny/tiny-mbpp.parquet",
        f"generations/{PLACE}/full/k0/0-2.parquet",
        f"scores/{PLACE}/similarity/k2.parquet",
    ],
)
def test_the_remedy_helps_although_the_kept_copy_is_the_same_file(pattern, finished):
    table = (finished.folder / "paper_figs" / "table1.csv").read_bytes()
    file = finished.folder / "results" / pattern
    file.write_bytes(changed_within(file.read_bytes()))  # in place: hard links of it change too
    failed = finished.run(TARGETS[0])
    assert failed.returncode == 1
    assert f"{pattern}: not a whole Parquet file" in failed.stdout[failed.stdout.index("1 job failed") :]
    file.unlink()
    run = finished.run(TARGETS[0])
    assert run.returncode == 0, run.stdout
    assert (finished.folder / "paper_figs" / "table1.csv").read_bytes() == table
    assert finished.planned_for(*TARGETS) == {}
