"""Algorithm 1 of the paper: greedy choice by similarity, above a threshold, without adjacent layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodpart.policies import Choice, choice_of, neighbours

NEEDS = "similarities"
SETTINGS = {"threshold": 0.95, "adjacent": False, "positions": "prompt", "protected": []}


def choose(similarities: Sequence[float], k: int, settings: dict[str, Any]) -> Choice:
    """The layers that Algorithm 1 skips.

    similarities: S[j], the mean cosine of depths j and j + 1, which are the input and output of layer j. The
    paper's "add 1" refers to the same layer j in 1-based numbers. k: n_max. settings: `threshold` (tau),
    `adjacent` (whether both of two adjacent layers may be chosen), `protected` (layers never chosen). Ties go
    to the lower layer.
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
    rule = "" if adjacent else ", and adjacent layers may not both be skipped"
    reason = f"{above} of {len(similarities)} layers have a similarity of at least {threshold:g}{rule}"
    return choice_of(chosen, k, reason, similarities)
