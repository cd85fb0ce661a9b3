"""Render healing as a table: a row a model and k, before and after, with what healing cost."""

from __future__ import annotations

from typing import Any

from goodpart.evaluation.pages import rows_as_csv, write_forms
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_metadata, read_table
from scripts.healing_measures import POOLED

BEFORE = ["Model", "k", "FLOPs saved", "Retention", "healed", "gain"]
BEHIND = ["NLL increase", "healed", "gain", "KL to full depth", "healed", "Cost", "Pays back after"]
DIGITS = {"retention": 1, "nll_increase": 3, "kl": 4}
NOTES = """
The same layers skipped, before and after healing: LoRA of rank {rank} on the layers that stay, {steps}
steps. Both need the same FLOPs. Retention: accuracy in percent of that at full depth, over {items} items
of {benchmarks} benchmarks. NLL increase: how much less likely the reference solutions are than at full
depth, in nats per token. KL to full depth, in nats: on {held_out} calibration prompts that were held out
of the training. In parentheses: {level:g} % intervals over items (KL: over prompts), in pairs for the
gain; \\*: the interval excludes 0. They do not cover the variation between trainings: there is one
seed. Cost: operations of the training, with the completions of its prompts, in full-depth completions of the
evaluated items. Pays back after: so many completions with layers skipped save as much as healing cost.
"""


def cell_text(row: dict[str, Any] | None) -> str:
    """One value with its interval."""
    if row is None or row["value"] is None:
        return "n/a"
    gain = row["weights"] == "gain"
    form = f"{'+' if gain else ''}.{DIGITS[row['measure']]}f"
    value, low, high = (f"{row[key]:{form}}" for key in ("value", "low", "high"))
    mark = " \\*" if gain and not row["low"] <= 0 <= row["high"] else ""
    return f"{value} ({low} to {high}){mark}"


def to_markdown(rows: list[dict[str, Any]], facts: dict[str, Any]) -> str:
    """The table and its notes."""
    benchmarks = facts["selection"]["benchmarks"]
    header = [*BEFORE, *(f"gain, {benchmark}" for benchmark in benchmarks), *BEHIND]
    columns = [(POOLED, "retention", weights) for weights in ("skipped", "healed", "gain")]
    columns += [(benchmark, "retention", "gain") for benchmark in benchmarks]
    columns += [(POOLED, "nll_increase", weights) for weights in ("skipped", "healed", "gain")]
    columns += [(POOLED, "kl", weights) for weights in ("skipped", "healed")]
    lines = [header, ["---"] * len(header)]
    for model, k in dict.fromkeys((r["model"], r["asked_k"]) for r in rows):
        own = (r for r in rows if (r["model"], r["asked_k"]) == (model, k))
        of = {(r["benchmark"], r["measure"], r["weights"]): r for r in own}
        one = of[POOLED, "cost", "healed"]
        short = f" [{one['got_k']} layers]" if one["got_k"] < k else ""
        costs = [of[POOLED, name, "healed"]["value"] for name in ("cost", "break_even")]
        cost = ["never" if value is None else f"{value:,.0f}" for value in costs]
        found = [cell_text(of.get(column)) for column in columns]
        lines.append([model, f"{k}{short}", f"{one['flops_reduction_true']:.1f} %", *found, *cost])
    items, held_out = (
        next(r["n"] for r in rows if (r["benchmark"], r["measure"]) == (POOLED, measure))
        for measure in ("accuracy", "kl")
    )
    counts = {"items": items, "held_out": held_out, "benchmarks": len(benchmarks)}
    notes = NOTES.format(level=100 * facts["level"], **counts, **facts["heal"])
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), notes])


def main(job: Job) -> None:
    """Write the table as CSV and Markdown."""
    rows, facts = read_table(job.input.study).to_pylist(), read_metadata(job.input.study)
    write_forms({".csv": rows_as_csv(rows), ".md": to_markdown(rows, facts)}, job.outputs)
