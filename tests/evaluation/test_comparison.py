"""The paper side by side: sampling errors, cells, agreement, and what is read from a run."""

import csv
import io

import numpy as np
import pyarrow as pa
import pytest

from conftest import ROOT
from goodpart.errors import GoodpartError
from goodpart.evaluation.paper import originals
from goodpart.evaluation.paper.claims import read_claims
from goodpart.evaluation.paper.evidence import Evidence, Retentions
from goodpart.evaluation.paper.from_run import ratio, read_profile, read_selected, speed_ups
from goodpart.evaluation.paper.side_by_side import FIELDS, agreement, rows
from goodpart.evaluation.paper.table_cells import DREAM_BASE, LLADA, NOT_ALLOWED, our_cells, paper_cells
from goodpart.evaluation.paper.values import Value, linear, mean, retention, retention_difference
from goodpart.jobs.parquet import write_rows, write_table
from goodpart.states.pooling import PROMPT_SCHEMA
from scripts import profiles
from scripts.comparison import others, to_csv, to_markdown

PAPER = ROOT / "workflow" / "resources" / "paper"
PRINTED = paper_cells(PAPER / "cells.csv", 0.95)
SETTINGS = {
    "models": {"mine": [LLADA, False], "dream": [DREAM_BASE, True]},
    "names": {"small": "GSM8K", "big": "HumanEval"},
    "originals": {"small": False, "big": True},
    "level": 0.95,
}


def our_row(k, **values):
    return {
        "paper_column": LLADA,
        "benchmark": "small",
        "policy": "similarity" if k else "full",
        "asked_k": k,
        "got_k": k,
        "n": 100,
        "accuracy": 0.5,
        "retention": 90.0,
        "low": 80.0,
        "high": 100.0,
        "flops_reduction_layers": 100 * k / 32,
        "status": "scored",
        **values,
    }


def ours(*cells):
    policies = {"not_allowed": "similarity", "allowed": "adjacent"}
    return our_cells(cells, {"small": "gsm8k", "other": "gsm8k"}, policies, 0.95)


# Sampling error


@pytest.mark.parametrize(
    ("accuracy", "percent", "n"), [(0.83, 91.8, 1319), (0.51, 88.2, 164), (0.34, 60, 128)]
)
def test_the_interval_of_a_retention_covers_it(accuracy, percent, n):
    """Independent counts drawn from the truth: the interval holds it in 95 % of draws, less a little."""
    rng, truth = np.random.default_rng(0), percent / 100
    base, skipped = rng.binomial(n, accuracy, 4000), rng.binomial(n, accuracy * truth, 4000)
    hits = 0
    for b, s in zip(base, skipped, strict=True):
        found = retention(100 * s / b, b / n, n, 0.95)
        hits += found.low <= percent <= found.high
    assert 0.935 < hits / 4000 < 0.965


def test_the_interval_of_a_difference_covers_it():
    rng, n = np.random.default_rng(0), 164
    counts = rng.binomial(n, [0.51, 0.45, 0.33], (4000, 3))
    truth = 100 * (0.45 - 0.33) / 0.51
    hits = 0
    for b, first, second in counts:
        found = retention_difference(100 * first / b, 100 * second / b, b / n, n, 0.95)
        hits += found.low <= truth <= found.high
    assert 0.93 < hits / 4000 < 0.97


def test_what_no_error_can_be_given_for():
    assert retention(90.0, 0.5, None, 0.95) == Value(90.0)
    assert retention(0.0, 0.5, 100, 0.95) == Value(0.0)
    assert retention_difference(90, 80, 0.5, None, 0.95) == Value(10)
    assert linear([(1, Value(1, 0, 2)), (1, Value(2))]) == Value(3)


