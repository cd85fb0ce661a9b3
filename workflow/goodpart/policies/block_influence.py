"""Block Influence (ShortGPT; Men et al., 2024): the layers that change their input least, adjacent or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodpart.policies import Choice, candidates, choice_of

NEEDS = "similarities"
POOLING = "tokens"
SETTINGS = {"positions": "prompt", "protected": []}


def choose(similarities: Sequence[float], k: int, settings: dict[str, Any]) -> Choice:
    """The k layers with the smallest influence: 1 - mean cosine of input and output, over all tokens.

    similarities: the mean cosine [L]. As in the original paper, there is no threshold and no rule for
    adjacent layers. Ties go to the lower layer.
    """
    order = sorted(candidates(len(similarities), settings), key=lambda j: (-similarities[j], j))
    return choice_of(order[:k], k, "all other layers are protected", similarities)
