"""The workflow outside of its clone: another working directory, and as a module of another workflow."""

import subprocess

import pytest
import yaml

from conftest import ROOT, Workflow

ONE = {
    "run": {"models": ["qwen2.5-tiny"], "benchmarks": ["tiny-gsm8k"], "policies": ["similarity"]},
    "models": {"qwen2.5-tiny": {"layers_skipped": [0, 2]}},
    "benchmarks": {"tiny-gsm8k": {"n": 2}},
}
MODULE = """
module clone:
    snakefile: {snakefile!r}
    config: {config!r}

use rule * from clone as skip_*

rule all:
    default_target: True
    input: "paper_figs/table1.csv"
"""


class Elsewhere(Workflow):
    """A folder that holds no copy of the workflow."""

    def __init__(self, folder):
        self.folder = folder


@pytest.fixture
def elsewhere(tmp_path):
    folder = tmp_path / "some where's [else]"
    folder.mkdir()
    return Elsewhere(folder)


def test_it_runs_in_another_directory_and_leaves_the_clone_alone(elsewhere):
    """What `config.yaml` there says changes that of the clone."""
    (elsewhere.folder / "config.yaml").write_text(yaml.safe_dump(ONE))
    status = subprocess.run(["git", "-C", ROOT, "status", "--porcelain"], capture_output=True, check=False)
    options = ["-s", str(ROOT / "Snakefile"), "-d", str(elsewhere.folder), "--cores", "1"]
    run = elsewhere.snakemake("results/items/tiny-gsm8k/evaluation.parquet", *options)
    assert run.returncode == 0, run.stdout
    assert (elsewhere.folder / "results" / "items" / "tiny-gsm8k" / "evaluation.parquet").exists()
    assert "Nothing to be done" in elsewhere.snakemake(*run.args[3:]).stdout
    assert elsewhere.jobs("paper_figs/table1.csv", *options) == {
        "items": 2, "calibration": 1, "generations": 2, "skip_set": 1, "scores": 2, "cells": 1, "table1": 1,
        "likelihoods": 1,
    }  # fmt: skip
    after = subprocess.run(["git", "-C", ROOT, "status", "--porcelain"], capture_output=True, check=False)
    assert after.stdout == status.stdout


def test_without_a_configuration_there_it_takes_the_clones(elsewhere, workflow):
    options = ["-s", str(ROOT / "Snakefile"), "-d", str(elsewhere.folder)]
    target = "paper_figs/comparison.csv"
    assert elsewhere.jobs(target, *options) == workflow.jobs(target)


def test_it_is_a_module_of_another_workflow(elsewhere):
    snakefile = MODULE.format(snakefile=str(ROOT / "Snakefile"), config=ONE)
    (elsewhere.folder / "Snakefile").write_text(snakefile)
    planned = elsewhere.jobs()
    assert planned["skip_generations"] == planned["skip_scores"] == 2
    assert planned["skip_table1"] == planned["all"] == 1
    run = elsewhere.snakemake("results/items/tiny-gsm8k/calibration.parquet", "--cores", "1")
    assert run.returncode == 0, run.stdout


def test_mistakes_are_named_as_in_the_clone(elsewhere):
    (elsewhere.folder / "config.yaml").write_text("sede: 1\n")
    run = elsewhere.snakemake("-n", "-s", str(ROOT / "Snakefile"), "-d", str(elsewhere.folder))
    assert run.returncode != 0
    assert "unknown key 'sede'; did you mean 'seed'?" in run.stdout


def test_figures_of_two_results_folders_are_never_taken_for_each_other(workflow):
    """Both configurations draw the same Table 1; each run draws its own again."""
    first = ONE | {"benchmarks": {"tiny-gsm8k": {"n": 2}}}
    second = first | {"run": {**ONE["run"], "benchmarks": ["tiny-math500"]}, "paths": {"results": "others"}}
    second |= {"benchmarks": {"tiny-math500": {"n": 2}}}
    labels = []
    for name, config in (("first", first), ("second", second), ("first", first)):
        (workflow.folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
        run = workflow.snakemake("paper_figs/table1.csv", "--cores", "2", "--configfile", f"{name}.yaml")
        assert run.returncode == 0, run.stdout[-3000:]
        labels.append(
            (workflow.folder / "paper_figs" / "table1.csv").read_text().splitlines()[1].split(",")[0]
        )
    assert labels == ["GSM8K (tiny)", "MATH-500 (tiny)", "GSM8K (tiny)"]
