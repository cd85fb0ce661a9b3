"""All policies at equal k: retention of one model on one benchmark, one panel per k.

Bars are intervals over items. Random sets have one dot per seed, the mean, and the range over seeds.
"""

from __future__ import annotations

from goodpart.evaluation.drawing import style
from goodpart.evaluation.policy_entries import entries
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_metadata, read_table

LEADING, RIVAL, RANDOM = "#0072B2", "0.25", "#D55E00"


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    cells = read_table(job.input.cells).to_pylist()
    made = entries(cells, read_metadata(job.input.cells)["selection"]["policies"])
    ks = sorted({entry.asked_k for entry in made})
    names = list(dict.fromkeys(entry.policy for entry in made))
    style.use()
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(ks), figsize=(style.WIDE, 0.45 + 0.19 * len(names)), sharey=True, sharex=True, squeeze=False
    )
    for axis, k in zip(axes[0], ks, strict=True):
        axis.axvline(100, color="0.6", lw=0.7, ls=":")
        for entry in made:
            if entry.asked_k != k or entry.retention is None:
                continue
            y = names.index(entry.policy)
            ours = entry.kind in ("algorithm1", "adaptive")
            colour = RANDOM if entry.seeds > 1 else LEADING if ours else RIVAL
            bars = style.error_bars([entry.retention], [entry.low], [entry.high])
            axis.errorbar(entry.retention, y, xerr=bars, color=colour, marker="o", ms=3.5, elinewidth=0.8)
            if entry.seeds > 1:
                axis.plot(entry.each, [y] * entry.seeds, ".", color=colour, ms=2.5, alpha=0.6)
            if entry.got_k < entry.asked_k:
                axis.text(entry.high, y, f"  {entry.got_k:g} found", fontsize=5.5, va="center")
        saved = next(entry.flops_reduction_true for entry in made if entry.asked_k == k)
        axis.set_title(f"k = {k} ({saved:.1f} % of FLOPs)", fontsize=8)
        axis.set_xlabel("Retention (%)")
    axes[0][0].set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes[0][0].invert_yaxis()
    figure.tight_layout()
    header = ["policy", "k", "got_k", "seeds", "retention", "low", "high", "flops_layers", "flops_true"]
    rows = [
        [
            *(entry.policy, entry.asked_k, f"{entry.got_k:g}", entry.seeds),
            *("" if v is None else f"{v:.4f}" for v in (entry.retention, entry.low, entry.high)),
            *(f"{v:.4f}" for v in (entry.flops_reduction_layers, entry.flops_reduction_true)),
        ]
        for entry in made
    ]
    style.save(figure, job.outputs, header, rows)
    plt.close(figure)
