"""The comparison of policies and the overlap of their sets, on made-up results."""

import numpy as np
import pytest

from conftest import run_script
from goodpart.evaluation import cells as cells_rule
from goodpart.evaluation.policy_entries import entries
from goodpart.jobs.parquet import provenance, read_table, write_rows
from goodpart.states.pooling import PROMPT_SCHEMA
from scripts.overlap_measures import Overlap, indicators, jaccard, weighted_means
from scripts.policy_study_table import agreement

POLICIES = {
    "similarity": {"kind": "algorithm1", "threshold": 0.95},
    "random-1": {"kind": "random_layers", "seed": 1, "adjacent": False},
    "random-2": {"kind": "random_layers", "seed": 2, "adjacent": False},
    "random-near": {"kind": "random_layers", "seed": 1, "adjacent": True},
}


def cell(policy, k, retention, **values):
    made = dict.fromkeys(cells_rule.SCHEMA.names)
    made |= {
        "model": "m",
        "benchmark": "b",
        "policy": policy,
        "asked_k": k,
        "got_k": k,
        "n": 40,
        "accuracy": 0.5,
        "retention": retention,
        "low": None if retention is None else retention - 10,
        "high": None if retention is None else retention + 10,
        "forward_passes": 100,
        "flops_reduction_layers": 10.0 * k,
        "flops_reduction_true": 9.0 * k,
        "status": "scored",
    }
    return made | values


CELLS = [
    cell("full", 0, 100.0),
    cell("similarity", 2, 80.0, got_k=1),
    cell("random-1", 2, 60.0),
    cell("random-2", 2, 40.0),
    cell("random-near", 2, 30.0),
    cell("similarity", 4, None, status="not run: no sandbox"),
]


def test_seeds_become_one_entry_with_their_range():
    found = {(entry.policy, entry.asked_k): entry for entry in entries(CELLS, POLICIES)}
    assert list(found) == [
        ("similarity", 2), ("random_layers", 2), ("random-near", 2), ("similarity", 4),
    ]  # fmt: skip
    both = found["random_layers", 2]
    assert (both.seeds, both.retention, both.low, both.high) == (2, 50, 40, 60)
    assert both.each == (60, 40)
    alone = found["similarity", 2]
    assert (alone.seeds, alone.retention, alone.low, alone.high) == (1, 80, 70, 90)
    assert found["similarity", 4].retention is None
    assert found["similarity", 4].status == "not run: no sandbox"


def test_rules_of_one_kind_have_names_of_their_own():
    """Two seeds each of random sets without and with neighbours; a policy of another kind."""
    policies = {**POLICIES, "random-near-2": {**POLICIES["random-near"], "seed": 2}}
    made = entries([*CELLS, cell("random-near-2", 2, 50.0)], policies)
    assert {entry.policy: entry.retention for entry in made if entry.asked_k == 2} == {
        "similarity": 80,
        "random_layers (adjacent: false)": 50,
        "random_layers (adjacent: true)": 40,
    }


def test_jaccard():
    sets = indicators([[0, 1], [1, 2], [], [0, 1]], 4)
    index = jaccard(sets, sets)
    assert np.allclose(index, [[1, 1 / 3, 0, 1], [1 / 3, 1, 0, 1 / 3], [0, 0, 1, 0], [1, 1 / 3, 0, 1]])


def test_means_over_pairs_are_those_of_a_loop():
    drawn = np.random.default_rng(0)
    index = jaccard(*[drawn.integers(0, 2, (7, 5)).astype(float)] * 2)
    group = np.array([0, 0, 0, 1, 1, 2, 2])
    weights = drawn.integers(0, 3, (4, 7)).astype(float)
    same, other = weighted_means(index, group, weights)
    for row, w in enumerate(weights):
        pairs = {True: [], False: []}
        for i in range(7):
            for j in range(7):
                if i != j:
                    pairs[bool(group[i] == group[j])] += [index[i, j]] * int(w[i] * w[j])
        assert same[row] == pytest.approx(np.mean(pairs[True]))
        assert other[row] == pytest.approx(np.mean(pairs[False]))


