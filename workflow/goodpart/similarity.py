"""Similarities and norms of hidden states (section 2 of the paper), in float32.

A zero vector has cosine 0 with everything, so that no table holds a NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def norms(hidden: Floats) -> Floats:
    """l2 norms [...] of hidden states [..., D]."""
    hidden = np.asarray(hidden, dtype=np.float32)
    return np.sqrt(np.einsum("...d,...d->...", hidden, hidden))


def cosine(a: Floats, b: Floats) -> Floats:
    """Cosine [...] between vectors of a and b [..., D], within [-1, 1]; 0 where either is zero."""
    a, b = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    product = norms(a) * norms(b)
    dot = np.einsum("...d,...d->...", a, b)
    safe = np.where(product > 0, product, 1)
    return np.clip(np.where(product > 0, dot / safe, 0), -1, 1).astype(np.float32)


def layer_cosine(before: Floats, after: Floats) -> Floats:
    """Cosine [T] between the input and the output [T, D] of one layer, a token at a time."""
    return cosine(before, after)


def relative_update(before: Floats, after: Floats) -> Floats:
    """|after - before| / |before| [T] of one layer's input and output [T, D]; 0 for a zero input."""
    size = norms(before)
    return np.where(size > 0, norms(after - before) / np.where(size > 0, size, 1), 0).astype(np.float32)


def token_cosine(hidden: Floats) -> Floats:
    """Cosine [T - 1] between the states [T, D] of consecutive tokens at one depth."""
    return cosine(hidden[:-1], hidden[1:])


def without_strongest_channel(hidden: Floats) -> Floats:
    """States [T, D - 1] without the channel of the largest mean magnitude.

    A channel shared by all tokens that holds a fraction f of the squared norm forces cosines of about f.
    """
    return np.delete(hidden, int(np.abs(hidden).mean(0).argmax()), axis=1)


def pooled(values: Floats, prompts: NDArray, layers: NDArray, total: int) -> NDArray[np.float64]:
    """Mean similarity [L] of each layer: over a prompt's tokens first, then over prompts.

    `values`, `prompts` (any labels) and `layers` are parallel [N]; `total` is L. A layer without a value
    is NaN.
    """
    names, prompt = np.unique(prompts, return_inverse=True)
    cell = prompt * total + layers
    size = len(names) * total
    count = np.bincount(cell, minlength=size)
    total_value = np.bincount(cell, weights=values.astype(np.float64), minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (total_value / count).reshape(len(names), total)
    return means.mean(0)
