"""Figure 8: how often each layer is chosen over a benchmark's prompts, with and without adjacent layers.

Every prompt has its own skip set, from the first pass over it. Bars have Wilson intervals.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from goodpart.figures import style
from goodpart.intervals import wilson
from goodpart.measures import of_prompts
from goodpart.policies.guard import chooser
from goodpart.runtime import parser, run

EARLY = 0.6  # fraction of the depth that the paper's text names


def main(arguments: argparse.Namespace) -> None:
    """Draw the two panels and write their numbers."""
    settings, layers = json.loads(arguments.settings), arguments.layers
    prompts = of_prompts([arguments.similarities], layers, settings["positions"])
    choose, n = chooser(settings["kind"], layers), len(prompts)
    colour = style.colours(json.loads(arguments.models))[arguments.model]
    style.use()
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(style.WIDE, 2.2), sharey=True)
    rows = []
    for axis, adjacent in zip(axes, (True, False), strict=True):
        chosen = [
            choose(similarities, arguments.k, {**settings, "adjacent": adjacent}).layers
            for similarities in prompts.values()
        ]
        counts = np.bincount([layer for one in chosen for layer in one], minlength=layers)
        share = counts / n
        low, high = np.transpose([wilson(int(count), n, arguments.level) for count in counts])
        axis.bar(range(layers), share, color=colour, width=0.8)
        bars = np.maximum([share - low, high - share], 0)
        axis.errorbar(range(layers), share, bars, fmt="none", ecolor="0.25", elinewidth=0.6)
        early = counts[np.arange(layers) < EARLY * layers].sum() / max(counts.sum(), 1)
        axis.axvline(np.ceil(EARLY * layers) - 0.5, color="0.6", lw=0.7, ls=":")
        word = "allowed" if adjacent else "not allowed"
        axis.set_title(f"Adjacent layers {word}: {early:.0%} in the first {EARLY:.0%}")
        axis.set_xlabel("Layer")
        rows += [
            [
                *(arguments.model, arguments.label, int(adjacent), layer, int(counts[layer]), n),
                *(f"{x[layer]:.6f}" for x in (share, low, high)),
            ]
            for layer in range(layers)
        ]
    axes[0].set_ylabel(f"Share of {n} prompts (k = {arguments.k})")
    axes[0].set_ylim(0, 1.05)
    figure.suptitle(f"{arguments.model} on {arguments.label}", fontsize=8)
    figure.tight_layout()
    header = ["model", "benchmark", "adjacent_allowed", "layer", "count", "n", "share", "low", "high"]
    style.save(figure, arguments.output, header, rows)
    plt.close(figure)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument(
        "--similarities", type=Path, required=True, help="similarities of each prompt's first pass"
    )
    options.add_argument("--model", required=True, help="model of the skip sets")
    options.add_argument("--models", required=True, help="model -> the paper's column or null, as JSON")
    options.add_argument("--label", required=True, help="the benchmark's name in print")
    options.add_argument("--layers", type=int, required=True, help="number of layers of the model")
    options.add_argument("--settings", required=True, help="the per-prompt policy's entry, as JSON")
    options.add_argument("--k", type=int, required=True, help="number of layers to skip")
    options.add_argument("--level", type=float, required=True, help="confidence level of the intervals")
    options.add_argument("--output", type=Path, nargs=3, required=True, help="PDF, PNG and CSV")
    run(main, options.parse_args())
