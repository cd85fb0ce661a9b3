"""Figure 3: mean cosine similarity of consecutive tokens by layer, one line per model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from goodpart.evaluation.drawing import style
from goodpart.evaluation.drawing.selection import PROMPT_KINDS, FigureData, FigureModel, draw_job
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import prompt_tables

NOTE = """
# Figure 3

Mean cosine of consecutive tokens' states after each layer: over the tokens of a prompt, then over the prompts
of all calibration benchmarks, then over the captured denoising steps. The band is the standard deviation over
steps. Autoregressive models have no band, because they have a single pass over prompt and completion.

The paper's caption does not say which positions are averaged. This figure takes all positions, except pairs
of different kinds (prompt, masked, decoded). All masked positions start from the same embedding, so a masked
canvas raises the mean of early layers. The CSV therefore also has each kind separately, and the cosine
without the channel with the largest share of the squared norm.
"""
HEADER = ["model", "label", "kind", "layer", "relative_depth", "mean", "sd_over_steps",
          "mean_without_strongest", "steps"]  # fmt: skip
VALUES = ["cosine", "cosine_without_strongest"]


def profiles(measured: FigureData, model: FigureModel) -> dict[str, tuple[NDArray, NDArray, NDArray, int]]:
    """kind -> mean [L], standard deviation over steps [L], mean without the strongest channel [L], steps.

    Within a step, the mean is over the pairs of a prompt, then over prompts. Kind `all` has all pairs of
    equal kinds. Steps of benchmarks with different generated lengths are matched by their order.
    """
    import pandas as pd

    keys, parts = ["prompt_id", "step", "depth", "kind"], []
    for table in prompt_tables(measured.files(model, "tokens"), [*keys, *VALUES]):
        kept = pc.and_(pc.greater(table["depth"], 0), pc.not_equal(table["kind"], "boundary"))
        sums = [(value, "sum") for value in VALUES]
        parts.append(table.filter(kept).group_by(keys).aggregate([*sums, (VALUES[0], "count")]).to_pandas())
        parts[-1]["step"] = parts[-1]["step"].rank(method="dense").astype(int)
    everything = pd.concat(parts)
    found = {}
    for kind in ("all", *PROMPT_KINDS):
        chosen = everything if kind == "all" else everything[everything["kind"] == kind]
        by_prompt = chosen.groupby(["step", "depth", "prompt_id"]).sum(numeric_only=True)
        plain, rest = (
            (by_prompt[f"{value}_sum"] / by_prompt["cosine_count"])
            .groupby(["step", "depth"])
            .mean()
            .unstack()
            for value in VALUES
        )
        if len(plain):
            deviation = plain.std(axis=0, ddof=0).to_numpy()
            found[kind] = (plain.mean(axis=0).to_numpy(), deviation, rest.mean(axis=0).to_numpy(), len(plain))
    return found


def draw(measured: FigureData, outputs: list[Path]) -> None:
    """Draw two panels: by layer, and by relative depth, to compare models of different depth."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(style.WIDE, 2.5), sharey=True)
    rows = []
    for model in measured.models:
        for kind, (mean, deviation, rest, steps) in profiles(measured, model).items():
            layers = np.arange(len(mean))
            relative = layers / max(len(mean) - 1, 1)
            rows += [
                [model.name, model.label, kind, layer, f"{r:.4f}", f"{m:.6f}", f"{d:.6f}", f"{w:.6f}", steps]
                for layer, r, m, d, w in zip(layers, relative, mean, deviation, rest, strict=True)
            ]
            if kind != "all":
                continue
            for axis, x in zip(axes, (layers, relative), strict=True):
                axis.plot(x, mean, color=model.colour, label=model.label)
                if steps > 1:
                    low, high = mean - deviation, mean + deviation
                    axis.fill_between(x, low, high, color=model.colour, alpha=0.25, lw=0)
    axes[0].set_xlabel("Layer")
    axes[0].set_ylabel("Cosine of consecutive tokens")
    axes[1].set_xlabel("Relative depth")
    figure.tight_layout()
    style.legend_above(figure, axes[0])
    style.save(figure, outputs, HEADER, rows, NOTE)
    plt.close(figure)


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    draw_job(job, draw)
