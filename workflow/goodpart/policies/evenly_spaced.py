"""Evenly spaced layers: a control."""

from __future__ import annotations

from typing import Any

from goodpart.policies import Choice, candidates, choice_of

NEEDS = "layers"
SETTINGS: dict[str, Any] = {"protected": []}


def choose(layers: int, k: int, settings: dict[str, Any]) -> Choice:
    """Split the unprotected layers into k equal parts and take the middle of each."""
    free = candidates(layers, settings)
    n = min(k, len(free))
    return choice_of(
        (free[(2 * i + 1) * len(free) // (2 * n)] for i in range(n)), k, "the others are protected"
    )
