"""Figure 14: token-wise cosine similarity at every layer of Dream."""

from __future__ import annotations

from pathlib import Path

from goodpart.figures.measured import Measured, main
from goodpart.figures.token_grid import draw_layers


def draw(measured: Measured, outputs: list[Path]) -> None:
    """Draw one panel per layer."""
    draw_layers(measured, "Figure 14", "dream", outputs)


if __name__ == "__main__":
    main(draw, __doc__)
