"""Layer similarity against the mask ratio of the canvas, by kind of position."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodpart.evaluation.drawing import style
from goodpart.evaluation.drawing.selection import PROMPT_KINDS, FigureData, FigureModel, draw_job
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import prompt_tables

if TYPE_CHECKING:
    import pandas as pd

NOTE = """
# Layer similarity against mask ratio

Mean cosine of a layer's input and output, over layers, against the fraction of the generated positions that
are still masked. Decoding runs from left to right. A point is one captured step; steps of benchmarks with
different generated lengths are matched by their order. Its value is the mean over a prompt's positions of one
kind, then over the prompts of all calibration benchmarks. The band is the standard deviation over prompts. An
autoregressive model has no masks: dashed lines show its values at prompt and decoded positions. The CSV has
each layer separately. Not a figure of the paper.
"""
HEADER = ["model", "label", "kind", "layer", "mask_ratio", "mean", "sd_over_prompts", "prompts"]
TITLES = {"prompt": "Prompt positions", "masked": "Masked positions", "decoded": "Decoded positions"}


def by_step(measured: FigureData, model: FigureModel) -> pd.DataFrame:
    """Cosine and mask ratio of every prompt, captured step (in order), kind and layer."""
    import pandas as pd

    keys, parts = ["prompt_id", "step", "mask_ratio", "kind", "layer"], []
    for table in prompt_tables(measured.files(model, "layers"), [*keys, "cosine"]):
        parts.append(table.group_by(keys).aggregate([("cosine", "mean")]).to_pandas())
        parts[-1]["step"] = parts[-1]["step"].rank(method="dense").astype(int)
    return pd.concat(parts)


def means(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Mask ratio, mean, standard deviation over prompts and number of prompts, by `keys`."""
    prompts = frame.groupby([*keys, "prompt_id"])[["mask_ratio", "cosine_mean"]].mean()
    return (
        prompts.groupby(keys)
        .agg(
            mask_ratio=("mask_ratio", "mean"),
            mean=("cosine_mean", "mean"),
            sd=("cosine_mean", lambda values: values.std(ddof=0)),
            prompts=("cosine_mean", "size"),
        )
        .reset_index()
    )


def draw(measured: FigureData, outputs: list[Path]) -> None:
    """Draw three panels, one per kind of position, with one line per model."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(style.WIDE, 2.3), sharey=True, sharex=True)
    rows: list[list[Any]] = []
    for model in measured.in_order("llada", "dream", "qwen2"):
        frame = by_step(measured, model)
        for axis, kind in zip(axes, PROMPT_KINDS, strict=True):
            chosen = frame[frame["kind"] == kind]
            if chosen.empty:
                continue
            line = means(chosen, ["step"])
            if model.one_pass:
                axis.axhline(line["mean"].iloc[0], color=model.colour, ls="--", label=model.label)
            else:
                x, y, sd = line["mask_ratio"], line["mean"], line["sd"]
                axis.plot(x, y, color=model.colour, marker=".", ms=4, label=model.label)
                axis.fill_between(x, y - sd, y + sd, color=model.colour, alpha=0.2, lw=0)
            rows += _rows(model, kind, "all", line)
            for layer, group in means(chosen, ["layer", "step"]).groupby("layer"):
                rows += _rows(model, kind, layer, group)
    for axis, title in zip(axes, TITLES.values(), strict=True):
        axis.set_title(title, fontsize=8)
        axis.set_xlabel("Mask ratio")
    axes[0].set_xlim(1.03, -0.03)
    axes[0].set_ylabel("Layer cosine, mean over layers")
    figure.tight_layout()
    style.legend_above(figure, axes[0])
    style.save(figure, outputs, HEADER, rows, NOTE)
    plt.close(figure)


def _rows(model: FigureModel, kind: str, layer: Any, line: pd.DataFrame) -> list[list[Any]]:
    return [
        [model.name, model.label, kind, layer, f"{row.mask_ratio:.4f}", f"{row.mean:.6f}", f"{row.sd:.6f}",
         row.prompts]
        for row in line.itertuples()
    ]  # fmt: skip


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    draw_job(job, draw)
