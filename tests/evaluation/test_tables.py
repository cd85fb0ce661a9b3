import csv
import io

import numpy as np
import pytest

from goodpart.evaluation.intervals import retention_interval
from goodpart.evaluation.retention_tables import retention_table, to_csv, to_latex, to_markdown


def cell(model, k, *, benchmark="b", policy="similarity", **values):
    base = {
        "model": model,
        "benchmark": benchmark,
        "policy": policy if k else "full",
        "asked_k": k,
        "got_k": k,
        "n": 32,
        "correct": 16,
        "accuracy": 0.5,
        "retention": 100.0,
        "low": 80.0,
        "high": 120.0,
        "status": "scored",
    }
    return base | values


CELLS = [
    cell("llada", 0),
    cell("llada", 2, retention=75.04, low=50.0, high=99.0, correct=12, accuracy=0.375),
    cell("llada", 4, got_k=3, retention=25.0, low=5.0, high=45.0, correct=4, accuracy=0.125),
    cell("mine", 0, correct=0, accuracy=0.0, retention=None, low=None, high=None),
    cell("mine", 2, correct=None, accuracy=None, retention=None, low=None, high=None,
         status="not run: no sandbox"),
    cell("llada", 2, policy="other", retention=1.0),
]  # fmt: skip
TABLE = retention_table(CELLS, "similarity", {"llada": "LLaDA-Instruct", "mine": None}, {"b": "Bench"})


def rows(threshold=None):
    return list(csv.DictReader(io.StringIO(to_csv(TABLE, threshold))))


def test_a_run_of_ones_own_models_has_no_column_of_the_papers():
    alone = retention_table([], "p", {"mine": None, "other": None}, {"b": "B"})
    assert alone.columns == ["mine", "other"]
    assert to_csv(alone, None).splitlines()[0].startswith("benchmark,layers_skipped,mine_retention,")


def test_columns_are_the_papers_and_ones_own():
    header = to_csv(TABLE, None).splitlines()[0].split(",")
    assert header[:8] == ["benchmark", "layers_skipped", *(
        f"LLaDA-Instruct_{f}" for f in ("retention", "accuracy", "n", "low", "high", "got_k")
    )]  # fmt: skip
    assert [h for h in header if h.endswith("_n")] == [
        "LLaDA-Instruct_n", "Dream-Base_n", "Dream-Instruct_n", "Qwen2.5_n", "mine_n",
    ]  # fmt: skip


def test_numbers_have_fixed_formats_and_other_policies_stay_out():
    assert [(r["layers_skipped"], r["LLaDA-Instruct_retention"]) for r in rows()] == [
        ("0", "100.0"), ("2", "75.0"), ("4", "25.0"),
    ]  # fmt: skip
    assert rows()[1]["LLaDA-Instruct_accuracy"] == "0.3750"
    assert rows()[2]["LLaDA-Instruct_got_k"] == "3"
    assert rows()[0]["Dream-Base_n"] == ""  # not run


def test_a_table_names_the_policies_that_it_leaves_out():
    assert "Policy: similarity. results/cells.parquet also has other." in to_markdown(TABLE, None, 0.95)
    assert "% Policy: similarity. results/cells.parquet also has other." in to_latex(TABLE, None, 0.95)
    alone = retention_table(CELLS[:3], "similarity", {"llada": None}, {"b": "Bench"})
    assert "Policy:" not in to_markdown(alone, None, 0.95)


def test_below_the_threshold_is_not_the_same_as_not_run():
    low = rows(threshold=50.0)[2]
    assert low["LLaDA-Instruct_retention"] == ""
    assert low["LLaDA-Instruct_accuracy"] == "0.1250"
    printed = to_markdown(TABLE, 50.0, 0.95)
    line = next(line for line in printed.splitlines() if "| 4 |" in line)
    assert line.split("|")[3:5] == [" – ", " not run "]


def test_marks():
    printed = to_markdown(TABLE, None, 0.95)
    assert "75.0 (50 to 99) \\*" in printed  # the interval excludes 100
    assert "25.0 (5 to 45) \\* \\+ [3]" in printed  # fewer layers than asked
    assert "not run: no sandbox" in printed
    assert "n/a (0.00)" in printed  # no baseline to retain
    assert "Items: Bench 32." in printed
    assert "90.0 (90 to 90) = \\*" in to_markdown(
        retention_table([cell("llada", 2, retention=90.0, low=90.0, high=90.0)], "similarity",
                        {"llada": None}, {"b": "Bench"}), None, 0.95,
    )  # fmt: skip
    latex = to_latex(TABLE, None, 0.95)
    assert "75.0 (50 to 99)$^{*}$" in latex
    assert latex.count("&") == 6 * 4


def test_interval_of_equal_verdicts_is_a_point():
    right = np.array([1, 0, 1, 1], dtype=bool)
    assert retention_interval(right, right, 0.95, 1000) == (100, 100)


def test_interval_without_a_correct_baseline_is_undefined():
    none = np.zeros(4, dtype=bool)
    assert all(np.isnan(retention_interval(none, ~none, 0.95, 1000)))


def test_interval_equals_resampling_the_items():
    """The multinomial of the four counts against a loop over resampled items."""
    rng = np.random.default_rng(1)
    base, skipped = rng.random(64) < 0.8, rng.random(64) < 0.6
    picks = rng.integers(0, 64, size=(20_000, 64))
    ratio = 100 * skipped[picks].sum(1) / base[picks].sum(1)
    expected = np.quantile(ratio, [0.025, 0.975])
    assert retention_interval(base, skipped, 0.95, 20_000) == pytest.approx(expected, abs=1.0)


def test_names_of_ones_own_break_no_table():
    labels = {"b": "A|B & 5 % #1"}
    table = retention_table(CELLS, "similarity", {"llada": None}, labels)
    assert "A\\|B & 5 % #1" in to_markdown(table, None, 0.95)
    assert r"A|B \& 5 \% \#1" in to_latex(table, None, 0.95)


def test_cut_completions_are_marked_in_print_alone():
    cut = [
        cell("llada", 0, truncated=4, full_truncated=4, samples=1),
        cell("llada", 2, truncated=0, full_truncated=4, samples=1, low=50.0, high=99.0),
        cell("mine", 0, truncated=3, full_truncated=3, samples=1),
        cell("mine", 2, truncated=4, full_truncated=3, samples=1, got_k=1),
    ]
    table = retention_table(cut, "similarity", {"llada": "LLaDA-Instruct", "mine": None}, {"b": "Bench"})
    text = to_markdown(table, None, 0.95)
    assert "100.0 (0.50) !" in text
    assert "(50 to 99) \\* ! |" in text
    assert "| 100.0 (0.50) |" in text  # 3 of 32 are less than a tenth
    assert "\\+ [1] !" in text
    assert "were cut off by the length limit" in text
    assert "$^{*}$ !" in to_latex(table, None, 0.95)
    assert "!" not in to_csv(table, None)
    assert "cut off" not in to_markdown(TABLE, None, 0.95)
