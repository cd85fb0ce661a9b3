"""Healing as a figure: retention and lost likelihood against FLOPs reduction, before and after."""

from __future__ import annotations

from goodpart.evaluation.drawing import style
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_table
from scripts.healing_measures import POOLED

PANELS = {"retention": "Retention (%)", "nll_increase": "NLL of solutions,\nincrease (nats/token)"}
LINES = {"skipped": ("layers skipped", "--", "white"), "healed": ("skipped, then healed", "-", None)}
HEADER = [
    "model",
    "measure",
    "weights",
    "asked_k",
    "got_k",
    "flops_reduction_true",
    "value",
    "low",
    "high",
    "n",
]


def main(job: Job) -> None:
    """Draw a row of panels a measure; bars are intervals over items."""
    columns: dict[str, str | None] = job.params.models
    table = read_table(job.input.study).to_pandas()
    table = table[(table["benchmark"] == POOLED) & table["weights"].isin(list(LINES))]
    measures = [measure for measure in PANELS if (table["measure"] == measure).any()]
    style.use()
    import matplotlib.pyplot as plt

    palette = style.colours(columns)
    figure, axes = plt.subplots(
        len(measures), len(columns), figsize=(style.WIDE, 1.9 * len(measures)), squeeze=False, sharey="row"
    )
    rows = []
    for panels, measure in zip(axes, measures, strict=True):
        for axis, model in zip(panels, columns, strict=True):
            for weights, (label, dashes, face) in LINES.items():
                chosen = (table["model"] == model) & (table["measure"] == measure)
                line = table[chosen & (table["weights"] == weights)].sort_values("asked_k")
                bars = style.error_bars(line["value"], line["low"], line["high"])
                axis.errorbar(line["flops_reduction_true"], line["value"], bars, color=palette[model],
                              ls=dashes, marker="o", ms=3.5, mfc=face or palette[model], elinewidth=0.7,
                              capsize=2, label=label)  # fmt: skip
                rows += [
                    [f"{v:.6f}" if isinstance(v, float) else v for v in row]
                    for row in line[HEADER].itertuples(index=False)
                ]
            axis.axhline(100 if measure == "retention" else 0, color="0.6", lw=0.7, ls=":")
        panels[0].set_ylabel(PANELS[measure])
    for axis, model in zip(axes[0], columns, strict=True):
        axis.set_title(columns[model] or model)
    for axis in axes[-1]:
        axis.set_xlabel("FLOPs reduction (%)")
    figure.tight_layout()
    style.legend_above(figure, axes[0][0])
    style.save(figure, job.outputs, HEADER, rows)
    plt.close(figure)
