"""The controlled study: values, paired intervals and contrasts, on made-up results."""

import numpy as np
import pyarrow as pa
import pytest

from conftest import run_script
from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation import scores
from goodpart.evaluation.intervals import percentile_interval, resampling
from goodpart.jobs.files import write_json
from goodpart.jobs.parquet import provenance, read_table, write_rows
from scripts import statistics
from scripts.controlled_study_measures import prompt_means, rows, verdicts

CHOSEN = {
    "seeds": {},
    "likelihoods": False,
    "models": ["a", "b"],
    "benchmarks": ["one", "two"],
    "calibration": ["one"],
    "policy": "similarity",
    "decode": "default",
    "layers_skipped": [0, 2],
    "contrasts": [{"differs": "something", "first": "a", "second": "b"}],
}
LAYERS, PROMPTS = 3, 6


def put_statistics(results, model, offset):
    """Cosines that differ by prompt, layer and model at prompts of step 0; elsewhere what no one reads."""
    where = {"model": model, "decode": "default", "benchmark": "one"}
    for statistic, index, first in (("layers", "layer", 0), ("tokens", "depth", 1)):
        table = []
        for prompt in range(PROMPTS):
            for layer in range(LAYERS):
                at = {"prompt_id": f"p{prompt}", index: layer + first, "update": 0.0}
                at |= {"cosine_without_strongest": 0.0, "position": 0}
                right = prompt / 10 + layer / 100 + offset
                table += [
                    at | {"step": 0, "kind": "prompt", "cosine": right - 0.001},
                    at | {"step": 0, "kind": "prompt", "cosine": right + 0.001},
                    at | {"step": 0, "kind": "masked", "cosine": -1.0},
                    at | {"step": 1, "kind": "prompt", "cosine": -1.0},
                ]
            if index == "depth":
                table.append(at | {"depth": 0, "step": 0, "kind": "prompt", "cosine": -1.0})
        schema = statistics.SCHEMAS[statistic]
        write_rows(
            results / paths.STATISTICS.format(**where, statistic=statistic), table, schema, provenance()
        )


def put_scores(results, model, benchmark, k, right):
    where = {"model": model, "decode": "default", "benchmark": benchmark, "k": k}
    path = results / paths.SCORES.format(**where, policy="similarity" if k else "full")
    table = [
        {"item_id": f"{benchmark}/{i}", "sample": 0, "correct": bool(c), "status": "scored"}
        for i, c in enumerate(right)
    ]
    write_rows(path, table, scores.SCHEMA, provenance())


@pytest.fixture
def results(tmp_path):
    for model, offset in (("a", 0.2), ("b", 0.1)):
        put_statistics(tmp_path, model, offset)
        write_json(
            tmp_path / paths.SKIP_SET.format(model=model, policy="similarity", k=2),
            {"got_k": 2 if model == "a" else 1},
        )
        for benchmark, n in (("one", 40), ("two", 20)):
            base = np.arange(n) % 4 > 0
            kept = base & (np.arange(n) % 2 > 0) if model == "a" else base
            put_scores(tmp_path, model, benchmark, 0, base)
            put_scores(tmp_path, model, benchmark, 2, kept)
    return tmp_path


def of(table, **wanted):
    found = [row for row in table if all(row[key] == value for key, value in wanted.items())]
    assert len(found) == 1, found
    return found[0]


def test_values_are_means_over_the_right_positions(results):
    table = list(rows(CHOSEN, results, 0.95, 2000))
    for measure in ("layer_cosine", "depth_cosine"):
        for layer in range(LAYERS):
            row = of(table, kind="model", name="a", measure=measure, at=layer)
            assert row["value"] == pytest.approx(0.25 + layer / 100 + 0.2, abs=1e-6)
            assert row["low"] < row["value"] < row["high"]
            assert row["n"] == PROMPTS
        assert of(table, name="a", measure=measure, at=None)["value"] == pytest.approx(0.46, abs=1e-6)
        # Prompts vary by far more than the models differ; in pairs, the difference is certain.
        row = of(table, kind="contrast", measure=measure)
        assert row["value"] == pytest.approx(0.1, abs=1e-6)
        assert row["high"] - row["low"] < 1e-6


def test_retention_pools_the_benchmarks_and_says_what_was_skipped(results):
    table = list(rows(CHOSEN, results, 0.95, 2000))
    assert of(table, name="a", measure="accuracy", benchmark="one", at=0)["value"] == 0.75
    assert of(table, name="a", measure="accuracy", benchmark="all", at=2)["value"] == 0.5
    row = of(table, name="a", measure="retention", at=2)
    assert row["value"] == pytest.approx(100 * 30 / 45)
    assert row["low"] < row["value"] < row["high"] < 100
    assert (row["n"], row["got_k"]) == (60, 2)
    row = of(table, name="b", measure="retention", at=2)
    assert (row["value"], row["low"], row["high"], row["got_k"]) == (100, 100, 100, 1)
    row = of(table, kind="contrast", measure="retention")
    assert row["value"] == pytest.approx(100 * (30 / 45 - 1))
    assert row["high"] < 0


