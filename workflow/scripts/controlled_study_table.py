"""Render the controlled study as a table: a row a model, then a row a contrast."""

from __future__ import annotations

import csv
import io
from typing import Any

from goodpart.evaluation.pages import write_forms
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_metadata, read_table
from scripts.controlled_study_measures import POOLED

DIGITS = {"accuracy": 2, "retention": 1, "layer_cosine": 3, "depth_cosine": 3}
TITLES = {
    "accuracy": "accuracy",
    "retention": "retention, k = {}",
    "layer_cosine": "layer cosine",
    "depth_cosine": "token cosine",
}
NOTES = """
Layer cosine: a layer's input with its output; token cosine: consecutive tokens; both at prompt positions and
the first denoising step, averaged over layers, with {level:g} % intervals over {prompts} prompts. Accuracy at
full depth and retention (percent of it): {items} items of {benchmarks} benchmarks, intervals over items.
Contrasts are differences (first model minus second) on the same prompts and items; \\*: the interval
excludes 0. No interval covers the chance of a training seed: there is one checkpoint of each kind.
"""


def cell_text(row: dict[str, Any] | None) -> str:
    """One value with its interval, and with the layers found where they are fewer than asked."""
    if row is None or row["value"] is None:
        return "n/a"
    digits, sign = DIGITS[row["measure"]], "+" if row["kind"] == "contrast" else ""
    value, low, high = (f"{row[key]:{sign}.{digits}f}" for key in ("value", "low", "high"))
    text = f"{value} ({low} to {high})"
    if row["kind"] == "contrast" and not row["low"] <= 0 <= row["high"]:
        text += " \\*"
    if row["got_k"] is not None and row["at"] is not None and row["got_k"] < row["at"]:
        text += f" [{row['got_k']} layers]"
    return text


def to_markdown(rows: list[dict[str, Any]], selection: dict[str, Any], level: float) -> str:
    """Two tables, models and contrasts, with their notes."""
    found = {
        (r["kind"], r["name"], r["measure"], r["at"]): r for r in rows if r["benchmark"] in (POOLED, None)
    }
    columns = [("layer_cosine", None), ("depth_cosine", None), ("accuracy", 0)]
    columns += [("retention", k) for k in selection["layers_skipped"] if k]

    def table(kind: str, names: dict[str, str], chosen: list[tuple[str, int | None]]) -> list[str]:
        titles = [TITLES[measure].format(at) for measure, at in chosen]
        lines = [[kind.capitalize(), *titles], ["---"] * (1 + len(chosen))]
        lines += [
            [label, *(cell_text(found.get((kind, name, *column))) for column in chosen)]
            for name, label in names.items()
        ]
        return [f"| {' | '.join(line)} |" for line in lines]

    models = {name: name for name in selection["models"]}
    pairs = {c["differs"]: f"{c['differs']}: {c['first']} - {c['second']}" for c in selection["contrasts"]}
    items = next(r["n"] for r in rows if r["measure"] == "accuracy" and r["benchmark"] == POOLED)
    prompts = next(r["n"] for r in rows if r["measure"] == "layer_cosine")
    notes = NOTES.format(
        level=100 * level, prompts=prompts, items=items, benchmarks=len(selection["benchmarks"])
    )
    without_accuracy = [column for column in columns if column[0] != "accuracy"]
    return "\n".join(
        [*table("model", models, columns), "", *table("contrast", pairs, without_accuracy), notes]
    )


def to_csv(rows: list[dict[str, Any]]) -> str:
    """All rows as they are, numbers in fixed formats."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(list(rows[0]))
    for row in rows:
        values = [f"{v:.6f}" if isinstance(v, float) else v for v in row.values()]
        writer.writerow(["" if value is None else value for value in values])
    return out.getvalue()


def main(job: Job) -> None:
    """Write the table as CSV and Markdown."""
    rows = read_table(job.input.study).to_pylist()
    facts = read_metadata(job.input.study)
    texts = {".csv": to_csv(rows), ".md": to_markdown(rows, facts["selection"], facts["level"])}
    write_forms(texts, job.outputs)
