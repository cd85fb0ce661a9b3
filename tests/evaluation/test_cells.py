"""One cell's numbers from its scores and generations, against hand-worked examples."""

import numpy as np
import pyarrow as pa
import pytest

from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation import completions
from goodpart.evaluation.cells import cell, generation_facts
from goodpart.evaluation.intervals import mcnemar, retention_interval
from goodpart.jobs.parquet import write_rows

PLACE = {"model": "m", "decode": "d", "benchmark": "b"}


def scores(correct, samples=1, status="scored"):
    n = len(correct) // samples
    return pa.table(
        {
            "item_id": [f"i{i}" for i in range(n) for _ in range(samples)],
            "sample": pa.array([s for _ in range(n) for s in range(samples)], pa.int32()),
            "correct": pa.array([None if c is None else bool(c) for c in correct], pa.bool_()),
            "status": [status] * len(correct),
        }
    )


def made(tokens, samples=1, kl=None, ended=None):
    n = len(tokens) // samples
    ended = [bool(e) for e in ended or [True] * len(tokens)]
    return pa.table(
        {
            "item_id": [f"i{i}" for i in range(n) for _ in range(samples)],
            "sample": pa.array([s for _ in range(n) for s in range(samples)], pa.int32()),
            "token_ids": tokens,
            "ended": ended,
            "truncated": [not e for e in ended],
            "forward_passes": list(range(1, len(tokens) + 1)),
            "kl": pa.array(kl or [None] * len(tokens), pa.float64()),
        }
    )


def test_a_cell_by_hand():
    base = scores([1, 1, 1, 0, 1]), made([[1], [2], [3], [4], [5]])
    mine = (
        scores([1, 0, 0, 1, 1]),
        made([[1], [2], [9], [4, 4], [5]], kl=[0.1, 0.3, None, None, None], ended=[1, 1, 0, 1, 1]),
    )
    found = cell(*mine, *base, 0.95, 4000)
    assert {k: found[k] for k in ("n", "samples", "correct", "never_ended", "truncated", "kl_items")} == {
        "n": 5, "samples": 1, "correct": 3, "never_ended": 1, "truncated": 1, "kl_items": 2,
    }  # fmt: skip
    assert found["forward_passes"] == 15
    assert found["accuracy"] == pytest.approx(0.6)
    assert found["retention"] == pytest.approx(75)
    assert found["equivalence"] == pytest.approx(3 / 5)
    assert found["kl"] == pytest.approx(0.2)
    assert found["pass_at_k"] == pytest.approx([0.6])
    # Two items lost, one gained: of 3 fair coins, at least as uneven as 2 to 1 has probability 1.
    assert found["p_value"] == pytest.approx(1.0)
    assert found["low"] < 75 < found["high"]


def test_several_samples_an_item():
    base = scores([1, 1, 1, 0, 0, 0, 1, 1], samples=2), made([[i] for i in range(8)], samples=2)
    mine = scores([1, 0, 0, 0, 1, 1, 1, 1], samples=2), made([[i] for i in range(8)], samples=2)
    found = cell(*mine, *base, 0.95, 1000)
    assert (found["n"], found["samples"], found["correct"]) == (4, 2, 5)
    assert found["accuracy"] == pytest.approx(5 / 8)
    assert found["retention"] == pytest.approx(100.0)
    assert found["pass_at_k"] == pytest.approx([5 / 8, 3 / 4])
    assert found["p_value"] is None
    with pytest.raises(GoodpartError, match="different completions"):
        cell(*mine, *(scores([1, 1, 1, 0]), made([[1], [2], [3], [4]])), 0.95, 100)


def test_what_was_not_scored_has_counts_but_no_accuracy():
    base = scores([None, None], status="not run: no sandbox"), made([[1], [2]])
    found = cell(*base, *base, 0.95, 100)
    assert found["status"] == "not run: no sandbox"
    assert found["equivalence"] == 1
    assert "accuracy" not in found


def test_mcnemar_is_the_exact_binomial():
    base = np.array([1] * 10 + [0] * 2 + [1, 0] * 4, float)
    mine = np.array([0] * 10 + [1] * 2 + [1, 0] * 4, float)
    # Of 12 changed items 2 were gained: 2 x (1 + 12 + 66) / 4096.
    assert mcnemar(base, mine) == pytest.approx(2 * 79 / 4096)
    assert mcnemar(base, base) == 1


def test_fractions_of_samples_are_resampled_as_whole_items():
    rng = np.random.default_rng(3)
    base, mine = rng.integers(0, 4, 60) / 3, rng.integers(0, 4, 60) / 3
    low, high = retention_interval(base, mine, 0.9, 4000)
    drawn = rng.integers(0, 60, (4000, 60))
    slow = np.quantile(100 * mine[drawn].sum(1) / base[drawn].sum(1), [0.05, 0.95])
    assert (low, high) == pytest.approx(tuple(slow), abs=3)


@pytest.mark.parametrize(("baseline", "retention", "correlation"), [(0.5, 0.6, 0.3), (0.8, 0.9, 0.6)])
def test_intervals_cover(baseline, retention, correlation):
    """The whole grid is in tests/bench/coverage.py; docs/statistics.md has its table."""
    from bench.coverage import coverage

    assert 0.93 <= coverage(baseline, retention, correlation, items=128, repetitions=2000) <= 0.97


def test_completions_of_other_settings_than_full_depths_are_refused(tmp_path):
    """Such as a job that failed once left behind, or a file of another run."""
    for policy, k, temperature in (("full", 0, 0.0), ("similarity", 2, 0.0), ("similarity", 4, 3.0)):
        path = tmp_path / paths.GENERATIONS.format(**PLACE, policy=policy, k=k, first=0, last=3)
        write_rows(path, [], completions.SCHEMA, {"decode": {"temperature": temperature}, "seed": 0})
    assert generation_facts(tmp_path, {**PLACE, "policy": "similarity", "k": 2}, [[0, 3]])["seed"] == 0
    with pytest.raises(GoodpartError, match=r"k4/0-3\.parquet: made with another decode than .*full/k0"):
        generation_facts(tmp_path, {**PLACE, "policy": "similarity", "k": 4}, [[0, 3]])


def test_the_strict_reading_and_cut_completions_are_counted():
    base = scores([1, 1, 0, 0]), made([[1], [2], [3], [4]], ended=[1, 0, 1, 1])
    mine = scores([1, 0, 0, 0]), made([[1], [2], [3], [4]], ended=[0, 0, 1, 1])
    strict = [pa.array(values) for values in ([True, True, True, False], [True, True, False, False])]
    base, mine = (
        (table.append_column("strict", column), rest)
        for (table, rest), column in zip((base, mine), strict, strict=True)
    )
    found = cell(*mine, *base, 0.95, 100)
    assert (found["strict"], found["strict_accuracy"]) == (2, 0.5)
    assert found["strict_retention"] == pytest.approx(200 / 3)
    assert (found["accuracy"], found["retention"]) == (0.25, 50)
    assert (found["truncated"], found["full_truncated"]) == (2, 1)
