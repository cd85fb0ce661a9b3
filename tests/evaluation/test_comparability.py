"""Contrasts give a verdict only between models of equal skill, and say what would resolve them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from goodpart.evaluation.comparability import why_not_comparable
from goodpart.evaluation.contrasts import Study, Trained, welch
from goodpart.evaluation.paper.claims import Claim
from goodpart.evaluation.paper.evidence import Evidence, Retentions
from goodpart.evaluation.paper.table_cells import (
    DREAM_BASE,
    DREAM_INSTRUCT,
    KINDS,
    LLADA,
    NOT_ALLOWED,
    QWEN,
    Cell,
)
from goodpart.evaluation.paper.values import Value
from goodpart.evaluation.paper.verdicts import Part, every
from scripts.controlled_study_measures import unequal

COLUMNS = (LLADA, DREAM_BASE, DREAM_INSTRUCT, QWEN)


@pytest.mark.parametrize(
    ("accuracies", "said"),
    [
        ({"a": 0.7, "b": 0.8}, ""),
        ({"a": 0.7, "b": 0.81}, "skill at full depth differs by more than 0.10: a 0.70, b 0.81"),
        ({"a": 0.95, "b": 0.9}, ""),
        ({"a": 0.96, "b": 0.9}, "a is within 0.05 of 1 at full depth (0.96)"),
        ({"a": 0.05, "b": 0.14}, ""),
        ({"a": 0.04, "b": 0.1}, "a is within 0.05 of 0 at full depth (0.04)"),
        ({}, ""),
    ],
)
def test_equal_skill_away_from_floor_and_ceiling(accuracies, said):
    assert why_not_comparable(accuracies) == said


def cells(skill, n=64, halfwidth=4.0):
    """Cells that make C03, C11 and C12 true: LLaDA keeps most, Qwen least. `skill`: column -> accuracy."""
    kept = dict(zip(COLUMNS, (99.0, 92.0, 91.0, 60.0), strict=True))
    for column in COLUMNS:
        for kind in KINDS.values():
            for k in (0, 2, 3, 4, 6):
                percent = kept[column] if k else 100.0
                yield Cell(
                    column, kind, NOT_ALLOWED, k, percent, skill[column], n,
                    percent - halfwidth, percent + halfwidth, flops=100 * k / 30, nll=0.25,
                )  # fmt: skip


def verdict(name, skill, **more):
    claim = Claim(name, "", "", "", "", "")
    return claim.on(Evidence(Retentions(cells(skill, **more), 0.95, compared=True)))


EQUAL = dict.fromkeys(COLUMNS, 0.75)


@pytest.mark.parametrize("name", ["C03", "C11", "C12"])
def test_models_of_equal_skill_get_a_verdict_that_states_it(name):
    found = verdict(name, EQUAL)
    assert found.verdict == "true"
    assert "Qwen2.5 0.75; 0.250 nats" in found.detail


@pytest.mark.parametrize("name", ["C03", "C09", "C11", "C12"])
def test_a_model_at_its_ceiling_gets_none(name):
    found = verdict(name, EQUAL | {QWEN: 1.0})
    assert found.verdict == "not comparable"
    assert "Qwen2.5 is within 0.05 of 1 at full depth (1.00)" in found.detail
    assert found.resolved is None


def test_models_of_unequal_skill_get_none_either():
    assert verdict("C03", EQUAL | {QWEN: 0.6}).verdict == "not comparable"
    assert verdict("C12", EQUAL | {QWEN: 0.6}).verdict == "true"  # of one model alone
    # The paper's own numbers are judged as it judges them.
    claim = Claim("C03", "", "", "", "", "")
    assert claim.on(Evidence(Retentions(cells(EQUAL | {QWEN: 0.6}), 0.95))).verdict == "true"


def test_an_unresolved_verdict_says_how_many_items_would_resolve_it():
    found = verdict("C03", EQUAL, halfwidth=40.0)  # 99 against 60: 39, with a half-width of 40 x sqrt(2)
    assert found.resolved is False
    assert f"about {math.ceil(64 * 2 * (40 / 39) ** 2)} items a benchmark would resolve it" in found.detail
    assert "would resolve" not in verdict("C03", EQUAL).detail


def test_items_follow_the_square_root():
    part = Part("x", Value(95.0, 85.0, 105.0), ">", 90.0)
    assert every([part]).items_to_resolve(100) == 400
    assert every([replace(part, number=Value(99.0, 95.0, 103.0))]).items_to_resolve(100) is None


def test_contrasts_of_the_study_are_judged_by_the_means_over_seeds():
    chosen = {
        "models": ["a", "b"],
        "seeds": {"a": ["a2"]},
        "contrasts": [{"differs": "x", "first": "a", "second": "b"}],
    }
    assert unequal(chosen, {"a": 0.9, "a2": 0.7, "b": 0.75}) == {}
    assert "differs by more than 0.10" in unequal(chosen, {"a": 0.9, "a2": 0.9, "b": 0.75})["x"]


def values(mean, sd, draws=4000, seed=0):
    return mean, np.random.default_rng(seed).normal(mean, sd, draws)


def test_the_variation_between_trainings_widens_a_contrast():
    """By hand: seeds 90, 80, 70 have the standard deviation 10; t with 2 degrees of freedom is 4.303."""
    study = Study(0.95, {"a": ["a2", "a3"]})
    of = {"a": values(90, 1), "a2": values(80, 1), "a3": values(70, 1), "b": values(60, 1)}
    study.contrasts([{"differs": "x", "first": "a", "second": "b"}], "retention", of, n=9)
    study.training("retention", of, n=9)
    contrast, training = study.rows
    assert contrast["value"] == pytest.approx(20)
    half = 4.303 * 10 / 3**0.5
    assert contrast["high"] - 20 == pytest.approx(half, rel=0.02)
    assert (contrast["seeds"], training["seeds"]) == (1, 3)
    assert training["seed_sd"] == pytest.approx(10)
    assert training["item_sd"] == pytest.approx(1, rel=0.1)
    alone = Study(0.95, {})
    alone.contrasts([{"differs": "x", "first": "a", "second": "b"}], "retention", of, n=9)
    assert alone.rows[0]["high"] - alone.rows[0]["value"] < 4


def test_degrees_of_freedom_of_unequal_variances_are_welchs():
    from scipy.stats import ttest_ind

    one, two = [41.0, 58.0, 59.0], [80.0, 81.0, 86.0, 83.0]
    parts = [Trained([values(x, 1) for x in side]).between for side in (one, two)]
    variance, freedom = welch(parts)
    found = ttest_ind(one, two, equal_var=False)
    assert freedom == pytest.approx(found.df)
    assert (np.mean(one) - np.mean(two)) / variance**0.5 == pytest.approx(found.statistic)
    assert welch([]) == welch([(0.0, 2)]) == (0.0, 0.0)
    assert welch([(0.0, 2), (3.0, 2)]) == (3.0, 2.0)


def test_the_interval_over_seeds_and_items_covers_the_truth():
    """Of 400 studies whose seeds vary as much as their items, about 95 % hold the true difference."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(400):
        study, of = Study(0.95, {"a": ["a2", "a3"], "b": ["b2", "b3"]}), {}
        for name in ("a", "b"):
            shared = rng.normal(0, 1)  # the variation of the items, which the seeds share
            resampled = rng.normal(0, 1, 500)
            for one in (name, f"{name}2", f"{name}3"):
                estimate = rng.normal(0, 2) + shared
                of[one] = (estimate, estimate + resampled)
        study.contrasts([{"differs": "x", "first": "a", "second": "b"}], "m", of, n=1)
        held += study.rows[0]["low"] <= 0 <= study.rows[0]["high"]
    assert 0.92 * 400 <= held <= 0.99 * 400


def test_one_seed_has_no_variation():
    assert Trained([values(1, 1)]).sd is None
    assert Trained([values(1, 1)]).between == (0.0, 0)