def test_independent_values_add_their_errors_in_squares():
    found = linear([(1, Value(10, 7, 14)), (-1, Value(4, 0, 7))])
    assert found.value == 6
    assert found.low == pytest.approx(6 - 18**0.5)  # 3 below the one, 3 above the other
    assert found.high == pytest.approx(6 + 32**0.5)
    assert mean([Value(1, 0, 2), Value(3, 2, 4)]).low == pytest.approx(2 - 0.5**0.5)


def test_intervals_of_the_paper_are_as_wide_as_its_n_makes_them():
    """A retention of 100 % at n = 128 to 164 carries 11 to 34 points; LLaDA's loss on GSM8K is resolved."""
    by_place = {(c.table, *c.place): c for c in PRINTED}
    wide = by_place["table1", LLADA, "math500", NOT_ALLOWED, 6]
    assert wide.percent - wide.low > 25
    resolved = [
        c.kind
        for c in PRINTED
        if (c.table, c.column, c.k) == ("table1", LLADA, 6) and c.high and c.high < 100
    ]
    assert resolved == ["gsm8k"]


# Cells


def test_every_cell_of_the_paper_is_compared_and_corrected_ones_are_marked():
    with (PAPER / "cells.csv").open() as file:
        assert len(PRINTED) == len(list(csv.DictReader(file))) == 136
    paper = Evidence(Retentions(PRINTED, 0.95))
    made = rows(PRINTED, read_claims(PAPER / "claims.csv"), paper, Evidence(Retentions([], 0.95)))
    assert len(made) == 136 + 24
    corrected = [row for row in made if row["corrected"]]
    assert [(r["id"], r["paper_printed"], r["paper"]) for r in corrected] == [
        ("table3/HumanEval/Dream-Base/not_allowed/2", "78.2", "66.2"),
        ("table3/HumanEval/Dream-Base/not_allowed/3", "54.6", "63.1"),
        ("table3/HumanEval/Dream-Base/not_allowed/4", "32.7", "43.1"),
    ]
    assert {r["agreement"] for r in made} == {"not compared", "not evaluated"}
    read = list(csv.DictReader(io.StringIO(to_csv(made))))
    assert (len(read), tuple(read[0])) == (160, FIELDS)


def test_our_cells_stand_at_the_papers_places():
    found = {
        c.place: c
        for c in ours(our_row(0), our_row(4), our_row(4, policy="adjacent"), our_row(4, policy="x"))
    }
    assert set(found) == {
        (LLADA, "gsm8k", adjacent, k) for adjacent in ("not_allowed", "allowed") for k in (0, 4)
    }
    assert found[LLADA, "gsm8k", "allowed", 4].accuracy == 0.5  # of full depth


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"got_k": 3}, "the policy found only 3 layers"),
        ({"status": "not run: no sandbox", "retention": None}, "not run: no sandbox"),
        ({"retention": None, "low": None, "high": None}, "nothing correct at full depth"),
    ],
)
def test_a_cell_without_a_number_says_why(values, why):
    [cell] = ours(our_row(4, **values))
    assert (cell.percent, cell.why) == (None, why)
    printed = next(c for c in PRINTED if c.place == cell.place)
    assert agreement(printed, cell) == ("not compared", why)


def test_a_second_benchmark_of_a_kind_does_not_replace_the_first():
    [cell] = ours(our_row(4), our_row(4, benchmark="other", retention=1.0))
    assert cell.percent == 90.0


def test_an_interval_without_width_is_given_what_n_items_leave():
    """No verdict of 100 changed: up to 3.6 % of all may, which is 7.2 points where half are right."""
    _, cell = ours(our_row(0), our_row(6, retention=100.0, low=100.0, high=100.0))[1:]
    assert (cell.low, cell.high) == pytest.approx((100 - 7.24, 100 + 7.24), abs=0.01)
    assert cell.note == "no verdict changed: limits of an exact binomial interval"
    _, cell = ours(our_row(0), our_row(6, retention=0.0, low=0.0, high=0.0))[1:]
    assert (cell.low, cell.high) == pytest.approx((0, 7.24), abs=0.01)
    assert cell.note == "nothing solved: limits of an exact binomial interval"
    _, cell = ours(our_row(0), our_row(6, low=89.0, high=91.0))[1:]
    assert (cell.low, cell.high) == (89, 91)
    printed = next(c for c in PRINTED if c.place == (LLADA, "gsm8k", NOT_ALLOWED, 6))  # 91.8, 88 to 95
    almost = ours(our_row(0), our_row(6, retention=96.0, low=96.0, high=96.0))[-1]
    assert agreement(printed, almost)[0] == "agrees"


