"""Figure 8: how often each layer is chosen over a benchmark's prompts, with and without adjacent layers.

Every prompt has its own skip set, from the first pass over it. Bars have Wilson intervals.
"""

from __future__ import annotations

import numpy as np

from goodpart.evaluation.drawing import style
from goodpart.evaluation.intervals import wilson
from goodpart.jobs.job import Job
from goodpart.policies.guard import chooser
from goodpart.states.pooling import of_prompts

EARLY = 0.6  # fraction of the depth that the paper's text names


def main(job: Job) -> None:
    """Draw the two panels and write their numbers."""
    settings, layers = job.params.settings, job.params.layers
    prompts = of_prompts([job.input.similarities], layers, settings["positions"])
    choose, n = chooser(settings["kind"], layers), len(prompts)
    colour = style.colours(job.params.models)[job.params.model]
    style.use()
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(style.WIDE, 2.2), sharey=True)
    rows = []
    for axis, adjacent in zip(axes, (True, False), strict=True):
        chosen = [
            choose(similarities, job.params.k, {**settings, "adjacent": adjacent}).layers
            for similarities in prompts.values()
        ]
        counts = np.bincount([layer for one in chosen for layer in one], minlength=layers)
        share = counts / n
        low, high = np.transpose([wilson(int(count), n, job.params.level) for count in counts])
        axis.bar(range(layers), share, color=colour, width=0.8)
        bars = style.error_bars(share, low, high)
        axis.errorbar(range(layers), share, bars, fmt="none", ecolor="0.25", elinewidth=0.6)
        early = counts[np.arange(layers) < EARLY * layers].sum() / max(counts.sum(), 1)
        axis.axvline(np.ceil(EARLY * layers) - 0.5, color="0.6", lw=0.7, ls=":")
        word = "allowed" if adjacent else "not allowed"
        axis.set_title(f"Adjacent layers {word}: {early:.0%} in the first {EARLY:.0%}")
        axis.set_xlabel("Layer")
        rows += [
            [
                *(job.params.model, job.params.label, int(adjacent), layer, int(counts[layer]), n),
                *(f"{x[layer]:.6f}" for x in (share, low, high)),
            ]
            for layer in range(layers)
        ]
    axes[0].set_ylabel(f"Share of {n} prompts (k = {job.params.k})")
    axes[0].set_ylim(0, 1.05)
    figure.suptitle(f"{job.params.model} on {job.params.label}", fontsize=8)
    figure.tight_layout()
    header = ["model", "benchmark", "adjacent_allowed", "layer", "count", "n", "share", "low", "high"]
    style.save(figure, job.outputs, header, rows)
    plt.close(figure)
