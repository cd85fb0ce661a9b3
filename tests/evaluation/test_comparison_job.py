"""The job that compares with the paper, and our difference of adjacent layers, resampled in pairs."""

import copy
import csv

import numpy as np
import pytest
import yaml
from test_comparison import PAPER, our_row

from conftest import ROOT, run_script
from goodpart import paths
from goodpart.config import Configuration
from goodpart.config.comparison import comparison_settings
from goodpart.errors import GoodpartError
from goodpart.evaluation import cells as cells_rule
from goodpart.evaluation import scores
from goodpart.evaluation.paper.evidence import Retentions
from goodpart.evaluation.paper.paired import paired_differences
from goodpart.evaluation.paper.table_cells import LLADA, our_cells
from goodpart.evaluation.paper.values import Missing
from goodpart.jobs.parquet import write_rows


def settings_of(benchmarks, kind="gsm8k"):
    """The default configuration's settings with one model, and `benchmarks` of a kind."""
    config = copy.deepcopy(yaml.safe_load((ROOT / "config.yaml").read_text()))
    config["run"]["benchmarks"] = benchmarks
    config["benchmarks"] |= {
        b: {"kind": kind, "evaluation": {"rows": 3}, "max_new_tokens": 8} for b in benchmarks
    }
    config = Configuration.model_validate(config)
    return comparison_settings(config, ["llada-tiny-instruct"], "similarity", "llada-tiny-instruct")


def compared(folder, cells, settings):
    """The rows of comparison.csv, by id, and comparison.md, of cells that lie in a folder of results."""
    write_rows(folder / "cells.parquet", cells, cells_rule.SCHEMA, {})
    made = [folder / "comparison.csv", folder / "comparison.md"]
    inputs = {"paper_cells": PAPER / "cells.csv", "paper_claims": PAPER / "claims.csv"}
    inputs |= {"cells": folder / "cells.parquet", "profiles": [], "similarities": [], "latency": []}
    run_script("comparison", made, inputs=inputs, settings=settings)
    with made[0].open(newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}, made[1].read_text()


def cell_row(k, **values):
    """A row of cells.parquet."""
    return dict.fromkeys(cells_rule.SCHEMA.names) | our_row(k, model="m", decode="d", **values)


def test_a_run_without_the_papers_benchmarks_is_compared_with_nothing(tmp_path):
    assert settings_of(["small"])["selection"]
    settings = settings_of(["sums"], "sums")
    assert settings["selection"] is None
    rows, text = compared(tmp_path, [cell_row(0, benchmark="sums")], {**settings, "models": {}})
    assert {row["agreement"] for row in rows.values()} == {"not compared", "not evaluated"}
    assert "0 agree and 0 differ" in text


def scored(folder, policy, k, right):
    """A file of scores, items in an order of their own."""
    items = np.random.default_rng(k).permutation(len(right))
    rows = [{"item_id": f"i{i}", "sample": 0, "correct": bool(right[i]), "status": "scored"} for i in items]
    where = {"model": "m", "decode": "d", "benchmark": "small", "policy": policy, "k": k}
    path = folder / paths.SCORES.format(**where)
    write_rows(path, [dict.fromkeys(scores.SCHEMA.names) | row for row in rows], scores.SCHEMA, {})
    return path


# Verdicts as one model's are: what one way gets right the better ones do too.
FULL_DEPTH, APART, TOGETHER = (np.arange(128) < n for n in (99, 91, 81))


def adjacency_cells(folder):
    """Rows of cells.parquet at k = 6 under both rules, and their scores."""
    made = []
    for policy, k, right in (("full", 0, FULL_DEPTH), ("similarity", 6, APART), ("adjacent", 6, TOGETHER)):
        scored(folder, policy, k, right)
        retention = 100 * right.sum() / FULL_DEPTH.sum()
        made.append(cell_row(k, policy=policy, n=128, accuracy=right.mean(), retention=float(retention)))
    return made


