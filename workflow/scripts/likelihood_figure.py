"""How much less likely the reference solutions become against FLOPs reduction: Figure 1 by likelihood.

One panel a benchmark, one line a model; bars are paired intervals. It needs likelihoods and skip sets, and no
completion: their numbers equal those of cells.parquet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from goodpart.evaluation.drawing import style
from goodpart.evaluation.nats import item_nats, likelihood
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_table
from goodpart.policies.skip_sets import read_skip_set

HEADER = ["benchmark", "model", "paper_column", "asked_k", "got_k", "flops_reduction_layers",
          "nll", "nll_increase", "nll_low", "nll_high", "nll_items"]  # fmt: skip
INCREASE = HEADER[7:10]
NOTE = """
Negative log-likelihood of each data set's own solutions, in nats per token, minus that at full depth:
0 means that nothing was lost. Exact for autoregressive models; for diffusion models the Monte-Carlo bound
with the same masks at every k, so levels are comparable within a model, and differences with more care
between models. Bars are intervals over items, in pairs. The paper has no such figure: likelihood resolves
losses that the accuracy of a small model on few items does not.
"""


def measured(job: Job) -> Iterator[dict[str, Any]]:
    """Values of HEADER for each cell whose likelihoods were measured."""
    params = job.params
    files = {(file.parent.name, file.stem): file for file in job.input.likelihoods}
    sets = {(file.parent.parent.name, file.stem): file for file in job.input.skip_sets}
    nats = {place: item_nats(file) for place, file in files.items()}
    items = {p: read_table(file, ["item_id"])["item_id"].unique().to_pylist() for p, file in files.items()}
    for model, benchmark, policy, k in params.cells:
        place = (model, benchmark)
        found = likelihood(nats.get(place, {}), policy, k, params.level, params.resamples)
        if found:
            skip_set = read_skip_set(sets[model, f"k{k}"] if k else None, params.layers[model])
            reached = skip_set.reached(benchmark, items[place], params.layers[model])
            own = {"model": model, "benchmark": benchmark, "paper_column": params.models[model], "asked_k": k}
            yield {**dict.fromkeys(HEADER), **own, **reached, **found}


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    columns: dict[str, str | None] = job.params.models
    labels: dict[str, str] = job.params.labels
    cells = list(measured(job))
    style.use()
    import matplotlib.pyplot as plt

    palette = style.colours(columns)
    figure, axes = plt.subplots(1, len(labels), figsize=(style.WIDE, 2.3), squeeze=False)
    for axis, (benchmark, label) in zip(axes[0], labels.items(), strict=True):
        axis.axhline(0, color="0.6", lw=0.7, ls=":")
        for model in columns:
            own = sorted(
                (c for c in cells if (c["model"], c["benchmark"]) == (model, benchmark)),
                key=lambda c: c["asked_k"],
            )
            x = [c["flops_reduction_layers"] for c in own]
            y, low, high = ([c[name] or 0.0 for c in own] for name in INCREASE)
            axis.errorbar(x, y, style.error_bars(y, low, high), color=palette[model], elinewidth=0.7,
                          capsize=2, marker="o", ms=3, lw=1, label=columns[model] or model)  # fmt: skip
        axis.set_title(label)
        axis.set_xlabel("FLOPs reduction, k / L (%)")
        if not cells:
            axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center")
    axes[0][0].set_ylabel("NLL of solutions,\nincrease (nats/token)")
    figure.tight_layout()
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=len(names))
    style.save(figure, job.outputs, HEADER, map(_row, cells), NOTE)
    plt.close(figure)


def _row(cell: dict[str, Any]) -> list[Any]:
    values = (cell[name] for name in HEADER)
    return [f"{v:.4f}" if isinstance(v, float) else "" if v is None else v for v in values]