def test_the_order_of_layers_skipped_changes_nothing(results):
    turned = {**CHOSEN, "layers_skipped": [2, 0]}
    assert list(rows(turned, results, 0.95, 100)) == list(rows(CHOSEN, results, 0.95, 100))


def test_other_items_or_an_unscored_cell_stop_it(results):
    put_scores(results, "b", "two", 2, [1] * 19)
    with pytest.raises(GoodpartError, match=r"other items than the first model"):
        list(rows(CHOSEN, results, 0.95, 100))
    path = results / "unscored.parquet"
    row = {"item_id": "x", "sample": 0, "correct": None, "status": "not run: no sandbox"}
    write_rows(path, [row], scores.SCHEMA, provenance())
    with pytest.raises(GoodpartError, match="not run: no sandbox; the study needs every verdict"):
        verdicts([path])


def test_statistics_without_the_first_step_are_refused(tmp_path):
    row = {"prompt_id": "p", "step": 3, "layer": 0, "position": 0, "kind": "prompt", "cosine": 1.0}
    write_rows(
        tmp_path / "layers.parquet", [row | {"update": 0.0}], statistics.SCHEMAS["layers"], provenance()
    )
    with pytest.raises(GoodpartError, match=r"let capture\.steps begin with 0"):
        prompt_means([tmp_path / "layers.parquet"], "layer")


def test_resampled_counts_keep_each_stratum():
    draws = resampling([5, 7], 1000)
    assert draws.shape == (1000, 12)
    assert set(draws[:, :5].sum(1)) == {5}
    assert set(draws[:, 5:].sum(1)) == {7}


def test_the_interval_of_a_mean_covers_it():
    """Of 300 samples of 40 values, about 95 % give an interval that holds the true mean, 0."""
    rng = np.random.default_rng(0)
    draws = resampling([40], 1000, seed=1) / 40
    hits = 0
    for _ in range(300):
        low, high = percentile_interval(draws @ rng.normal(size=40), 0.95)
        hits += low <= 0 <= high
    assert 0.90 < hits / 300 < 0.98
    assert all(np.isnan(percentile_interval(np.array([np.nan]), 0.95)))


def test_table_and_figure_show_the_study(results):
    study = results / paths.CONTROLLED_STUDY
    run_script("controlled_study_measures", study, selection=CHOSEN, level=0.95, resamples=500)
    assert read_table(study).schema.field("value").type == pa.float64()
    table = [results / "t.csv", results / "t.md"]
    run_script("controlled_study_table", table, inputs={"study": study})
    text = table[1].read_text()
    assert "| b | 0.360 (" in text
    assert "100.0 (100.0 to 100.0) [1 layers]" in text
    assert "| something: a - b | +0.100 (+0.100 to +0.100) \\* |" in text
    assert "60 items of 2 benchmarks" in text
    assert len(table[0].read_text().splitlines()) == 1 + len(read_table(study))
    figure = [results / f"f.{kind}" for kind in ("pdf", "png", "csv")]
    drawn = {"inputs": {"study": study}, "models": {"a": "Qwen2.5", "b": None}}
    run_script("controlled_study_figure", figure, threshold=0.95, **drawn)
    lines = figure[2].read_text().splitlines()
    assert len(lines) == 1 + 2 * (2 * LAYERS + 2)
    assert lines[1].startswith("a,layer_cosine,0,6,0.45")
    # A policy may have no threshold to draw.
    run_script("controlled_study_figure", figure, threshold=None, **drawn)
    assert figure[2].read_text().splitlines() == lines


def test_a_study_without_a_threshold_or_the_curve_of_a_training(workflow):
    (workflow.folder / "other.yaml").write_text("controlled_study: {policy: block_influence}\n")
    command = ("--dry-run", "--printshellcmds", "--configfile", "other.yaml")
    run = workflow.snakemake("paper_figs/controlled_study.csv", *command)
    assert run.returncode == 0, run.stdout
    assert "goodpart.jobs.start controlled_study_figure" in run.stdout
    assert '"threshold": null' in run.stdout
    assert workflow.jobs("controlled_study", "--configfile", "other.yaml")["training_curves"] == 1
    for curve in (workflow.folder / "workflow" / "resources" / "models").glob("*/curve.csv"):
        curve.unlink()
    assert "training_curves" not in workflow.jobs("controlled_study", "--configfile", "other.yaml")
