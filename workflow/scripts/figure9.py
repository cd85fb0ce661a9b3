"""Figure 9: token-wise cosine similarity at layers 0 to 7."""

from __future__ import annotations

from pathlib import Path

from goodpart.evaluation.drawing.selection import FigureData, draw_job
from goodpart.evaluation.drawing.token_grid import draw_blocks
from goodpart.jobs.job import Job


def draw(measured: FigureData, outputs: list[Path]) -> None:
    """A grid of eight layers by models."""
    draw_blocks(measured, "Figure 9", range(0, 8), ("full",), outputs)


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    draw_job(job, draw)
