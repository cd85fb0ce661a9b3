"""Figure 3: mean cosine similarity of consecutive tokens by layer, one line a model.

The band is the standard deviation over denoising steps (diffusion models only). The caption leaves open
which positions are averaged: here all of them, with no pair across the prompt's end and none across kinds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goodpart.figures import style
from goodpart.parquet import read_tables
from goodpart.runtime import parser, run


def profile(files: list[Path]) -> tuple[NDArray, NDArray, int]:
    """Mean [L] over steps and standard deviation [L] over steps of a model's token-wise cosine.

    Within a step: mean over a prompt's pairs, then over prompts. Layer l is depth l + 1. The third value
    is the number of steps.
    """
    table = read_tables(files, ["prompt_id", "step", "depth", "kind", "cosine"]).to_pandas()
    table = table[(table["kind"] != "boundary") & (table["depth"] > 0)]
    prompts = table.groupby(["step", "depth", "prompt_id"])["cosine"].mean()
    steps = prompts.groupby(["step", "depth"]).mean().unstack("depth")
    return steps.mean(axis=0).to_numpy(), steps.std(axis=0, ddof=0).to_numpy(), len(steps)


def main(arguments: argparse.Namespace) -> None:
    """Draw the figure and write its numbers."""
    columns: dict[str, str | None] = json.loads(arguments.models)
    each = len(arguments.tokens) // len(columns)  # benchmarks a model
    style.use()
    import matplotlib.pyplot as plt

    palette = style.colours(columns)
    figure, axes = plt.subplots(1, 2, figsize=(style.WIDE, 2.5), sharey=True)
    rows = []
    for i, (model, column) in enumerate(columns.items()):
        mean, deviation, steps = profile(arguments.tokens[i * each : (i + 1) * each])
        layers = np.arange(len(mean))
        relative = layers / (len(mean) - 1)
        for axis, x in zip(axes, (layers, relative), strict=True):
            axis.plot(x, mean, color=palette[model], label=column or model)
            if steps > 1:
                axis.fill_between(
                    x, mean - deviation, mean + deviation, color=palette[model], alpha=0.25, lw=0
                )
        rows += [
            [model, column or "", layer, f"{r:.4f}", f"{m:.6f}", f"{d:.6f}", steps]
            for layer, r, m, d in zip(layers, relative, mean, deviation, strict=True)
        ]
    axes[0].set_xlabel("Layer")
    axes[0].set_ylabel("Cosine of consecutive tokens")
    axes[1].set_xlabel("Relative depth")
    figure.tight_layout()
    lines, names = axes[0].get_legend_handles_labels()
    figure.legend(lines, names, loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=len(names))
    header = ["model", "paper_column", "layer", "relative_depth", "mean", "sd_over_steps", "steps"]
    style.save(figure, arguments.output, header, rows)
    plt.close(figure)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument(
        "--tokens", type=Path, nargs="+", required=True, help="tokens.parquet, model by model"
    )
    options.add_argument("--models", required=True, help="model -> the paper's column or null, as JSON")
    options.add_argument("--output", type=Path, nargs=3, required=True, help="PDF, PNG and CSV")
    run(main, options.parse_args())
