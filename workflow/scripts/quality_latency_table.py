"""The quality-latency study as a table, with what skipping and caching come to together."""

from __future__ import annotations

from goodpart.evaluation.pages import write_forms
from goodpart.evaluation.paper.from_run import speed_ups
from goodpart.evaluation.paper.verdicts import described
from goodpart.evaluation.quality_latency import Point, points
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_metadata, read_table, read_tables

HEADER = [
    *("Model", "T", "Cache", "Layers skipped", "Batch", "Seconds a batch", "Tokens a second"),
    *("Speed-up", "Accuracy", "Retention (%)"),
]
NOTES = """
Seconds: median of the repeats with their quartiles; full depth and skipped took turns in one process,
and no other job ran. Tokens a second: of all tokens that the batch commits. Speed-up: against full
depth at the same T without a cache, with its {level:g} % interval (bootstrap over repeats). Accuracy
and retention: {n} items; retention against full depth under the same preset. A cache approximates, so
it changes completions too. Times of different models are not comparable: their kernels differ.
"""


def line(point: Point) -> list[str]:
    """One row of the table."""
    low, median, high = point.seconds
    retention = "–"
    if point.retention is not None and point.low is not None and point.high is not None:
        retention = f"{point.retention:.1f} ({point.low:.0f} to {point.high:.0f})"
    return [
        point.model,
        str(point.steps),
        point.cache,
        str(point.layers_skipped),
        str(point.batch_size),
        f"{median:.3g} ({low:.3g} to {high:.3g})",
        f"{point.tokens_per_second:.0f}",
        described(point.speed_up) if point.speed_up else "–",
        point.status if point.accuracy is None else f"{point.accuracy:.2f}",
        retention,
    ]


def main(job: Job) -> None:
    """Write the table as Markdown."""
    timings = read_tables(job.input.latency).to_pylist()
    cells = [row for file in job.input.quality for row in read_table(file).to_pylist()]
    found = points(timings, cells, job.params.level)
    grid = [HEADER, ["---"] * len(HEADER), *map(line, found)]
    lines = ["| " + " | ".join(cells) + " |" for cells in grid]
    n = ", ".join(sorted({str(point.n) for point in found if point.n is not None})) or "no"
    lines += [NOTES.format(level=100 * job.params.level, n=n)]
    for file in job.input.latency:
        made = read_metadata(file)
        lines.append(
            f"* {file.stem}: {made['device']}, {made['dtype']}, {made['threads']} thread(s), "
            f"load before: {made['load_before']:.1f}."
        )
    lines += ["", "Skipping and caching together, and the product of their speed-ups alone:", ""]
    for one in speed_ups(timings, job.params.level):
        lines.append(
            f"* {one.model}, T = {one.steps}, {one.cache} cache: skipping {described(one.skip)}, cache "
            f"{described(one.cached)}, both {described(one.both)}: {described(one.share)} of it"
        )
    write_forms({".md": "\n".join(lines) + "\n"}, job.outputs)
