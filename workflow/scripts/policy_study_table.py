"""Render the comparison of policies as a table, and say how far skip sets are task-agnostic."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from goodpart.evaluation.pages import write_forms
from goodpart.evaluation.policy_entries import Entry, entries
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_metadata, read_table

NOTES = """
{model} on {benchmark}, {n} items, full-depth accuracy {base:.2f}. Retention in percent of full depth with its
{level:g} % interval (paired bootstrap over items); then k / L and the true reduction of FLOPs, with the head,
in percent. \\*: the interval excludes 100. \\+: fewer layers found than asked (how many in square brackets).
Random sets: mean over {seeds} seeds, and from the lowest to the highest of them.
"""
HEADER = ["policy", "kind", "k", "got_k", "seeds", "retention", "low", "high", "accuracy",
          "flops_reduction_layers", "flops_reduction_true", "forward_passes", "kl", "status"]  # fmt: skip


def cell_text(entry: Entry) -> str:
    """One policy at one k: retention, interval or spread, and the FLOPs saved."""
    if entry.retention is None:
        return entry.status if entry.status != "scored" else "n/a"
    mark = ""
    if entry.seeds == 1 and not entry.low <= 100 <= entry.high:
        mark = " \\*"
    if entry.got_k < entry.asked_k:
        mark += f" \\+ [{entry.got_k:g}]"
    saved = f"{entry.flops_reduction_layers:.1f} / {entry.flops_reduction_true:.1f}"
    return f"{entry.retention:.1f} ({entry.low:.0f} to {entry.high:.0f}){mark}, {saved}"


def agreement(rows: Iterable[dict[str, Any]], level: float) -> list[str]:
    """Do prompts of one benchmark agree more than those of different ones? In all, and by model and k."""
    found = {(r["model"], r["k"], r["kind"]): r for r in rows if r["kind"] not in ("benchmarks", "models")}
    lines, sums, dependent = [], np.zeros(3), 0
    for model, k in dict.fromkeys((model, k) for model, k, _ in found):
        same, other, gap, pooled, chance = (
            found.get((model, k, kind))
            for kind in ("same benchmark", "other benchmark", "difference", "pooled", "chance")
        )
        if not (same and other and gap and pooled and chance):
            continue
        if gap["jaccard"] is None or gap["low"] is None:  # one prompt a benchmark makes no pair within it
            continue
        agnostic = gap["low"] <= 0
        dependent += not agnostic
        sums += [same["jaccard"], other["jaccard"], chance["jaccard"]]
        verdict = "no sign that the set depends on the task" if agnostic else "the set depends on the task"
        lines.append(
            f"* {model}, k = {k}: same benchmark {same['jaccard']:.2f}, other {other['jaccard']:.2f}, "
            f"difference {gap['jaccard']:+.2f} ({gap['low']:+.2f} to {gap['high']:+.2f}); with the set of "
            f"all prompts {pooled['jaccard']:.2f}; by chance {chance['jaccard']:.2f}: {verdict}."
        )
    if not lines:
        return ["Nothing can be said: that takes two benchmarks, and two prompts in at least one of them."]
    means = dict(zip(("same", "other", "chance"), sums / len(lines), strict=True))
    head = (
        "Mean Jaccard index of the skip sets of two prompts: {same:.2f} within a benchmark, {other:.2f} "
        "across benchmarks, {chance:.2f} by chance. Sets that are task-agnostic agree across benchmarks as "
        "they do within one; the difference is above 0, by its {level:g} % interval over prompts, in "
        "{dependent} of {cases} cases."
    )
    said = head.format(**means, level=100 * level, dependent=dependent, cases=len(lines))
    return [said, "", *lines]


def to_markdown(made: list[Entry], notes: dict[str, Any], overlap: list[dict[str, Any]], level: float) -> str:
    """The table (a row a policy, a column a k), its notes, and the sentences on agreement."""
    ks = sorted({entry.asked_k for entry in made})
    by = {(entry.policy, entry.asked_k): entry for entry in made}
    lines = [["Policy", *(f"k = {k}: retention, FLOPs saved" for k in ks)], ["---"] * (len(ks) + 1)]
    for policy in dict.fromkeys(entry.policy for entry in made):
        cells = (by.get((policy, k)) for k in ks)
        lines.append([policy, *("not run" if entry is None else cell_text(entry) for entry in cells)])
    table = [f"| {' | '.join(line)} |" for line in lines]
    text = NOTES.format(level=100 * level, **notes)
    return "\n".join([*table, text, "## Is the set task-agnostic?", "", *agreement(overlap, level), ""])


def to_csv(made: list[Entry]) -> str:
    """All entries, numbers in fixed formats."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for entry in made:
        values = [getattr(entry, name if name != "k" else "asked_k") for name in HEADER]
        writer.writerow(["" if v is None else f"{v:.4f}" if isinstance(v, float) else v for v in values])
    return out.getvalue()


def main(job: Job) -> None:
    """Write the table as CSV and Markdown."""
    cells = read_table(job.input.cells).to_pylist()
    made = entries(cells, read_metadata(job.input.cells)["selection"]["policies"])
    full = next(cell for cell in cells if cell["asked_k"] == 0)
    notes = {
        "model": full["model"],
        "benchmark": full["benchmark"],
        "n": full["n"],
        "base": full["accuracy"] if full["accuracy"] is not None else float("nan"),
        "seeds": max((entry.seeds for entry in made), default=1),
    }
    overlap = read_table(job.input.overlap).to_pylist()
    texts = {".csv": to_csv(made), ".md": to_markdown(made, notes, overlap, job.params.level)}
    write_forms(texts, job.outputs)
