"""Order of generation beside the token-wise similarities: does what looks autoregressive generate so?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from goodpart.evaluation.drawing import style
from goodpart.evaluation.drawing.selection import FigureData
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_table
from goodpart.paths import FULL_DEPTH
from scripts.figure3 import profiles

NOTE = """
Left: cosine of consecutive tokens' states by relative depth, as in Figure 3. Middle and right: local and
global AR-ness (Gong et al., 2025) by layers skipped, means over the run's benchmarks with the intervals of
each benchmark's completions (added as independent). Local: the share of tokens that stand right after the
token committed before them. Global: the share that were the leftmost masked position. Only positions up to
the end of the text count. An autoregressive model is 1 in both. A model that decodes in blocks cannot leave
its block, which raises both.
"""
HEADER = ["panel", "model", "x", "value", "low", "high"]


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    columns: dict[str, str | None] = job.params.models
    table = read_table(job.input.order).to_pandas()
    table = table[table["policy"].isin([job.params.policy, FULL_DEPTH])]
    style.use()
    import matplotlib.pyplot as plt

    palette = style.colours(columns)
    figure, axes = plt.subplots(1, 3, figsize=(style.WIDE, 2.4))
    rows: list[list[Any]] = []
    measured = FigureData.of(job.params.similarities, Path(job.params.results))
    for model in measured.models:
        mean, *_ = profiles(measured, model)["all"]
        x = np.arange(len(mean)) / max(len(mean) - 1, 1)
        axes[0].plot(x, mean, color=palette[model.name], label=model.label)
        rows += [
            ["tokenwise", model.name, f"{a:.4f}", f"{b:.6f}", "", ""] for a, b in zip(x, mean, strict=True)
        ]
    for axis, measure in zip(axes[1:], ("local", "global"), strict=True):
        for model in columns:
            own = table[(table["model"] == model) & (table["measure"] == measure)].dropna(subset=["value"])
            groups = own.groupby("asked_k")
            x = np.array(sorted(groups.groups))
            value = groups["value"].mean().to_numpy()
            half = [
                np.sqrt(((own["value"] - own["low"]) ** 2).groupby(own["asked_k"]).sum()) / groups.size(),
                np.sqrt(((own["high"] - own["value"]) ** 2).groupby(own["asked_k"]).sum()) / groups.size(),
            ]
            bars = np.stack([part.to_numpy() for part in half])
            axis.errorbar(
                x, value, bars, color=palette[model], marker="o", ms=3, lw=1, elinewidth=0.7, capsize=2
            )
            rows += [
                [measure, model, int(k), f"{v:.6f}", f"{v - a:.6f}", f"{v + b:.6f}"]
                for k, v, a, b in zip(x, value, *bars, strict=True)
            ]
        axis.set_ylim(0, 1.03)
        axis.set_xlabel("Layers skipped")
        axis.set_ylabel(f"{measure.capitalize()} AR-ness")
    axes[0].set_xlabel("Relative depth")
    axes[0].set_ylabel("Cosine of consecutive tokens")
    figure.tight_layout()
    style.legend_above(figure, axes[0])
    style.save(figure, job.outputs, HEADER, rows, NOTE)
    plt.close(figure)
