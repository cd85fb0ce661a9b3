"""Figure 4: layer-wise cosine similarity by token position, decoding limited to the first tokens."""

from __future__ import annotations

from pathlib import Path

from goodpart.evaluation.drawing.layer_map import draw_map
from goodpart.evaluation.drawing.selection import Measured


def draw(measured: Measured, outputs: list[Path]) -> None:
    """Draw the limited window."""
    draw_map(measured, "limited", "Figure 4", outputs)
