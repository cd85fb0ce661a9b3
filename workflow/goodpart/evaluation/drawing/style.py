"""The style of all figures: sizes of a paper column, and one colour-blind safe colour per model."""

from __future__ import annotations

import csv
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodpart.jobs.files import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 6.75  # inches: the width of both columns of a two-column paper
# Okabe and Ito's palette. The paper's models have fixed colours; other models get the rest in order.
PAPER_COLOURS = {
    "LLaDA-Instruct": "#0072B2",
    "Dream-Base": "#009E73",
    "Dream-Instruct": "#E69F00",
    "Qwen2.5": "#D55E00",
}
SMALL = 6.5  # points: size of titles and ticks in a grid of many panels
OTHER_COLOURS = ("#CC79A7", "#56B4E9", "#000000", "#F0E442")


def use() -> None:
    """Set seaborn's and matplotlib's defaults; call this before making a figure."""
    import matplotlib as mpl

    mpl.use("Agg")
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it logs every font that it subsets
    import seaborn as sns

    sns.set_theme(
        context="paper",
        style="ticks",
        font_scale=0.85,
        rc={
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.dpi": 100,
            "savefig.dpi": 300,
            "legend.frameon": False,
            "lines.linewidth": 1.3,
            "pdf.fonttype": 42,
            "svg.hashsalt": "goodpart",
        },
    )


def colours(columns: dict[str, str | None]) -> dict[str, str]:
    """One colour per model. `columns`: model -> the paper's column, or None."""
    rest = iter(OTHER_COLOURS * len(columns))
    return {model: PAPER_COLOURS.get(column or "") or next(rest) for model, column in columns.items()}


def error_bars(value: Sequence[float], low: Sequence[float], high: Sequence[float]) -> list[list[float]]:
    """Lengths of the bars below and above values [N] for matplotlib, which takes no negative ones.

    A limit may lie on the wrong side of its value by a rounding error.
    """
    return [
        [max(0.0, v - a) for v, a in zip(value, low, strict=True)],
        [max(0.0, b - v) for v, b in zip(value, high, strict=True)],
    ]


def save(
    figure: Figure,
    outputs: Sequence[Path],
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    note: str = "",
) -> None:
    """Write a figure to its PDF and PNG, the plotted numbers to its CSV, and `note` to its Markdown file.

    A note says what the paper's caption does not specify, and what this figure does instead.
    """
    for path in outputs:
        with written(path) as partial:
            if path.suffix == ".csv":
                with partial.open("w", newline="", encoding="utf-8") as file:
                    writer = csv.writer(file, lineterminator="\n")
                    writer.writerow(header)
                    writer.writerows(rows)
            elif path.suffix == ".md":
                partial.write_text(f"{note.strip()}\n", encoding="utf-8")
            else:
                # Without a date, the same numbers give the same bytes.
                stamp = {"CreationDate": None} if path.suffix == ".pdf" else None
                figure.savefig(partial, format=path.suffix[1:], metadata=stamp, bbox_inches="tight")


def legend_above(figure: Figure, axis: Axes) -> None:
    """Put the legend of one panel above the whole figure, where it hides no lines."""
    lines, names = axis.get_legend_handles_labels()
    figure.legend(lines, names, loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=min(len(names), 5))