def similarities(path, benchmark, likes, layers=8, prompts=12):
    """Prompts whose similarity is high at the layers `likes`, with a little noise."""
    drawn = np.random.default_rng(len(benchmark))
    rows = [
        {
            "benchmark": benchmark,
            "item_id": f"{benchmark}/{i}",
            "kind": "prompt",
            "layer": layer,
            "cosine": 0.96 + 0.02 * (layer in likes) + 0.001 * drawn.random(),
            "tokens": 5,
        }
        for i in range(prompts)
        for layer in range(layers)
    ]
    write_rows(path, rows, PROMPT_SCHEMA, provenance())
    return path


@pytest.mark.parametrize("agnostic", [True, False])
def test_a_set_that_depends_on_the_task_is_called_so(tmp_path, agnostic):
    files = [
        similarities(tmp_path / "a.parquet", "one", [1, 4]),
        similarities(tmp_path / "b.parquet", "three", [1, 4] if agnostic else [3, 6]),
    ]
    settings = {
        "kind": "algorithm1",
        "threshold": 0.9,
        "adjacent": False,
        "positions": "prompt",
        "protected": [],
    }
    run_script(
        "overlap_measures",
        tmp_path / "overlap.parquet",
        inputs={"similarities": files},
        models={"m": 8},
        benchmarks=["one", "three"],
        settings=settings,
        ks=[2],
        level=0.95,
        resamples=200,
    )
    rows = read_table(tmp_path / "overlap.parquet").to_pylist()
    by = {row["kind"]: row for row in rows}
    assert by["same benchmark"]["jaccard"] == 1
    assert by["other benchmark"]["jaccard"] == (1 if agnostic else 0)
    assert by["benchmarks"]["jaccard"] == (1 if agnostic else 0)
    assert by["same benchmark"]["pairs"] == 2 * 12 * 11 / 2
    assert by["other benchmark"]["pairs"] == 12 * 12
    assert 0 < by["chance"]["jaccard"] < 0.5
    [line] = [line for line in agreement(rows, 0.95) if line.startswith("*")]
    said = "no sign that the set depends on the task" if agnostic else ": the set depends on the task"
    assert said in line
    study = tmp_path / "study.parquet"
    write_rows(study, CELLS, cells_rule.SCHEMA, provenance(selection={"policies": POLICIES}))
    table = [tmp_path / "t.csv", tmp_path / "t.md"]
    inputs = {"cells": study, "overlap": tmp_path / "overlap.parquet"}
    run_script("policy_study_table", table, inputs=inputs, level=0.95)
    text = table[1].read_text()
    assert "| similarity | 80.0 (70 to 90) \\* \\+ [1], 20.0 / 18.0 | not run: no sandbox |" in text
    assert "| random_layers | 50.0 (40 to 60), 20.0 / 18.0 | not run |" in text
    assert line in text
    assert len(table[0].read_text().splitlines()) == 1 + 4
    figure = [tmp_path / f"p.{kind}" for kind in ("pdf", "png", "csv")]
    run_script("policies_figure", figure, inputs=inputs)
    assert figure[2].read_text().splitlines()[2].startswith("random_layers,2,2,2,50.0000,40.0000,60.0000")
    figure = [tmp_path / f"o.{kind}" for kind in ("pdf", "png", "csv")]
    run_script("overlap_figure", figure, inputs=inputs, models={"m": None})
    assert len(figure[2].read_text().splitlines()) == 1 + len(rows)


RULE = {"kind": "algorithm1", "threshold": 0.97, "adjacent": True, "positions": "prompt", "protected": []}


def test_chance_draws_sets_as_large_as_those_of_the_prompts():
    """Two layers of eight above tau, six asked for: two random sets of two share 1/7 of their union or so."""
    overlap = Overlap(RULE, 6, 0.95)
    overlap.chance("m", [np.where(np.isin(np.arange(8), [1, 4]), 0.98, 0.5) * np.ones((3, 1))])
    expected = (12 / 28) * (1 / 3) + 1 / 28
    assert overlap.rows[0]["jaccard"] == pytest.approx(expected, abs=0.06)


def test_one_prompt_a_benchmark_says_nothing_of_agreement():
    overlap = Overlap(RULE, 2, 0.95)
    parts = [np.linspace(0.98, 0.99, 8)[None], np.linspace(0.99, 0.98, 8)[None]]
    overlap.prompts("m", parts, 50)
    overlap.chance("m", parts)
    assert next(row for row in overlap.rows if row["kind"] == "difference")["jaccard"] is None
    [said] = agreement(overlap.rows, 0.95)
    assert said.startswith("Nothing can be said")
