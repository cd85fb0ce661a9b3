"""Skip sets that change during denoising, at the average cost of a static set (future work in the paper).

A phase is a range of mask ratios. Denoising starts in phase 0, with all positions masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodpart.policies import Choice, choice_of, neighbours

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

    similarities [P][L]. Takes pairs in the order of falling similarity until there are k times P of them, at
    most k per phase. Every step then costs the same as with a static set, however early a completion ends.
    With `uneven`, a phase can have up to 2 k layers (never all), so that phases with higher similarities skip
    more layers; the average over all steps is k. `threshold`, `adjacent` and `protected` apply within a
    phase, as in Algorithm 1. Ties go to the earlier phase, then to the lower layer.
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
    why = f"only {total} of {k * phases} (phase, layer) pairs satisfy threshold, adjacent and protected"
    # A phase may have fewer than k by design with `uneven`; only a smaller total needs a reason.
    return [
        choice_of(c, k, why if total < k * phases else "", s)
        for c, s in zip(chosen, similarities, strict=True)
    ]
