"""Figure 13: token-wise cosine similarity at every layer of LLaDA."""

from __future__ import annotations

from pathlib import Path

from goodpart.evaluation.drawing.selection import FigureData, draw_job
from goodpart.evaluation.drawing.token_grid import draw_layers
from goodpart.jobs.job import Job


def draw(measured: FigureData, outputs: list[Path]) -> None:
    """Draw one panel per layer."""
    draw_layers(measured, "Figure 13", "llada", outputs)


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    draw_job(job, draw)
