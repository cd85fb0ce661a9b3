"""Figure 5: layer-wise cosine similarity by token position, all tokens decoded."""

from __future__ import annotations

from pathlib import Path

from goodpart.evaluation.drawing.layer_map import draw_map
from goodpart.evaluation.drawing.selection import FigureData, draw_job
from goodpart.jobs.job import Job


def draw(measured: FigureData, outputs: list[Path]) -> None:
    """Draw the full window."""
    draw_map(measured, "full", "Figure 5", outputs)


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    draw_job(job, draw)
