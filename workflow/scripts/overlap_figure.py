"""Agreement of skip sets by k: Jaccard indices of prompts, benchmarks and models, compared with chance."""

from __future__ import annotations

from goodpart.evaluation.drawing import style
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_table

# kind in overlap.parquet -> label, marker
PROMPTS = {
    "same benchmark": ("same benchmark", "o"),
    "other benchmark": ("other benchmark", "s"),
    "pooled": ("with the pooled set", "^"),
    "chance": ("chance", "_"),
}


def main(job: Job) -> None:
    """Draw the agreement of prompts (left), and of the pooled sets of benchmarks and models (right)."""
    columns: dict[str, str | None] = job.params.models
    table = read_table(job.input.overlap).to_pandas()
    ks = sorted(table["k"].unique())
    style.use()
    import matplotlib.pyplot as plt

    palette = style.colours(columns)
    figure, axes = plt.subplots(1, 2, figsize=(style.WIDE, 2.6), sharey=True, width_ratios=[1.7, 1])
    slots = len(columns) * len(PROMPTS) + len(columns)
    for i, (model, column) in enumerate(columns.items()):
        own = table[table["model"] == model].set_index("k")
        for j, (kind, (_, marker)) in enumerate(PROMPTS.items()):
            part = own[own["kind"] == kind]
            x = [ks.index(k) + 0.85 * ((i * (len(PROMPTS) + 1) + j + 1) / slots - 0.5) for k in part.index]
            colour = "0.5" if kind == "chance" else palette[model]
            axes[0].plot(x, part["jaccard"], ls="", marker=marker, ms=3.2, color=colour)
            if kind != "chance":
                axes[0].vlines(x, part["low"].astype(float), part["high"].astype(float), color=colour, lw=0.8)
        part = own[own["kind"] == "benchmarks"]
        x = [ks.index(k) + 0.14 * (i - (len(columns) - 1) / 2) for k in part.index]
        axes[1].plot(
            x,
            part["jaccard"],
            ls="",
            marker="D",
            ms=3,
            color=palette[model],
            alpha=0.5,
            label=column or model,
        )
    pairs = table[table["kind"] == "models"]
    x = [ks.index(k) + 0.42 for k in pairs["k"]]
    axes[1].plot(x, pairs["jaccard"], ls="", marker="x", ms=4, color="0.25")
    axes[0].set_title("Sets of two prompts of one model", fontsize=8)
    axes[1].set_title("Pooled sets", fontsize=8)
    for axis in axes:
        axis.set_xticks(range(len(ks)), [f"k = {k}" for k in ks])
        axis.set_ylim(-0.03, 1.05)
    axes[0].set_ylabel("Jaccard index")
    figure.tight_layout()
    handles, names = axes[1].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", bbox_to_anchor=(0.5, 1.03), ncols=len(names))
    kinds = [
        plt.Line2D([], [], ls="", marker=marker, ms=4, color="0.4", label=label)
        for label, marker in [*PROMPTS.values(), ("two benchmarks", "D"), ("two models", "x")]
    ]
    figure.legend(handles=kinds, loc="lower center", bbox_to_anchor=(0.5, 0.96), ncols=6, columnspacing=1.2,
                  handletextpad=0.2)  # fmt: skip
    header = ["kind", "model", "other", "k", "jaccard", "low", "high", "pairs"]
    rows = [
        [
            "" if value is None else f"{value:.6f}" if isinstance(value, float) else value
            for value in row.values()
        ]
        for row in read_table(job.input.overlap, header).to_pylist()
    ]
    style.save(figure, job.outputs, header, rows)
    plt.close(figure)
