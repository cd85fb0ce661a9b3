"""Figure 6: token-wise cosine similarity at four layers, in the limited and the full window."""

from __future__ import annotations

from pathlib import Path

from goodpart.evaluation.drawing.selection import FigureData, draw_job
from goodpart.evaluation.drawing.token_grid import draw_blocks
from goodpart.jobs.job import Job

LAYERS = (1, 8, 16, 24)  # numbered from 0, as everywhere


def draw(measured: FigureData, outputs: list[Path]) -> None:
    """Two grids of four layers by models."""
    tokens = measured.windows["limited"]["tokens"]
    more = f"The paper's limited window is 32 tokens, this one {tokens}." if tokens != 32 else ""
    draw_blocks(measured, "Figure 6", LAYERS, ("limited", "full"), outputs, more)


def main(job: Job) -> None:
    """Draw the figure and write its numbers."""
    draw_job(job, draw)
