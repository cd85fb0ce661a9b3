"""How much less likely the reference solutions become against FLOPs reduction: Figure 1 by likelihood.

One panel a benchmark, one line a model; bars are the paired intervals of cells.parquet.
"""

from __future__ import annotations

from typing import Any

from goodpart.evaluation.drawing import style
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_table
from goodpart.paths import FULL_DEPTH

HEADER = ["benchmark", "model", "paper_column", "asked_k", "got_k", "flops_reduction_layers",
          "flops_reduction_true", "nll", "nll_increase", "nll_low", "nll_high", "nll_items"]  # fmt: skip
NOTE = """
Negative log-likelihood of each data set's own solutions, in nats per token, minus that at full depth:
0 means that nothing was lost. Exact for autoregressive models; for diffusion models the Monte-Carlo bound
with the same masks at every k, so levels are comparable within a model, and differences with more care
between models. Bars are intervals over items, in pairs. The paper has no such figure: likelihood resolves
losses that the accuracy of a small model on few items does not.
"""


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    columns: dict[str, str | None] = job.params.models
    labels: dict[str, str] = job.params.labels
    cells = [
        cell
        for cell in read_table(job.input.cells).to_pylist()
        if cell["policy"] in (job.params.policy, FULL_DEPTH) and cell["nll"] is not None
    ]
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
            y, low, high = ([c[name] or 0.0 for c in own] for name in HEADER[8:11])
            bars = [
                [b - a for a, b in zip(low, y, strict=True)],
                [b - a for a, b in zip(y, high, strict=True)],
            ]
            axis.errorbar(x, y, bars, color=palette[model], elinewidth=0.7, capsize=2, marker="o", ms=3, lw=1,
                          label=columns[model] or model)  # fmt: skip
        axis.set_title(label)
        axis.set_xlabel("FLOPs reduction, k / L (%)")
        if not cells:
            axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center")
    axes[0][0].set_ylabel("NLL of solutions,\nincrease (nats/token)")
    figure.tight_layout()
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=len(names))
    style.save(
        figure, job.outputs, HEADER, [_row(cell) for cell in cells if cell["benchmark"] in labels], NOTE
    )
    plt.close(figure)


def _row(cell: dict[str, Any]) -> list[Any]:
    values = (cell[name] for name in HEADER)
    return [f"{v:.4f}" if isinstance(v, float) else "" if v is None else v for v in values]
