"""Random layers, without adjacent ones unless allowed: the baseline for all other policies."""

from __future__ import annotations

import random
from typing import Any

from goodpart.policies import Choice, candidates, choice_of, neighbours

NEEDS = "layers"
SETTINGS = {"seed": 0, "adjacent": False, "protected": []}


def choose(layers: int, k: int, settings: dict[str, Any]) -> Choice:
    """k random layers out of `layers`; every allowed set is equally likely. Fewer if no set of k exists.

    The draw is exact and needs no rejection: it counts the allowed sets from the last layer backwards, and
    then draws layer by layer from the first.
    """
    free = set(candidates(layers, settings))
    gap = 1 if settings["adjacent"] else 2
    # ways[n][j]: number of allowed sets of n layers among the layers j, j + 1, ...
    ways = [[1] * (layers + 2)] + [[0] * (layers + 2) for _ in range(k)]
    for n in range(1, k + 1):
        for j in range(layers - 1, -1, -1):
            ways[n][j] = ways[n][j + 1] + (ways[n - 1][min(j + gap, layers + 1)] if j in free else 0)
    size = max(n for n in range(k + 1) if ways[n][0])
    drawn, chosen, j = random.Random(f"{settings['seed']} {size}"), set(), 0
    while len(chosen) < size:
        left = size - len(chosen)
        with_j = ways[left - 1][min(j + gap, layers + 1)] if j in free else 0
        if drawn.randrange(ways[left][j]) < with_j:
            chosen.add(j)
            j += gap
        else:
            j += 1
    assert settings["adjacent"] or not any(neighbours(layer) & chosen for layer in chosen)
    return choice_of(chosen, k, f"no set of {k} layers avoids protected and adjacent layers")
