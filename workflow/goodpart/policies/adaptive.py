"""Layers that change in the course of denoising, at the average cost of a static set.

The paper's future work. A phase is a range of the masked share: denoising starts in phase 0, all masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodpart.policies import Choice, found, neighbours

NEEDS = "phases"
SETTINGS = {
    "phases": 4,
    "uneven": False,
    "threshold": 0.95,
    "adjacent": False,
    "positions": "all",
    "protected": [],
}


def choose(similarities: Sequence[Sequence[float]], k: int, settings: dict[str, Any]) -> list[Choice]:
    """For each phase the layers to skip: Algorithm 1 over all (phase, layer) pairs at once.

    similarities [P][L]. Pairs are taken by falling similarity until there are k times P of them, at most k in
    a phase: then every step costs what it costs under a static set, however early a completion ends. With
    `uneven` at most 2 k, and never all, so that more similar phases give more layers, k on average over all
    steps. `threshold`, `adjacent` and `protected` as for Algorithm 1, within a phase. Equal ones go to the
    earlier phase, then to the lower layer.
    """
    phases, layers = len(similarities), len(similarities[0])
    most = min(2 * k, layers - 1) if settings["uneven"] else k
    order = sorted(
        ((p, j) for p in range(phases) for j in range(layers)),
        key=lambda at: (-similarities[at[0]][at[1]], at),
    )
    chosen: list[set[int]] = [set() for _ in range(phases)]
    for p, j in order:
        if sum(map(len, chosen)) == k * phases:
            break
        near = not settings["adjacent"] and neighbours(j) & chosen[p]
        allowed = similarities[p][j] >= settings["threshold"] and j not in settings["protected"]
        if allowed and not near and len(chosen[p]) < most:
            chosen[p].add(j)
    total = sum(map(len, chosen))
    why = f"{total} of {k * phases} (phase, layer) pairs were found: see threshold, adjacent and protected"
    # An uneven phase may have fewer than k by design; only fewer in all need a reason.
    return [
        found(c, k, why if total < k * phases else "", s) for c, s in zip(chosen, similarities, strict=True)
    ]
