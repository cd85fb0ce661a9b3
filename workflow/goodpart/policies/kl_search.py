"""Greedy search on the KL divergence from the full-depth model: forward passes only, no gradients."""

from __future__ import annotations

from typing import Any

from goodpart.policies import Choice, Divergence, candidates, found, neighbours

NEEDS = "divergence"
SETTINGS = {"adjacent": True, "steps": "first", "protected": []}


def choose(divergence: Divergence, k: int, settings: dict[str, Any]) -> Choice:
    """k layers, one after the other the one whose removal, with those before, leaves the smallest KL.

    settings: `adjacent`, `protected`, and `steps`: whether the KL is taken on the canvases of the `first`
    denoising step (all masked) or of `all` captured ones. Equal ones go to the lower layer.
    """
    free = candidates(divergence.layers, settings)
    chosen: list[int] = []
    while len(chosen) < k:
        open_ = [
            layer
            for layer in free
            if layer not in chosen and (settings["adjacent"] or not neighbours(layer) & set(chosen))
        ]
        if not open_:
            break
        chosen.append(min(open_, key=lambda layer: (divergence(sorted([*chosen, layer])), layer)))
    rule = "" if settings["adjacent"] else " or adjacent to a chosen one"
    return found(chosen, k, f"all other layers are protected{rule}")
