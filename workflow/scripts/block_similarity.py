"""Similarity of all pairs of depths, one triangle per model: cosine and angular distance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goodpart.evaluation.drawing import style
from goodpart.evaluation.drawing.selection import FigureData, FigureModel, draw_job
from goodpart.jobs.job import Job

if TYPE_CHECKING:
    import pandas as pd

NOTE = """
# Similarity of all pairs of layers

Each panel compares every depth of a model with every later depth (depth 0 is the embedding, depth d the
output of layer d - 1): the mean cosine of a token's two states, and the mean angular distance arccos(cosine)
/ pi (0: same direction, 0.5: orthogonal). The mean is over the positions of a prompt and step, then over the
captured steps, prompts and benchmarks. All models share one scale. Algorithm 1 ranks the entries next to the
diagonal. A block of small distances away from the diagonal is a run of layers that could be removed together.
Not a figure of the paper.
"""
HEADER = ["model", "label", "first_depth", "second_depth", "cosine", "angular"]
MEASURES = {"cosine": "Cosine", "angular": "Angular distance"}


def pair_means(measured: FigureData, model: FigureModel) -> pd.DataFrame:
    """Mean `cosine` and `angular` by (first, second) depth. All prompts and steps have the same weight."""
    import pandas as pd

    columns = ["prompt_id", "step", "first", "second", "positions", *MEASURES]
    parts = []
    for table in measured.tables(model, "pairs", columns):
        frame = table.to_pandas()
        for measure in MEASURES:
            frame[measure] *= frame["positions"]
        keys = ["prompt_id", "step", "first", "second"]
        parts.append(frame.groupby(keys)[["positions", *MEASURES]].sum().reset_index())
    sums = pd.concat(parts)
    for measure in MEASURES:
        sums[measure] /= sums["positions"]
    return sums.groupby(["first", "second"])[list(MEASURES)].mean().reset_index()


def draw(measured: FigureData, outputs: list[Path]) -> None:
    """Draw two rows of triangles, one column per model."""
    import matplotlib.pyplot as plt

    models = measured.in_order("llada", "dream", "qwen2")
    means = [pair_means(measured, model) for model in models]
    figure, axes = plt.subplots(
        2, len(models), figsize=(style.WIDE, 3.5), squeeze=False, layout="constrained"
    )
    rows: list[list[Any]] = []
    for line, (measure, label) in zip(axes, MEASURES.items(), strict=True):
        low = min(mean[measure].min() for mean in means)
        high = max(mean[measure].max() for mean in means)
        colours = "viridis" if measure == "cosine" else "viridis_r"  # yellow: similar
        for axis, model, mean in zip(line, models, means, strict=True):
            grid: NDArray = np.full((model.layers + 1, model.layers + 1), np.nan)
            grid[mean["second"], mean["first"]] = mean[measure]
            image = axis.imshow(grid, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
            axis.tick_params(labelsize=style.SMALL, pad=1, length=2)
        line[0].set_ylabel("Depth", fontsize=7)
        bar = figure.colorbar(image, ax=line, shrink=0.85, aspect=15, pad=0.01)
        bar.set_label(label, fontsize=7)
        bar.ax.tick_params(labelsize=style.SMALL)
    for (above, below), model in zip(axes.T, models, strict=True):
        above.set_title(model.label, fontsize=8)
        below.set_xlabel("Depth", fontsize=7)
    for model, mean in zip(models, means, strict=True):
        rows += [
            [model.name, model.label, row.first, row.second, f"{row.cosine:.6f}", f"{row.angular:.6f}"]
            for row in mean.itertuples()
        ]
    style.save(figure, outputs, HEADER, rows, NOTE)
    plt.close(figure)


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    draw_job(job, draw)