def test_agreement_is_that_of_intervals():
    printed = next(c for c in PRINTED if c.place == (LLADA, "gsm8k", NOT_ALLOWED, 6))  # 91.8, 88 to 95
    for low, value, high, verdict in [
        (80, 90, 100, "agrees"),
        (40, 50, 60, "differs"),
        (80, 84, 88, "differs"),
    ]:
        [cell] = ours(our_row(6, retention=float(value), low=float(low), high=float(high)))
        assert agreement(printed, cell) == (verdict, "")
    unknown = next(c for c in PRINTED if c.place == (LLADA, "mbpp", NOT_ALLOWED, 6))  # 94.2, n unknown
    [cell] = ours(our_row(6))
    assert agreement(unknown, cell)[0] == "agrees"
    assert "n is unknown" in agreement(unknown, cell)[1]


def test_the_page_says_first_that_the_models_are_others():
    assert others(SETTINGS) == "mine stands for LLaDA-Instruct, small for GSM8K"
    paper = Evidence(Retentions(PRINTED, 0.95))
    made = rows(PRINTED, read_claims(PAPER / "claims.csv"), paper, paper)
    assert "These are other models" in to_markdown(made, SETTINGS).splitlines()[2]
    same = {**SETTINGS, "models": {"dream": [DREAM_BASE, True]}, "originals": {"big": True}}
    text = to_markdown(made, same)
    assert "other models" not in text
    assert "66.2 (54 to 82) † (printed 78.2)" in text
    assert all(f"| C{n:02} |" in text for n in range(1, 25))


def test_the_paper_agrees_with_itself():
    """With the paper's own cells in our place nothing differs, but for what it withholds and corrects."""
    paper = Evidence(Retentions(PRINTED, 0.95))
    made = rows(PRINTED, [], paper, paper)
    assert {row["agreement"] for row in made} == {"agrees", "not compared"}
    assert all(row["paper"] is None or row["layers_skipped"] == 0 or row["here_low"] is None
               for row in made if row["agreement"] == "not compared")  # fmt: skip


def test_only_public_checkpoints_and_whole_test_splits_are_the_papers():
    llada = {"hub": "GSAI-ML/LLaDA-8B-Instruct", "paper_column": LLADA}
    assert originals.is_the_papers_model(llada)
    assert not originals.is_the_papers_model({**llada, "paper_column": DREAM_BASE})
    assert not originals.is_the_papers_model({"path": "models/LLaDA-8B-Instruct", "paper_column": LLADA})
    assert not originals.is_the_papers_model({**llada, "path": "/models/finetuned"})
    assert originals.is_the_papers_benchmark({"kind": "gsm8k", "evaluation": {"rows": 1319}})
    assert not originals.is_the_papers_benchmark({"kind": "gsm8k", "evaluation": {"rows": 217}})


def test_a_damaged_table_of_the_paper_is_refused(tmp_path):
    (tmp_path / "cells.csv").write_text("table,model\ntable1,llada-8b-instruct\n")
    with pytest.raises(GoodpartError, match=r"cells\.csv: not a table of the paper's cells"):
        paper_cells(tmp_path / "cells.csv", 0.95)


# What is read from a run


