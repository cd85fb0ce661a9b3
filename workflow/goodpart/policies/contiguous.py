"""A contiguous block by angular distance (Gromov et al., 2024, The Unreasonable Ineffectiveness ...)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodpart.policies import Choice, candidates, choice_of

NEEDS = "angles"
SETTINGS = {"positions": "last", "protected": []}


def choose(angles: Sequence[Sequence[float]], k: int, settings: dict[str, Any]) -> Choice:
    """The k consecutive layers whose input and output are closest in angle.

    angles[d][e]: mean of arccos(cosine) / pi between depths d and e. The value of the block of layers l to
    l + k - 1 is angles[l][l + k]. The authors compare the last token of a sequence; `positions: last` takes
    the last token of the prompt. Ties go to the lowest block.
    """
    layers = len(angles) - 1
    free = set(candidates(layers, settings))
    blocks = [range(first, first + k) for first in range(layers - k + 1)]
    whole = [block for block in blocks if free.issuperset(block)]
    best = min(whole, key=lambda block: (angles[block.start][block.stop], block.start), default=range(0))
    return choice_of(best, k, f"every block of {k} consecutive layers has a protected layer")
