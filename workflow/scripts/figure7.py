"""Figure 7: l2 norm of hidden states by layer, with the largest norms shown separately."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from goodpart.evaluation.drawing import style
from goodpart.evaluation.drawing.selection import FigureData, FigureModel, draw_job
from goodpart.jobs.job import Job

NOTE = """
# Figure 7

l2 norm of the states after each layer: median with the interquartile band, mean, and maximum, over all
positions (prompt, masked and decoded) of all captured steps and calibration prompts. All panels share one
logarithmic scale.

The paper's caption does not say which positions are included; the CSV also splits the values by kind of
position. A maximum far above the median is a sink token: the CSV has its prompt, step, position, kind and
token.
"""
HEADER = ["model", "label", "kind", "layer", "median", "quarter", "three_quarters", "mean", "maximum",
          "prompt_id", "step", "position", "token_id"]  # fmt: skip
COLUMNS = ["prompt_id", "step", "depth", "position", "kind", "token_id", "norm"]
FACTS = ("prompt_id", "step", "position", "token_id")


def summary(table: pa.Table, layers: int) -> list[tuple[NDArray, dict[str, Any]]]:
    """For each layer: quartiles, mean and maximum [5] of the norms, and the place of the maximum."""
    depth, norm = table["depth"].to_numpy(), table["norm"].to_numpy()
    order = np.argsort(depth, kind="stable")
    edges = np.searchsorted(depth[order], np.arange(1, layers + 2))
    found = []
    for first, last in pairwise(edges):
        members = order[first:last]
        values = norm[members].astype(np.float64)
        largest = int(members[values.argmax()])
        facts = {name: table[name][largest].as_py() for name in FACTS}
        numbers = np.array([*np.quantile(values, [0.25, 0.5, 0.75]), values.mean(), values.max()])
        found.append((numbers, facts))
    return found


def _rows(model: FigureModel, kind: str, found: list[tuple[NDArray, dict[str, Any]]]) -> list[list[Any]]:
    return [
        [
            model.name,
            model.label,
            kind,
            layer,
            *(f"{v:.6g}" for v in (median, low, high, mean, most)),
            *(facts[name] for name in FACTS),
        ]
        for layer, ((low, median, high, mean, most), facts) in enumerate(found)
    ]


def draw(measured: FigureData, outputs: list[Path]) -> None:
    """Draw one panel per model."""
    import matplotlib.pyplot as plt

    models = measured.in_order("llada", "dream", "qwen2")
    figure, axes = plt.subplots(
        1, len(models), figsize=(style.WIDE, 2.2), sharey=True, squeeze=False, layout="constrained"
    )
    rows: list[list[Any]] = []
    for axis, model in zip(axes[0], models, strict=True):
        table = pa.concat_tables(measured.tables(model, "norms", COLUMNS))
        found = summary(table, model.layers)
        low, median, high, mean, most = np.array([numbers for numbers, _ in found]).T
        layers = np.arange(len(found))
        axis.fill_between(layers, low, high, color=model.colour, alpha=0.25, lw=0)
        axis.plot(layers, median, color=model.colour, label="Median, quartiles")
        axis.plot(layers, mean, color="0.25", lw=0.9, ls="--", label="Mean")
        axis.plot(layers, most, color="0.25", lw=0, marker=".", ms=2.5, label="Maximum")
        axis.set_yscale("log")
        axis.set_title(model.label, fontsize=8)
        axis.set_xlabel("Layer")
        rows += _rows(model, "all", found)
        for kind in pc.unique(table["kind"]).to_pylist():
            chosen = table.filter(pc.equal(table["kind"], kind))
            rows += _rows(model, kind, summary(chosen, model.layers))
    axes[0, 0].set_ylabel("l2 norm")
    lines, names = axes[0, 0].get_legend_handles_labels()
    for line in (legend := figure.legend(lines, names, loc="outside upper center", ncols=3)).legend_handles:
        line.set_color("0.25")
    legend.legend_handles[2].set_markersize(4)
    style.save(figure, outputs, HEADER, rows, NOTE)
    plt.close(figure)


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    draw_job(job, draw)
