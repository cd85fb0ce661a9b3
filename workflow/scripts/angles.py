"""Angular distances between all depths in the first pass over each calibration prompt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goodpart.jobs.job import Job
from goodpart.states.first_pass import measure
from goodpart.states.pooling import ANGLES_SCHEMA

if TYPE_CHECKING:
    from goodpart.states.first_pass import FirstPass


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


def angle_rows(item: dict[str, Any], batch: FirstPass, row: int) -> Iterator[dict[str, Any]]:
    """Rows of ANGLES_SCHEMA of one prompt: depths d <= e, kinds of position, and the prompt's last."""
    kinds = {kind: positions[row].cpu().numpy() for kind, positions in batch.positions.items()}
    exists = kinds["prompt"] | kinds["masked"]
    hidden = np.stack([state[row].float().cpu().numpy()[exists] for state in batch.states])
    angles = angular_distances(hidden)
    chosen = {"all": np.ones(len(angles), bool), **{kind: at[exists] for kind, at in kinds.items()}}
    chosen["last"] = np.arange(len(angles)) == np.flatnonzero(chosen["prompt"])[-1]
    for kind, where in chosen.items():
        if where.any():
            mean = angles[where].mean(0)
            for depth, later in zip(*np.triu_indices(len(mean)), strict=True):
                yield {
                    "prompt_id": item["item_id"],
                    "kind": kind,
                    "depth": int(depth),
                    "later": int(later),
                    "angle": float(mean[depth, later]),
                }


def main(job: Job) -> None:
    """Write one file a benchmark."""
    measure(job, ANGLES_SCHEMA, angle_rows, "angles")