def statistics(folder, prompts, steps, layers, positions, seed=0):
    """The three tables of one benchmark, as rules.statistics writes them, from random values."""
    rng = np.random.default_rng(seed)
    tables = {"layers": [], "tokens": [], "norms": []}
    for prompt in prompts:
        for step in steps:
            for name, depths, key in (("layers", layers, "layer"), ("tokens", layers + 1, "depth"),
                                      ("norms", layers + 1, "depth")):  # fmt: skip
                width = positions - (name == "tokens")
                kinds = np.array(["prompt"] * 3 + ["decoded"] * (width - 3), dtype=object)
                if name == "tokens":
                    kinds[2] = "boundary"
                value = "norm" if name == "norms" else "cosine"
                tables[name].append(
                    pa.table(
                        {
                            "prompt_id": [prompt] * depths * width,
                            "step": np.full(depths * width, step, np.int32),
                            key: np.repeat(np.arange(depths, dtype=np.int32), width),
                            "position": np.tile(np.arange(width, dtype=np.int32), depths),
                            "kind": np.tile(kinds, depths),
                            value: rng.random(depths * width).astype(np.float32),
                        }
                    )
                )
    for name, parts in tables.items():
        write_table(folder / f"{name}.parquet", pa.concat_tables(parts), {})
    return [folder / f"{name}.parquet" for name in tables]


def test_a_profile_is_the_mean_of_what_was_measured(tmp_path):
    files = statistics(tmp_path, ["a", "b"], [0, 5], layers=4, positions=8)
    made = list(profiles.rows(0, files))
    assert len(made) == 2 * 2 * 4
    write_rows(tmp_path / "profile.parquet", made, profiles.SCHEMA, {})
    found = read_profile(tmp_path / "profile.parquet", LLADA)
    assert (found.prompts, found.layers) == (((0, "a"), (0, "b")), 4)
    layers, tokens, norms = (pa.parquet.read_table(file).to_pandas() for file in files)
    of_a = tokens[(tokens["prompt_id"] == "a") & (tokens["depth"] == 3)]
    inside = of_a[of_a["kind"] != "boundary"]
    assert found.measures["token"][0, 2] == pytest.approx(inside["cosine"].mean())
    spread = inside.groupby("step")["cosine"].std(ddof=0).mean()
    assert found.measures["spread"][0, 2] == pytest.approx(spread)
    decoded = of_a[of_a["kind"] == "decoded"]
    assert found.measures["decoded"][0, 2] == pytest.approx(decoded["cosine"].mean())
    slopes = [np.polyfit(np.linspace(0, 1, len(g)), g["cosine"], 1)[0] for _, g in decoded.groupby("step")]
    assert found.measures["slope"][0, 2] == pytest.approx(np.mean(slopes))
    largest = norms[(norms["prompt_id"] == "b") & (norms["depth"] == 1)].groupby("step")["norm"].max()
    assert found.measures["largest"][1, 0] == pytest.approx(largest.mean())
    step = layers[(layers["step"] == 5) & (layers["layer"] == 1)]
    assert found.by_step[1, 1] == pytest.approx(step["cosine"].mean(), abs=1e-6)


def test_statistics_of_different_prompts_are_refused(tmp_path):
    first = statistics(tmp_path / "a", ["a", "b"], [0], 4, 8)
    second = statistics(tmp_path / "b", ["a", "c"], [0], 4, 8)
    with pytest.raises(GoodpartError, match="different prompts"):
        list(profiles.rows(0, [first[0], second[1], first[2]]))


def test_speed_ups_are_ratios_of_medians():
    found = ratio([2.0, 2.1, 1.9], [1.0, 1.05, 0.95], 0.95)
    assert found.value == pytest.approx(2.0)
    assert 1.8 <= found.low <= found.value <= found.high <= 2.25


