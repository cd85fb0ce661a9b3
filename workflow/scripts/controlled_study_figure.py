"""The controlled study as a figure: layer-wise and token-wise cosine by relative depth, retention by k."""

from __future__ import annotations

from goodpart.evaluation.drawing import style
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_table

PANELS = {
    "layer_cosine": ("Relative depth", "1 - cosine of a layer's\ninput and output"),
    "depth_cosine": ("Relative depth", "Cosine of consecutive tokens"),
    "retention": ("Layers skipped", "Retention (%)"),
}


def main(job: Job) -> None:
    """Draw three panels with one line per model; intervals are bands or bars."""
    columns: dict[str, str | None] = job.params.models
    table = read_table(job.input.study).to_pandas()
    table = table[(table["kind"] == "model") & table["at"].notna()]
    style.use()
    import matplotlib.pyplot as plt

    palette = style.colours(columns)
    figure, axes = plt.subplots(1, 3, figsize=(style.WIDE, 2.5))
    rows = []
    for axis, (measure, (x_label, y_label)) in zip(axes, PANELS.items(), strict=True):
        for i, model in enumerate(columns):
            line = table[(table["measure"] == measure) & (table["name"] == model)].sort_values("at")
            last = line["at"].max()
            if measure == "retention":
                # Shift the bars of different models at the same k.
                x = line["got_k"] + 0.12 * (i - (len(columns) - 1) / 2)
                bars = style.error_bars(line["value"], line["low"], line["high"])
                axis.errorbar(x, line["value"], bars, color=palette[model], elinewidth=0.7, marker=".")
            else:
                x = line["at"] / last
                value, low, high = (
                    1 - line[name] if measure == "layer_cosine" else line[name]
                    for name in ("value", "low", "high")
                )
                axis.plot(x, value, color=palette[model], label=model)
                axis.fill_between(x, low, high, color=palette[model], alpha=0.25, lw=0)
            rows += [
                [
                    model,
                    measure,
                    int(row.at),
                    int(row.n),
                    *(f"{v:.6f}" for v in (row.value, row.low, row.high)),
                ]
                for row in line.itertuples()
            ]
        axis.set_xlabel(x_label)
        axis.set_ylabel(y_label)
    # Most layers differ in the third decimal only, so the axis shows the distance on a log scale.
    axes[0].set_yscale("log")
    axes[0].invert_yaxis()
    if job.params.threshold is not None:
        axes[0].axhline(1 - job.params.threshold, color="0.6", lw=0.7, ls=":")
    axes[2].axhline(100, color="0.6", lw=0.7, ls=":")
    axes[2].set_xticks(sorted(table.loc[table["measure"] == "retention", "at"].unique().astype(int)))
    figure.tight_layout()
    lines, names = axes[0].get_legend_handles_labels()
    figure.legend(lines, names, loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=len(names))
    style.save(figure, job.outputs, ["model", "measure", "at", "n", "value", "low", "high"], rows)
    plt.close(figure)
