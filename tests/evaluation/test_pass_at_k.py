"""pass@k by its definition, by a count of all draws, and by exact values."""

import json
from fractions import Fraction
from itertools import combinations

import pytest

from goodpart.errors import GoodpartError
from goodpart.evaluation.pass_at_k import mean_pass_at_k, pass_at_k


@pytest.mark.parametrize("n", range(1, 8))
def test_it_is_the_share_of_draws_that_hold_a_correct_sample(n):
    for correct in range(n + 1):
        for k in range(1, n + 1):
            draws = list(combinations([i < correct for i in range(n)], k))
            assert pass_at_k(n, correct, k) == Fraction(sum(map(any, draws)), len(draws))


def test_exact_values(shared):
    rows = (shared / "benchmarks" / "oracles" / "pass_at_k.jsonl").read_text().splitlines()
    assert len(rows) > 20
    for row in map(json.loads, rows):
        counts = row.get("tasks") or [(row["n"], row["c"])]
        if row["value"] is None:
            with pytest.raises(GoodpartError):
                mean_pass_at_k(counts, row["k"])
        else:
            value = mean_pass_at_k(counts, row["k"])
            assert float(value) == pytest.approx(row["value"], abs=1e-15)
            assert row.get("exact") is None or value == Fraction(row["exact"])


@pytest.mark.parametrize(("n", "correct", "k"), [(1, 1, 2), (0, 0, 1), (5, 5, 0), (5, 6, 1), (5, -1, 1)])
def test_what_is_not_defined_is_refused(n, correct, k):
    with pytest.raises(GoodpartError):
        pass_at_k(n, correct, k)


def test_the_mean_is_over_items_not_of_pooled_counts():
    assert mean_pass_at_k([(2, 0), (2, 2)], 2) == Fraction(1, 2)
    with pytest.raises(GoodpartError, match="pass@2 is not defined for 1 sample"):
        mean_pass_at_k([(2, 1), (1, 1)], 2)
    with pytest.raises(GoodpartError, match="no items"):
        mean_pass_at_k([], 1)
