"""A skip set from a file, written by hand or edited from an earlier run."""

from __future__ import annotations

from typing import Any

from goodpart.policies import Choice, choice_of

NEEDS = "file"
SETTINGS: dict[str, Any] = {"path": None}


def choose(layers: list[int], k: int, settings: dict[str, Any]) -> Choice:
    """The layers that the file lists, unchanged. `settings["path"]` may contain {model} and {k}."""
    return choice_of(layers, k, f"{settings['path']} has {len(layers)} layers")
