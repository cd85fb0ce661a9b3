"""The last layers: a control."""

from __future__ import annotations

from typing import Any

from goodpart.policies import Choice, candidates, choice_of

NEEDS = "layers"
SETTINGS: dict[str, Any] = {"protected": []}


def choose(layers: int, k: int, settings: dict[str, Any]) -> Choice:
    """The last k of `layers` that are not protected."""
    free = candidates(layers, settings)
    return choice_of(free[max(0, len(free) - k) :], k, "all other layers are protected")
