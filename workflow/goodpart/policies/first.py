"""The first layers: a control."""

from __future__ import annotations

from typing import Any

from goodpart.policies import Choice, candidates, choice_of

NEEDS = "layers"
SETTINGS: dict[str, Any] = {"protected": []}


def choose(layers: int, k: int, settings: dict[str, Any]) -> Choice:
    """The first k of `layers` that are not protected."""
    return choice_of(candidates(layers, settings)[:k], k, "all other layers are protected")
