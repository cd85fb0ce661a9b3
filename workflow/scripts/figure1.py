"""Figure 1: retention against FLOPs reduction, one line per model, with the Pareto front of all models.

Left: the paper's k / L. Right: the true reduction, including the head. Bars are the intervals of
cells.parquet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodpart.evaluation.drawing import style
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_table
from goodpart.paths import FULL_DEPTH

AXES = {
    "flops_reduction_layers": "FLOPs reduction, k / L (%)",
    "flops_reduction_true": "FLOPs reduction, with head (%)",
}

NOTE = """
The paper's caption does not name the benchmark. Its two numbers, 88.24 % and 64.71 %, are those of HumanEval
in Table 1. This figure shows {label}. Bars are the intervals of cells.parquet. The right panel, which
includes the head, is not in the paper.
"""


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points (reduction, retention) are on the Pareto front."""
    return [not any(a >= x and b >= y and (a, b) != (x, y) for a, b in points) for x, y in points]


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    columns: dict[str, str | None] = job.params.models
    cells = [
        cell
        for cell in read_table(job.input.cells).to_pylist()
        if cell["benchmark"] == job.params.benchmark and cell["policy"] in (job.params.policy, FULL_DEPTH)
    ]
    scored = [cell for cell in cells if cell["retention"] is not None]
    style.use()
    import matplotlib.pyplot as plt

    palette = style.colours(columns)
    figure, axes = plt.subplots(1, 2, figsize=(style.WIDE, 2.6), sharey=True)
    on_front: dict[str, set[tuple[str, int]]] = {}
    for axis, (measure, label) in zip(axes, AXES.items(), strict=True):
        front = pareto([(cell[measure], cell["retention"]) for cell in scored])
        best = [cell for cell, first in zip(scored, front, strict=True) if first]
        on_front[measure] = {(cell["model"], cell["asked_k"]) for cell in best}
        line = sorted((cell[measure], cell["retention"]) for cell in best)
        axis.plot(
            *zip(*line, strict=True) if line else ([], []), color="0.75", lw=3, zorder=0, label="Pareto front"
        )
        axis.axhline(100, color="0.6", lw=0.7, ls=":")
        for model in columns:
            own = sorted((c for c in scored if c["model"] == model), key=lambda c: c["asked_k"])
            x, y = [c[measure] for c in own], [c["retention"] for c in own]
            bars = style.error_bars(y, [c["low"] for c in own], [c["high"] for c in own])
            colour = palette[model]
            axis.errorbar(
                x,
                y,
                bars,
                color=colour,
                elinewidth=0.7,
                capsize=2,  # separates bars of models with the same reduction
                marker="o",
                ms=3,
                lw=1,
                label=columns[model] or model,
            )
        axis.set_xlabel(label)
    axes[0].set_ylabel(f"Retention on {job.params.label} (%)")
    if not scored:
        reason = cells[0]["status"] if cells else "not run"
        axes[0].text(0.5, 0.5, reason, transform=axes[0].transAxes, ha="center")
    figure.tight_layout()
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=len(names))
    header = ["benchmark", "model", "paper_column", "asked_k", "got_k", *AXES, "retention", "low", "high",
              "pareto_layers", "pareto_true", "status"]  # fmt: skip
    rows = [_row(cell, on_front) for cell in cells]
    style.save(figure, job.outputs, header, rows, NOTE.format(label=job.params.label))
    plt.close(figure)


def _row(cell: dict[str, Any], on_front: dict[str, set[tuple[str, int]]]) -> list[Any]:
    numbers = [cell[name] for name in (*AXES, "retention", "low", "high")]
    return [
        *(cell[name] for name in ("benchmark", "model", "paper_column", "asked_k", "got_k")),
        *("" if number is None else f"{number:.4f}" for number in numbers),
        *(int((cell["model"], cell["asked_k"]) in on_front[measure]) for measure in AXES),
        cell["status"],
    ]
