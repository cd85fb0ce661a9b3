"""Quality against latency: accuracy by seconds per batch, full depth and skipped, for each T and cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodpart.evaluation.drawing import style
from goodpart.evaluation.intervals import wilson
from goodpart.evaluation.quality_latency import Point, points
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes


HEADER = [
    *("model", "decode", "steps", "blocks", "cache", "layers_skipped", "batch_size", "repeats"),
    *("seconds", "seconds_quarter", "seconds_three_quarters", "tokens_per_second"),
    *("speed_up", "speed_up_low", "speed_up_high", "forward_passes"),
    *("n", "accuracy", "retention", "retention_low", "retention_high", "status"),
]
MARKERS = "osD^v<>p"  # one per T


def row(point: Point) -> list[str]:
    """One row of HEADER; missing numbers are empty."""
    low, median, high = point.seconds
    speed = point.speed_up
    numbers = [
        *(median, low, high, point.tokens_per_second),
        *((speed.value, speed.low, speed.high) if speed else (None, None, None)),
    ]
    quality = [point.accuracy, point.retention, point.low, point.high]
    return [
        *(point.model, point.decode, str(point.steps), str(point.blocks), point.cache),
        *(str(point.layers_skipped), str(point.batch_size), str(point.repeats)),
        *("" if value is None else f"{value:.4g}" for value in numbers),
        str(point.forward_passes),
        "" if point.n is None else str(point.n),
        *("" if value is None else f"{value:.4f}" for value in quality),
        point.status,
    ]


def distances(point: Point, level: float) -> list[list[float]] | None:
    """Distances from an accuracy to the ends of its Wilson interval, in the form that matplotlib needs."""
    if point.accuracy is None or point.n is None:
        return None
    low, high = wilson(round(point.accuracy * point.n), point.n, level)
    return [[point.accuracy - low], [high - point.accuracy]]


def draw_points(
    axis: Axes, chosen: list[Point], palette: dict[str, str], markers: dict[int, str], level: float
) -> None:
    """The points of one model and batch size, and an arrow from full depth to skipped under each preset."""
    for point in chosen:
        if point.accuracy is None:
            continue
        low, median, high = point.seconds
        axis.errorbar(
            median,
            point.accuracy,
            yerr=distances(point, level),
            xerr=[[median - low], [high - median]],
            color=palette[point.cache],
            mfc=palette[point.cache] if point.layers_skipped else "white",
            marker=markers[point.steps],
            elinewidth=0.7,
        )
    ends: dict[str, list[Point]] = {}
    for point in chosen:
        ends.setdefault(point.decode, []).append(point)
    for pair in ends.values():
        full, short = sorted(pair, key=lambda p: p.layers_skipped)[:2] if len(pair) > 1 else (None, None)
        if full and short and full.accuracy is not None and short.accuracy is not None:
            axis.annotate(
                "",
                (short.seconds[1], short.accuracy),
                (full.seconds[1], full.accuracy),
                arrowprops={"arrowstyle": "->", "color": "0.6", "lw": 0.7},
            )


def main(job: Job) -> None:
    """Draw one panel per model and batch size, and write all numbers."""
    columns: dict[str, str | None] = job.params.models
    found = points(
        read_tables(job.input.latency).to_pylist(),
        read_tables(job.input.quality).to_pylist(),
        job.params.level,
    )
    style.use()
    import matplotlib.pyplot as plt

    sizes = sorted({point.batch_size for point in found})
    figure, axes = plt.subplots(
        len(columns), len(sizes), figsize=(style.WIDE, 2.3 * len(columns)), squeeze=False, sharey=True
    )
    markers = dict(zip(sorted({point.steps for point in found}), MARKERS * len(found), strict=False))
    caches = list(dict.fromkeys(point.cache for point in found))
    palette = dict(zip(caches, style.OTHER_COLOURS[1:] * len(caches), strict=False))
    for line, (model, column) in zip(axes, columns.items(), strict=True):
        for axis, size in zip(line, sizes, strict=True):
            chosen = [p for p in found if (p.model, p.batch_size) == (model, size)]
            draw_points(axis, chosen, palette, markers, job.params.level)
            axis.set_title(f"{column or model}, batch of {size}", fontsize=8)
            axis.set_ylim(-0.03, 1.03)
            axis.set_xlabel("Seconds per batch")
            axis.locator_params(axis="x", nbins=5)
        line[0].set_ylabel("Accuracy")
    grey = {"color": "0.25", "lw": 0}
    keys = [plt.Line2D([], [], marker=m, mfc="white", label=f"T = {t}", **grey) for t, m in markers.items()]
    keys += [
        plt.Line2D([], [], color=c, lw=2, label=f"{'no' if cache == 'none' else cache} cache")
        for cache, c in palette.items()
    ]
    keys += [plt.Line2D([], [], marker="o", mfc="white", label="full depth", **grey)]
    keys += [plt.Line2D([], [], marker="o", label="skipped", **grey)]
    figure.tight_layout()
    figure.legend(handles=keys, loc="lower center", bbox_to_anchor=(0.5, 0.99), ncols=len(keys))
    style.save(figure, job.outputs, HEADER, [row(point) for point in found])
    plt.close(figure)