def test_speed_ups_need_all_four_ways():
    times = {("none", 0): 4.0, ("none", 6): 3.0, ("prefix", 0): 2.0, ("prefix", 6): 1.5}
    made = [
        {"model": "m", "steps": 16, "blocks": 1, "batch_size": 1, "cache": cache, "layers_skipped": k,
         "seconds": seconds + 0.01 * repeat}
        for (cache, k), seconds in times.items() for repeat in range(3)
    ]  # fmt: skip
    [one] = speed_ups(made, 0.95)
    assert (one.steps, one.cache) == (16, "prefix")
    assert one.both.value == pytest.approx(one.skip.value * one.cached.value, rel=0.02)
    assert one.share.value == pytest.approx(one.both.value / (one.skip.value * one.cached.value))
    assert one.gain.value == pytest.approx(one.both.value - one.cached.value)


def test_the_error_of_all_four_ways_goes_into_their_product():
    """One repeat of skipping alone that took twice as long: both over the product may be as uncertain."""
    times = {("none", 0): [4.0] * 4, ("none", 6): [3.0, 3.0, 3.0, 6.0], ("prefix", 0): [2.0] * 4,
             ("prefix", 6): [1.5] * 4}  # fmt: skip
    made = [
        {
            "model": "m",
            "steps": 16,
            "blocks": 1,
            "batch_size": 1,
            "cache": c,
            "layers_skipped": k,
            "seconds": s,
        }
        for (c, k), seconds in times.items()
        for s in seconds
    ]
    [one] = speed_ups(made, 0.95)
    assert (one.both.low, one.both.high) == pytest.approx((4 / 1.5, 4 / 1.5))
    assert one.share.low == pytest.approx(1.0)
    assert one.share.high > 1.4


def test_speed_ups_are_not_made_of_less():
    times = {("none", 0): 4.0, ("none", 6): 3.0, ("prefix", 0): 2.0, ("prefix", 6): 1.5}
    made = [
        {"model": "m", "steps": 16, "blocks": 1, "batch_size": 1, "cache": cache, "layers_skipped": k,
         "seconds": seconds}
        for (cache, k), seconds in times.items()
    ]  # fmt: skip
    assert speed_ups([row for row in made if row["cache"] == "none"], 0.95) == []
    assert speed_ups([row for row in made if row["layers_skipped"] == 0], 0.95) == []


def test_sets_of_prompts_are_chosen_from_their_similarities(tmp_path):
    made = []
    for benchmark, order in (("small", [0, 2, 4]), ("big", [0, 2, 6]), ("other", [1, 3, 5])):
        for item in ("x", "y"):
            made += [
                {"benchmark": benchmark, "item_id": item, "kind": "prompt", "layer": layer, "tokens": 5,
                 "cosine": 0.99 - 0.01 * order.index(layer) if layer in order else 0.5}
                for layer in range(8)
            ]  # fmt: skip
    write_rows(tmp_path / "prompts.parquet", made, PROMPT_SCHEMA, {})
    settings = {
        "kind": "algorithm1",
        "threshold": 0.9,
        "adjacent": False,
        "positions": "prompt",
        "protected": [],
    }
    kinds = {"small": "gsm8k", "big": "humaneval"}
    found = read_selected([tmp_path / "prompts.parquet"], LLADA, 8, kinds, settings, 3)
    assert found.benchmarks == ["gsm8k"] * 2 + ["humaneval"] * 2
    assert [np.flatnonzero(row).tolist() for row in found.prompts] == [[0, 2, 4]] * 2 + [[0, 2, 6]] * 2
    assert np.flatnonzero(found.by_benchmark["big"]).tolist() == [0, 2, 6]
    assert np.flatnonzero(found.pooled).tolist() == [0, 2]  # 4 and 6: in half of the prompts, below 0.9
    settled = read_selected([tmp_path / "prompts.parquet"], LLADA, 8, kinds, settings, 3, [1, 3])
    assert np.flatnonzero(settled.pooled).tolist() == [1, 3]
    assert (settled.pooled_is, np.array_equal(settled.prompts, found.prompts)) == (
        "the run's static set",
        True,
    )
    with pytest.raises(GoodpartError, match="no prompt of none"):
        read_selected([tmp_path / "prompts.parquet"], LLADA, 8, {"none": "gsm8k"}, settings, 3)
