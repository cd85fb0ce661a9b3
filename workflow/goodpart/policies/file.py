"""A skip set of your own: a file, written by hand or by an earlier run and edited."""

from __future__ import annotations

from typing import Any

from goodpart.policies import Choice, found

NEEDS = "file"
SETTINGS: dict[str, Any] = {"path": None}


def choose(layers: list[int], k: int, settings: dict[str, Any]) -> Choice:
    """The layers of the file, as they are; `settings["path"]` may hold {model} and {k}."""
    return found(layers, k, f"{settings['path']} has {len(layers)} layers")
