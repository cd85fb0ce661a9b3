"""Claims of the paper: every row has its predicate, and every predicate can come out each way."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from conftest import ROOT
from goodpart.errors import GoodpartError
from goodpart.evaluation.paper.claims import PREDICATES, read_claims
from goodpart.evaluation.paper.evidence import Evidence, Retentions, Selected, SpeedUp
from goodpart.evaluation.paper.profiles import Profile
from goodpart.evaluation.paper.table_cells import (
    ALLOWED,
    DREAM_BASE,
    DREAM_INSTRUCT,
    KINDS,
    LLADA,
    NOT_ALLOWED,
    QWEN,
    Cell,
    paper_cells,
)
from goodpart.evaluation.paper.values import Value
from goodpart.evaluation.paper.verdicts import Part, each, every

PAPER = ROOT / "workflow" / "resources" / "paper"
CLAIMS = {claim.id: claim for claim in read_claims(PAPER / "claims.csv")}
PRINTED = paper_cells(PAPER / "cells.csv", 0.95)
LAYERS = {LLADA: 32, DREAM_BASE: 28, DREAM_INSTRUCT: 28, QWEN: 28}
# Retentions that support every claim of the text, by column and k.
SUPPORTING = {
    LLADA: {2: 110, 3: 108, 4: 105, 6: 95, 8: 91},
    DREAM_BASE: {2: 70, 3: 60, 4: 50},
    DREAM_INSTRUCT: {2: 72, 3: 61, 4: 51},
    QWEN: {2: 50, 3: 40, 4: 30},
}


def cells(sign=1, about=0):
    """Cells of all claims; `sign` -1 negates every retention, or its distance from another number."""
    made = []
    for column, by_k in SUPPORTING.items():
        for k, percent in by_k.items():
            for kind in KINDS.values():
                for adjacent, value in ((NOT_ALLOWED, percent), (ALLOWED, percent - 45)):
                    number = about + sign * float(value - about)
                    made.append(
                        Cell(column, kind, adjacent, k, number, 0.5, 400, number - 9, number + 9,
                             flops=sign * 100 * k / LAYERS[column])
                    )  # fmt: skip
    return made


def profile(column, layers, sign=1):
    """Hidden states as the text has them, eight prompts; `sign` -1 negates what the claims compare.

    Cosines are negated; norms, which cannot be, are turned upside down (their logarithm is negated).
    """
    native, x = column == LLADA, np.linspace(0, 1, layers)
    rng = np.random.default_rng(len(column))

    def noisy(values):
        return sign * (values + rng.normal(0, 0.002, (8, layers)))

    token = np.where(x < 0.5, 0.97, 0.6) if native else 0.5 - 0.1 * x
    growth = np.where(x < 0.65, 0.1 * x, 0.065 + 8 * (x - 0.65))
    measures = {
        "layer": noisy(np.where(x < 0.5, 0.98, 0.8)),
        "token": noisy(token),
        "spread": noisy(np.where(x < 0.5, 0.02, 0.2)),
        "decoded": noisy(token),
        "slope": noisy(0 * x),
        "median": np.exp(noisy(growth)),
        "largest": np.exp(noisy(growth + np.log(2e3))),
    }
    # Turned round, the cosine moves over the steps and not over the layers.
    pattern, steps = (0.98 - 0.2 * x, np.zeros(3)) if sign > 0 else (0 * x + 0.9, np.array([-0.1, 0, 0.1]))
    tokens = tuple(f"p{i}" for i in range(8))
    return Profile(column, tokens, measures, pattern + steps[:, None] + 1e-3 * x)


def selected(sign=1):
    """Sets of twelve prompts, early and alike; `sign` -1 ranks the layers the other way round."""
    early, prompts = list(range(0, 12, 2)), []
    for i in range(12):
        chosen = early if sign > 0 else [(26 + 2 * i + 2 * j) % 12 + 20 for j in range(6)]
        row = np.zeros(32)
        row[chosen] = 1
        prompts.append(row)
    pooled = np.zeros(32)
    pooled[early if sign > 0 else range(1, 13, 2)] = 1
    of_benchmark = {"a": prompts[0], "b": prompts[6]}
    return Selected(LLADA, 6, np.stack(prompts), ["gsm8k"] * 6 + ["mbpp"] * 6, pooled, of_benchmark)


def speed_ups(sign=1):
    """Logarithms of the speed-ups negated with `sign` -1."""
    skip, cached, both = 1.2**sign, 2.0**sign, 2.3**sign
    values = (skip, cached, both, both / (skip * cached), both - max(skip, cached))
    return [SpeedUp("llada", 16, "prefix", *(Value(x, x - 0.03, x + 0.03) for x in values))]


def evidence(sign=1):
    return Evidence(
        Retentions(cells(sign), 0.95),
        {column: profile(column, layers, sign) for column, layers in LAYERS.items()},
        selected(sign),
        speed_ups(sign),
    )


SUPPORT = evidence()


def opposed(name):
    """The data behind a claim with the sign of what it compares turned round."""
    if name == "C12":  # how much is lost: as much is gained
        return Evidence(Retentions(cells(-1, about=100), 0.95))
    if name == "C19":  # which of two models is nearer: the other one
        swapped = {**SUPPORT.profiles, LLADA: SUPPORT.profiles[QWEN], QWEN: SUPPORT.profiles[LLADA]}
        return replace(SUPPORT, profiles=swapped)
    return evidence(-1)


def test_every_claim_has_its_predicate_and_no_predicate_is_left_over():
    with (PAPER / "claims.csv").open() as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    assert ids == [f"C{n:02}" for n in range(1, 25)]
    assert sorted(PREDICATES) == ids


def test_a_claim_without_a_predicate_is_refused(tmp_path):
    text = (PAPER / "claims.csv").read_text()
    (tmp_path / "claims.csv").write_text(text + "C99,1,the moon is made of cheese,moon = cheese,none,\n")
    with pytest.raises(GoodpartError, match="no predicate for C99"):
        read_claims(tmp_path / "claims.csv")


@pytest.mark.parametrize("name", CLAIMS)
def test_supporting_data_make_a_claim_true_and_their_negative_false(name):
    assert CLAIMS[name].on(SUPPORT).verdict == "true", CLAIMS[name].on(SUPPORT).detail
    assert CLAIMS[name].on(opposed(name)).verdict == "false", CLAIMS[name].on(opposed(name)).detail


@pytest.mark.parametrize("name", CLAIMS)
def test_without_data_a_claim_is_not_evaluated(name):
    verdict = CLAIMS[name].on(Evidence(Retentions([], 0.95)))
    assert verdict.verdict == "not evaluated"
    assert verdict.decisive is None
    assert verdict.resolved is None
    assert verdict.detail.startswith("missing: ")


@pytest.mark.parametrize("name", [name for name in CLAIMS if name <= "C14"])
def test_each_retention_that_a_claim_needs_is_needed(name):
    """Take out one cell at a time: the claim is then not evaluated, or the cell was none of its business."""
    before = CLAIMS[name].on(SUPPORT).detail
    needed = 0
    for cell in SUPPORT.retentions.cells.values():
        kept = [c for c in SUPPORT.retentions.cells.values() if c is not cell]
        after = CLAIMS[name].on(replace(SUPPORT, retentions=Retentions(kept, 0.95)))
        if after.verdict == "not evaluated":
            needed += 1
        else:
            assert after.verdict == "true"
            assert after.detail == before or "k = 4" in before or "k = 3" in before
    assert needed >= 2


@pytest.mark.parametrize("name", [f"C{n}" for n in (16, 17, 18, 19, 20, 21, 22)])
def test_a_claim_about_states_needs_llada_s(name):
    without = {c: p for c, p in SUPPORT.profiles.items() if c != LLADA}
    assert CLAIMS[name].on(replace(SUPPORT, profiles=without)).verdict == "not evaluated"


def test_a_cell_that_skipped_fewer_layers_is_no_input():
    short = [
        replace(cell, percent=None, why="only 3 layers were found to skip")
        if cell.place == (LLADA, "mbpp", NOT_ALLOWED, 6)
        else cell
        for cell in cells()
    ]
    verdict = CLAIMS["C01"].on(Evidence(Retentions(short, 0.95)))
    assert (verdict.verdict, "only 3 layers" in verdict.detail) == ("not evaluated", True)


# What a close reading of the paper's own numbers found (resources/paper/claims.csv).
@pytest.mark.parametrize(
    ("name", "verdict", "words"),
    [
        ("C01", "false", "HumanEval"),
        ("C02", "true", "94.07"),
        ("C03", "true", "23.5"),
        ("C04", "true", "102.1"),
        ("C05", "true", "62.7"),
        ("C06", "true", "34.9"),
        ("C07", "true", "60.5"),
        ("C08", "true", "123.1"),
        ("C09", "true", "1.35"),
        ("C10", "false", "3 of 4 at k = 6, 1 of 4 at k = 8"),
        ("C11", "partly", "11 of 12"),
        ("C12", "true", "n is unknown"),
        ("C13", "true", "k = 8: 2 of 2"),
        ("C14", "partly", "1 of 2"),
    ],
)
def test_verdicts_on_the_papers_own_cells(name, verdict, words):
    found = CLAIMS[name].on(Evidence(Retentions(PRINTED, 0.95)))
    assert found.verdict == verdict
    assert words in found.detail


def test_claims_about_figures_are_not_evaluated_on_the_papers_cells():
    for name in [f"C{n}" for n in range(15, 25)]:
        assert CLAIMS[name].on(Evidence(Retentions(PRINTED, 0.95))).verdict == "not evaluated"


def test_a_claim_at_its_bound_is_unresolved():
    cell = [replace(c, percent=91.0, low=85.0, high=97.0) if c.k == 6 else c for c in cells()]
    found = CLAIMS["C01"].on(Evidence(Retentions(cell, 0.95)))
    assert (found.verdict, found.resolved) == ("true", False)
    assert CLAIMS["C01"].on(SUPPORT).resolved is False  # 95, 86 to 104
    assert CLAIMS["C16"].on(SUPPORT).resolved is True


@pytest.mark.parametrize(("name", "resolved"), [("C03", True), ("C13", True), ("C12", None), ("C01", False)])
def test_what_is_resolved_on_the_papers_cells(name, resolved):
    """What is exact, as FLOPs and limits of intervals, leaves nothing open; a number without n does."""
    assert CLAIMS[name].on(Evidence(Retentions(PRINTED, 0.95))).resolved is resolved


SURE, OPEN, UNKNOWN = Value(2, 1, 3), Value(2, -1, 5), Value(2)
NOT, MAYBE_NOT = Value(-2, -3, -1), Value(-2, -5, 1)


@pytest.mark.parametrize(
    ("together", "numbers", "verdict", "resolved"),
    [
        (every, [SURE, SURE], "true", True),
        (every, [SURE, OPEN], "true", False),
        (every, [SURE, UNKNOWN], "true", None),
        (every, [SURE, Value(2, np.nan, np.nan)], "true", None),
        (every, [Value(2, -3, -1)], "true", False),  # an interval beside its number
        (every, [SURE, replace(UNKNOWN, exact=True)], "true", True),
        (every, [OPEN, NOT], "false", True),
        (every, [SURE, NOT, MAYBE_NOT], "false", True),
        (every, [SURE, MAYBE_NOT], "false", False),
        (each, [SURE, NOT], "partly", True),
        (each, [OPEN, NOT], "partly", False),
        (each, [OPEN, SURE, NOT], "partly", True),
        (each, [NOT, MAYBE_NOT], "false", False),
    ],
)
def test_a_verdict_is_resolved_if_no_error_turns_it(together, numbers, verdict, resolved):
    found = together([Part("x", number, ">", 0) for number in numbers])
    assert (found.verdict, found.resolved) == (verdict, resolved)


def test_the_least_certain_part_decides_whatever_its_unit():
    wide, narrow = Value(50, -10, 110), Value(0.2, 0.1, 0.3)
    assert every([Part("wide", wide, ">", 0), Part("narrow", narrow, ">", 0)]).decisive.what == "wide"
    assert (
        every([Part("wide", wide, ">", 0), Part("fails", Value(-9, -99, 0), ">", 0)]).decisive.what == "fails"
    )


def test_a_part_that_must_be_certain_holds_with_all_of_its_interval():
    assert Part("x", SURE, ">", 0, certain=True).holds
    straddling = Part("x", OPEN, ">", 0, certain=True)
    assert (straddling.holds, straddling.resolved) == (False, False)
    assert Part("x", NOT, ">", 0, certain=True).resolved


def test_dream_s_difference_must_be_above_zero_with_its_interval():
    """C14 asks what C13 asks: a difference that sampling error may turn is none."""
    unsure = {(DREAM_BASE, kind, 2): Value(9.7, -6.5, 25.9) for kind in ("gsm8k", "humaneval")}
    verdict = CLAIMS["C14"].on(replace(SUPPORT, retentions=Retentions(cells(), 0.95, unsure)))
    assert (verdict.verdict, verdict.resolved) == ("false", False)


def test_falling_norms_do_not_rise():
    falling = {
        column: replace(one, measures=one.measures | {"median": np.tile(np.geomspace(1e3, 10, n), (8, 1))})
        for (column, one), n in zip(SUPPORT.profiles.items(), LAYERS.values(), strict=True)
    }
    assert CLAIMS["C20"].on(replace(SUPPORT, profiles=falling)).verdict == "false"
