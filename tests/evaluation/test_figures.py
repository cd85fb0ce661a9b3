"""Figures of hidden states, from made-up statistics whose values are known."""

import csv

import polars
import pytest

from goodpart import paths
from synthetic import FIGURES, draw, write_statistics

MODELS = {
    "deep": {"paper_column": "LLaDA-Instruct", "family": "llada", "layers": 12, "one_pass": False},
    "flat": {"paper_column": None, "family": "dream", "layers": 9, "one_pass": False},
    "ar": {"paper_column": "Qwen2.5", "family": "qwen2", "layers": 9, "one_pass": True},
}
WINDOWS = {"limited": {"decode": "first4", "tokens": 4}, "full": {"decode": "default", "tokens": 8}}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    selection = write_statistics(
        folder / "results", MODELS, WINDOWS, prompt=5, steps=4, benchmarks=("a", "b")
    )
    return folder, {name: draw(name, folder / "results", selection, folder) for name in FIGURES}


def rows(drawn, name):
    with drawn[1][name]["csv"].open() as file:
        return list(csv.DictReader(file))


def statistic(drawn, model, name, benchmark="a", decode="default"):
    where = {"model": model, "decode": decode, "benchmark": benchmark, "statistic": name}
    return polars.read_parquet(drawn[0] / "results" / paths.STATISTICS.format(**where))


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_all_its_files_and_a_note(drawn, name):
    from PIL import Image

    files = drawn[1][name]
    assert files["pdf"].read_bytes().startswith(b"%PDF")
    assert Image.open(files["png"]).width <= 7 * 300
    note = files["md"].read_text()
    assert note.startswith("# ")
    assert "caption does not" in note or "Not a figure of the paper" in note
    assert "{" not in note


def test_the_same_numbers_give_the_same_bytes(drawn, tmp_path):
    selection = {"models": MODELS, "windows": WINDOWS, "benchmarks": ["a", "b"]}
    again = draw("figure6", drawn[0] / "results", selection, tmp_path)
    for suffix, path in again.items():
        assert path.read_bytes() == drawn[1]["figure6"][suffix].read_bytes()


def test_figure_3_averages_tokens_then_prompts_then_steps(drawn):
    both = []
    for benchmark in "ab":
        table = statistic(drawn, "deep", "tokens", benchmark)
        kept = table.filter(polars.col("kind") != "boundary", polars.col("depth") == 5)
        both.append(kept.group_by("step").agg(polars.col("cosine").mean()).sort("step")["cosine"].to_numpy())
    steps = (both[0] + both[1]) / 2
    # Both benchmarks' prompt has one name here, so its tokens are pooled: equal numbers of pairs.
    [row] = [r for r in rows(drawn, "figure3") if (r["model"], r["layer"], r["kind"]) == ("deep", "4", "all")]
    assert float(row["mean"]) == pytest.approx(steps.mean(), abs=1e-6)
    assert float(row["sd_over_steps"]) == pytest.approx(steps.std(), abs=1e-6)
    assert row["steps"] == "4"
    assert {r["steps"] for r in rows(drawn, "figure3") if r["model"] == "ar"} == {"1"}


def test_figures_4_and_5_show_the_first_middle_and_last_step_of_their_window(drawn):
    for name, decode, positions in (("figure4", "first4", 9), ("figure5", "default", 13)):
        table = rows(drawn, name)
        for model, steps in (("deep", 3), ("ar", 1)):
            shown = [row for row in table if row["model"] == model]
            assert len(shown) == steps * MODELS[model]["layers"] * positions
        wanted = statistic(drawn, "flat", "layers", decode=decode).filter(layer=7, position=3)
        last = max(wanted["step"])
        [row] = [
            r for r in table
            if (r["model"], r["layer"], r["position"], r["step"]) == ("flat", "7", "3", str(last))
        ]  # fmt: skip
        assert float(row["cosine"]) == pytest.approx(wanted.filter(step=last)["cosine"][0], abs=1e-6)


def test_grids_leave_out_layers_that_a_model_lacks(drawn):
    assert {(r["model"], r["layer"]) for r in rows(drawn, "figure10")} == {
        *(("deep", str(layer)) for layer in (8, 9, 10, 11)),
        ("flat", "8"),
        ("ar", "8"),
    }
    assert {r["window"] for r in rows(drawn, "figure6")} == {"limited", "full"}
    assert rows(drawn, "figure12") == []
    assert {r["model"] for r in rows(drawn, "figure13")} == {"deep"}
    assert {r["model"] for r in rows(drawn, "figure14")} == {"flat"}


def test_figure_7_names_the_sink_token(drawn):
    [row] = [r for r in rows(drawn, "figure7") if (r["model"], r["kind"], r["layer"]) == ("ar", "all", "6")]
    table = polars.concat(statistic(drawn, "ar", "norms", b) for b in "ab").filter(depth=7)
    assert float(row["maximum"]) == pytest.approx(table["norm"].max(), rel=1e-5)
    assert float(row["median"]) == pytest.approx(table["norm"].median(), rel=1e-5)
    assert row["position"] == "0"
    assert float(row["maximum"]) > 10 * float(row["median"])


def test_mask_ratio_has_the_autoregressive_model_as_a_line_and_masked_positions_of_the_others(drawn):
    table = [r for r in rows(drawn, "mask_ratio") if r["layer"] == "all"]
    ratios = [float(r["mask_ratio"]) for r in table if (r["model"], r["kind"]) == ("deep", "masked")]
    assert ratios == [1.0, 0.75, 0.5, 0.25]
    assert {r["kind"] for r in table if r["model"] == "ar"} == {"prompt", "decoded"}


def test_pairs_next_to_the_diagonal_are_the_layer_cosines(drawn):
    layers = polars.concat(statistic(drawn, "flat", "layers", b) for b in "ab").filter(layer=3)
    [row] = [
        r for r in rows(drawn, "block_similarity")
        if (r["model"], r["first_depth"], r["second_depth"]) == ("flat", "3", "4")
    ]  # fmt: skip
    assert float(row["cosine"]) == pytest.approx(layers["cosine"].mean(), abs=1e-6)
    assert len([r for r in rows(drawn, "block_similarity") if r["model"] == "flat"]) == 10 * 9 // 2
