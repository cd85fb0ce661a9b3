"""Render the controlled study as a table: a row a model, then a row a contrast."""

from __future__ import annotations

from typing import Any

from goodpart.evaluation.pages import rows_as_csv, write_forms
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_metadata, read_table
from scripts.controlled_study_measures import POOLED

DIGITS = {"accuracy": 2, "retention": 1, "layer_cosine": 3, "depth_cosine": 3, "nll": 3, "nll_increase": 3}
TITLES = {
    "accuracy": "accuracy",
    "retention": "retention, k = {}",
    "nll": "NLL",
    "nll_increase": "NLL increase, k = {}",
    "layer_cosine": "layer cosine",
    "depth_cosine": "token cosine",
}
NOTES = """
Layer cosine: a layer's input with its output; token cosine: consecutive tokens; both at prompt positions and
the first denoising step, averaged over layers, with {level:g} % intervals over {prompts} prompts. Accuracy at
full depth and retention (percent of it): {items} items of {benchmarks} benchmarks, intervals over items.
NLL: negative log-likelihood of the reference solutions in nats per token (of a diffusion model, an upper
bound), at full depth, and how much larger it is with layers skipped. Contrasts are differences (first model
minus second) on the same prompts and items; \\*: the interval excludes 0. *Not comparable*: the accuracies
of the two models at full depth differ by more than 0.10, or one is within 0.05 of 0 or 1, so their retentions
decide nothing.
"""
TRAINED = """
Variation between training runs: checkpoints of a recipe from other training seeds ({seeds} of each). Between
seeds: standard deviation of their values. By items: standard error of the mean by the items alone. Contrasts
of these models are of the means over seeds, and their intervals cover both (Student's t over seeds, with
Welch's degrees of freedom). Other intervals do not cover the variation between training runs: there is one
checkpoint.
"""


def cell_text(row: dict[str, Any] | None) -> str:
    """One value with its interval, and with the layers found where they are fewer than asked."""
    if row is None or row["value"] is None:
        return "n/a"
    digits, sign = DIGITS[row["measure"]], "+" if row["kind"] == "contrast" else ""
    value, low, high = (f"{row[key]:{sign}.{digits}f}" for key in ("value", "low", "high"))
    text = f"{value} ({low} to {high})"
    if row["not_comparable"]:
        text += ", not comparable"
    elif row["kind"] == "contrast" and not row["low"] <= 0 <= row["high"]:
        text += " \\*"
    if row["got_k"] is not None and row["at"] is not None and row["got_k"] < row["at"]:
        text += f" [{row['got_k']} layers]"
    return text


def to_markdown(rows: list[dict[str, Any]], selection: dict[str, Any], level: float) -> str:
    """Two tables, models and contrasts, with their notes."""
    found = {
        ("model" if r["kind"] == "seed" else r["kind"], r["name"], r["measure"], r["at"]): r
        for r in rows
        if r["benchmark"] in (POOLED, None)
    }
    ks = [k for k in selection["layers_skipped"] if k]
    columns: list[tuple[str, int | None]] = [("layer_cosine", None), ("depth_cosine", None), ("accuracy", 0)]
    columns += [("retention", k) for k in ks]
    if any(r["measure"] == "nll" for r in rows):
        columns += [("nll", 0), *(("nll_increase", k) for k in ks)]

    def table(kind: str, names: dict[str, str], chosen: list[tuple[str, int | None]]) -> list[str]:
        titles = [TITLES[measure].format(at) for measure, at in chosen]
        lines = [[kind.capitalize(), *titles], ["---"] * (1 + len(chosen))]
        lines += [
            [label, *(cell_text(found.get((kind, name, *column))) for column in chosen)]
            for name, label in names.items()
        ]
        return [f"| {' | '.join(line)} |" for line in lines]

    others = [seed for seeds in selection["seeds"].values() for seed in seeds]
    models = {name: name for name in [*selection["models"], *others]}
    pairs = {c["differs"]: f"{c['differs']}: {c['first']} - {c['second']}" for c in selection["contrasts"]}
    items = next(r["n"] for r in rows if r["measure"] == "accuracy" and r["benchmark"] == POOLED)
    prompts = next(r["n"] for r in rows if r["measure"] == "layer_cosine")
    notes = NOTES.format(
        level=100 * level, prompts=prompts, items=items, benchmarks=len(selection["benchmarks"])
    )
    differences = [column for column in columns if column[0] not in ("accuracy", "nll")]
    lines = [*table("model", models, columns), "", *table("contrast", pairs, differences), notes]
    return "\n".join([*lines, *training_lines([r for r in rows if r["kind"] == "training"])])


def training_lines(rows: list[dict[str, Any]]) -> list[str]:
    """How much results vary between training runs, and by the items; nothing without several seeds."""
    if not rows:
        return []
    header = ["Recipe", "Measure", "Mean over seeds", "Between seeds", "By items"]
    lines = [header, ["---"] * len(header)]
    for row in rows:
        digits = DIGITS[row["measure"]]
        sds = [f"{row[name]:.{digits}f}" for name in ("seed_sd", "item_sd")]
        lines.append([row["name"], TITLES[row["measure"]].format(row["at"]), cell_text(row), *sds])
    return [*(f"| {' | '.join(line)} |" for line in lines), TRAINED.format(seeds=rows[0]["seeds"])]


def main(job: Job) -> None:
    """Write the table as CSV and Markdown."""
    rows = read_table(job.input.study).to_pylist()
    facts = read_metadata(job.input.study)
    texts = {".csv": rows_as_csv(rows), ".md": to_markdown(rows, facts["selection"], facts["level"])}
    write_forms(texts, job.outputs)
