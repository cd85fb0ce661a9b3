"""Angular distances between all depths at the first denoising step, from cached hidden states."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goodpart.errors import GoodpartError
from goodpart.hidden_cache import KINDS, read_steps
from goodpart.measures import ANGLES_SCHEMA
from goodpart.parquet import provenance, write_rows
from goodpart.runtime import parser, progress, run


def angular_distances(hidden: NDArray[np.float32]) -> NDArray[np.float64]:
    """arccos(cosine) / pi [T, L + 1, L + 1] between the depths of each position, from states [L + 1, T, D].

    Between 0 and 1 (Gromov et al., 2024, equation 7); a zero vector is at a right angle to everything.
    """
    states = hidden.astype(np.float64).transpose(1, 0, 2)
    sizes = np.linalg.norm(states, axis=-1, keepdims=True)
    unit = states / np.where(sizes > 0, sizes, 1)
    cosines = np.clip(unit @ unit.transpose(0, 2, 1), -1, 1)
    depths = np.arange(len(hidden))
    cosines[:, depths, depths] = 1
    return np.arccos(cosines) / np.pi


def prompt_angles(file: Path) -> Iterator[dict[str, Any]]:
    """Rows of ANGLES_SCHEMA of one prompt: depths d <= e, kinds of position, and the prompt's last."""
    states = next(read_steps([file]), None)
    if states is None or states.step > 0:
        raise GoodpartError(f"{file}: no states at step 0; let capture.steps begin with 0")
    angles = angular_distances(states.hidden)
    kinds = states.kinds
    is_prompt = kinds == KINDS.index("prompt")
    chosen = {"all": np.ones(len(kinds), bool), "prompt": is_prompt, "masked": kinds == KINDS.index("masked")}
    chosen["last"] = np.arange(len(kinds)) == np.flatnonzero(is_prompt)[-1]
    for kind, where in chosen.items():
        if where.any():
            mean = angles[where].mean(0)
            for depth, later in zip(*np.triu_indices(len(mean)), strict=True):
                yield {
                    "prompt_id": states.prompt_id,
                    "kind": kind,
                    "depth": int(depth),
                    "later": int(later),
                    "angle": float(mean[depth, later]),
                }


def main(arguments: argparse.Namespace) -> None:
    """Write the angles of all cached prompts of a benchmark."""
    files = sorted(arguments.hidden_states.glob("*.parquet"))
    if not files:
        raise GoodpartError(f"{arguments.hidden_states}: no cached hidden states; rerun hidden_states")
    rows = [row for file in progress(files, "angles") for row in prompt_angles(file)]
    write_rows(arguments.output, rows, ANGLES_SCHEMA, provenance())


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--hidden-states", type=Path, required=True, help="folder of cached states")
    options.add_argument("--output", type=Path, required=True)
    run(main, options.parse_args())
