"""Algorithm 1 of the paper: greedy by similarity, no two adjacent layers, above a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodpart.policies import Choice, found, neighbours

NEEDS = "similarities"
SETTINGS = {"threshold": 0.95, "adjacent": False, "positions": "prompt", "protected": []}


def choose(similarities: Sequence[float], k: int, settings: dict[str, Any]) -> Choice:
    """The layers that Algorithm 1 skips.

    similarities: S[j], mean cosine between depths j and j + 1, that is of layer j's input and output;
    the layer that the paper's "add 1" names is this layer j in 1-based numbers. k: n_max. settings:
    `threshold` (tau), `adjacent` (whether adjacent layers may both go), `protected` (never chosen).
    Equal similarities go to the lower layer.
    """
    threshold, adjacent = settings["threshold"], settings["adjacent"]
    order = sorted(range(len(similarities)), key=lambda j: (-similarities[j], j))
    chosen: set[int] = set()
    for j in order:
        if len(chosen) == k:
            break
        near = not adjacent and neighbours(j) & chosen
        if similarities[j] >= threshold and j not in settings["protected"] and not near:
            chosen.add(j)
    above = sum(s >= threshold for s in similarities)
    rule = "" if adjacent else " and no two adjacent ones may go"
    reason = f"{above} of {len(similarities)} layers have a similarity of at least {threshold:g}{rule}"
    return found(chosen, k, reason, similarities)
