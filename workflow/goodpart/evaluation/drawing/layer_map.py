"""Figures 4 and 5: cosine of each layer's input and output by token position, as heat maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goodpart.evaluation.drawing import style
from goodpart.evaluation.drawing.selection import FigureData, FigureModel, prompt_end

if TYPE_CHECKING:
    import pandas as pd

NOTE = """
# {figure}

{window}. Each row of panels is one model. A panel shows the cosine of the states before and after each layer
(vertical, layer 0 at the bottom) at each token position (horizontal). All models have the same prompt, the
first calibration prompt of `{benchmark}` (`{prompt}`). Yellow is high; all panels share one colour scale.

The paper's caption does not say what the columns are. In this figure they are the first, the middle and the
last captured denoising step. An autoregressive model has no denoising steps; its single panel shows one pass
over prompt and completion. The dashed line is the end of the prompt. {limited}
"""
LIMITED = (
    "The paper decodes 32 tokens in this window. The preset `{decode}` decodes {tokens}, so that models with "
    "short completions also have two different windows."
)
HEADER = ["model", "label", "step", "mask_ratio", "layer", "position", "kind", "cosine"]
COLUMNS = 3


def shown_steps(rows: pd.DataFrame) -> list[int]:
    """The first, middle and last captured step, without duplicates."""
    steps = sorted(rows["step"].unique())
    return sorted({int(steps[0]), int(steps[len(steps) // 2]), int(steps[-1])})


def draw_map(measured: FigureData, window: str, figure_name: str, outputs: list[Path]) -> None:
    """Draw the models of one window: LLaDA, then Qwen, then Dream."""
    import matplotlib.pyplot as plt

    models = measured.in_order("llada", "qwen2", "dream")
    tables = [measured.first_prompt(model, "layers", window) for model in models]
    every = np.concatenate([table["cosine"].to_numpy() for table in tables])
    lowest = min(np.floor(20 * np.quantile(every, 0.05)) / 20, 0.95)
    figure, axes = plt.subplots(
        len(models),
        COLUMNS,
        figsize=(style.WIDE, 0.5 + 1.25 * len(models)),
        squeeze=False,
        layout="constrained",
    )
    rows: list[list[Any]] = []
    for line, model, table in zip(axes, models, tables, strict=True):
        for axis in line[len(shown_steps(table)) :]:
            axis.axis("off")
        for axis, step in zip(line, shown_steps(table), strict=False):
            at = table[table["step"] == step]
            image = _panel(axis, model, at, lowest)
            rows += [
                [model.name, model.label, step, f"{row.mask_ratio:.4f}", row.layer, row.position, row.kind,
                 f"{row.cosine:.6f}"]
                for row in at.itertuples()
            ]  # fmt: skip
        line[0].set_ylabel(f"{model.label}\nlayer", fontsize=style.SMALL + 1)
    for axis in axes[-1]:
        axis.set_xlabel("Token position", fontsize=style.SMALL + 1)
    if not axes[-1][-1].axison:
        axes[-2 if len(models) > 1 else -1][-1].set_xlabel("Token position", fontsize=style.SMALL + 1)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=30, pad=0.01, extend="min")
    bar.set_label("Cosine of a layer's input and output", fontsize=style.SMALL + 1)
    bar.ax.tick_params(labelsize=style.SMALL)
    figure.suptitle(measured.window_label(window), fontsize=8)
    facts = measured.windows[window]
    style.save(
        figure,
        outputs,
        HEADER,
        rows,
        NOTE.format(
            figure=figure_name,
            window=measured.window_label(window),
            benchmark=measured.benchmarks[0],
            prompt=tables[0]["prompt_id"].iloc[0],
            limited=LIMITED.format(**facts) if window == "limited" and facts["tokens"] != 32 else "",
        ),
    )
    plt.close(figure)


def _panel(axis: Any, model: FigureModel, at: pd.DataFrame, lowest: float) -> Any:
    """One model and step: layers [L] by positions [T]."""
    grid: NDArray = at.pivot(index="layer", columns="position", values="cosine").to_numpy()
    end = prompt_end(at)
    image = axis.imshow(
        grid, aspect="auto", origin="lower", cmap="viridis", vmin=lowest, vmax=1, interpolation="nearest"
    )
    axis.axvline(end - 0.5, color="black", lw=0.8, ls="--")
    masked = "" if model.one_pass else f", {at['mask_ratio'].iloc[0]:.0%} masked"
    title = f"Step {at['step'].iloc[0]}{masked}" if masked else "Prompt and completion, one pass"
    axis.set_title(title, fontsize=style.SMALL + 0.5, pad=2)
    axis.tick_params(labelsize=style.SMALL, pad=1, length=2)
    return image