def test_our_difference_of_adjacency_is_resampled_in_pairs(tmp_path):
    cells = adjacency_cells(tmp_path)
    policies = {"not_allowed": "similarity", "allowed": "adjacent"}
    kinds = {"small": "gsm8k"}
    [(place, found)] = paired_differences(cells, kinds, policies, tmp_path, 0.95, 2000).items()
    assert place == (LLADA, "gsm8k", 6)
    assert found.value == pytest.approx(1000 / 99)
    rng = np.random.default_rng(1)
    drawn = [
        100 * (APART[i].sum() - TOGETHER[i].sum()) / FULL_DEPTH[i].sum()
        for i in rng.integers(0, 128, (4000, 128))
    ]
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]).tolist(), abs=0.8)

    independent = Retentions(our_cells(cells, kinds, policies, 0.95), 0.95)
    assert independent.difference(LLADA, "gsm8k", 6).low < 0 < found.low
    assert (
        Retentions(our_cells(cells, kinds, policies, 0.95), 0.95, {place: found}).difference(*place) == found
    )

    scored(tmp_path, "adjacent", 6, TOGETHER[:100])
    with pytest.raises(GoodpartError, match=r"adjacent/k6\.parquet: other items than in .*full/k0"):
        paired_differences(cells, kinds, policies, tmp_path, 0.95, 100)


def test_rules_that_skip_the_same_layers_cannot_be_told_apart(tmp_path):
    full, apart, together = adjacency_cells(tmp_path)
    policies, kinds = {"not_allowed": "similarity", "allowed": "adjacent"}, {"small": "gsm8k"}
    cells = [full, apart | {"layers": [3, 9]}, together | {"layers": [3, 9]}]
    found = paired_differences(cells, kinds, policies, tmp_path, 0.95, 100)
    assert found == {(LLADA, "gsm8k", 6): None}
    with pytest.raises(Missing, match=r"GSM8K at k = 6, both rules choose the same layers"):
        Retentions(our_cells(cells, kinds, policies, 0.95), 0.95, found).difference(LLADA, "gsm8k", 6)
    cells[2]["layers"] = [3, 4]
    assert paired_differences(cells, kinds, policies, tmp_path, 0.95, 100)[LLADA, "gsm8k", 6].value > 0


def test_the_difference_of_equal_verdicts_has_a_width(tmp_path):
    full, apart, together = adjacency_cells(tmp_path)
    scored(tmp_path, "adjacent", 6, APART)
    policies = {"not_allowed": "similarity", "allowed": "adjacent"}
    cells = [full, apart, together]
    [found] = paired_differences(cells, {"small": "gsm8k"}, policies, tmp_path, 0.95, 100).values()
    assert found.value == 0
    assert (found.low, found.high) == pytest.approx((-3.672, 3.672), abs=1e-3)  # 2.84 % of 128, of 77 %


def test_differences_are_of_one_model_and_of_scored_cells(tmp_path):
    full, apart, together = adjacency_cells(tmp_path)
    policies = {"not_allowed": "similarity", "allowed": "adjacent"}
    for last in ({**together, "model": "other"}, {**together, "retention": None}):
        assert paired_differences([full, apart, last], {"small": "gsm8k"}, policies, tmp_path, 0.95, 9) == {}


def test_claims_on_adjacency_rest_on_pairs(tmp_path):
    cells = adjacency_cells(tmp_path)
    for row in list(cells):  # HumanEval's files are GSM8K's
        cells.append({**row, "benchmark": "big"})
        where = {**row, "k": row["asked_k"]}
        here, there = (tmp_path / paths.SCORES.format(**where | {"benchmark": b}) for b in ("small", "big"))
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(here.read_bytes())
    settings = settings_of(["small", "big"]) | {
        "models": {},
        "kinds": {"small": "gsm8k", "big": "humaneval"},
        "policies": {"not_allowed": "similarity", "allowed": "adjacent"},
        "selection": None,
    }
    rows, _ = compared(tmp_path, cells, settings)
    assert rows["C13"]["here_verdict"] == "true"


def test_both_readings_stand_side_by_side(tmp_path):
    rows = [
        cell_row(
            0, benchmark="sums", status="scored", accuracy=0.75, strict_accuracy=0.5, strict_retention=100.0
        ),
        cell_row(
            2, benchmark="sums", status="scored", accuracy=0.5, strict_accuracy=0.5, strict_retention=None
        ),
    ]
    _, text = compared(tmp_path, rows, {**settings_of(["sums"], "sums"), "models": {}})
    table = text.split("## Two readings")[1]
    assert "| 75.0 | 50.0 | +25.0 |" in table
    assert "| 50.0 | 50.0 | +0.0 |" in table
    assert "| n/a |" in table
