"""Whether retentions of two models can be compared: only where their skill at full depth is alike.

A model that solves everything shows no loss until much is lost, and one that solves nothing has nothing to
lose. Models of unequal skill lose items of unequal difficulty.
"""

from __future__ import annotations

from collections.abc import Mapping

LARGEST_DIFFERENCE = 0.10  # of two accuracies at full depth
MARGIN = 0.05  # distance of an accuracy from 0 and from 1
ROUNDING = 1e-9


def why_not_comparable(accuracies: Mapping[str, float]) -> str:
    """Why models with these accuracies at full depth (0..1) cannot be compared; empty where they can."""
    found = [
        f"{model} is within {MARGIN:.2f} of {round(accuracy)} at full depth ({accuracy:.2f})"
        for model, accuracy in accuracies.items()
        if not MARGIN - ROUNDING <= accuracy <= 1 - MARGIN + ROUNDING
    ]
    if accuracies and max(accuracies.values()) - min(accuracies.values()) > LARGEST_DIFFERENCE + ROUNDING:
        said = ", ".join(f"{model} {accuracy:.2f}" for model, accuracy in accuracies.items())
        found.append(f"skill at full depth differs by more than {LARGEST_DIFFERENCE:.2f}: {said}")
    return "; ".join(found)


def skill(accuracy: float, nll: float | None) -> str:
    """Skill at full depth in words: accuracy, and the likelihood of reference solutions if measured."""
    return f"{accuracy:.2f}" if nll is None else f"{accuracy:.2f}; {nll:.3f} nats"
