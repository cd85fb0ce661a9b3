"""Greedy search for a small KL divergence from the full-depth model, with forward passes only."""

from __future__ import annotations

from typing import Any

from goodpart.policies import Choice, Divergence, candidates, choice_of, neighbours

NEEDS = "divergence"
SETTINGS = {"adjacent": True, "steps": "first", "protected": []}


def choose(divergence: Divergence, k: int, settings: dict[str, Any]) -> Choice:
    """Choose k layers one by one; each step adds the layer whose removal gives the smallest KL.

    settings: `adjacent`, `protected`, and `steps`: compute the KL on the canvases of the `first` denoising
    step (all masked), or on those of `all` captured steps. Ties go to the lower layer.
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
    return choice_of(chosen, k, f"all other layers are protected{rule}")
