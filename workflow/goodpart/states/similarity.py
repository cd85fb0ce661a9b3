"""Similarities and norms of hidden states (section 2 of the paper), in float32.

Every function takes numpy arrays and torch tensors alike, so that states are measured where they are: in the
cache's arrays, or on the device of the model that makes them. A zero vector, and nothing else, has by
definition cosine 0 with everything and a relative update of 0; states that are not finite give NaN.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
TINY, HUGE = 1e-26, 1e34  # squared norms outside are computed again, of scaled vectors
_BEYOND = np.errstate(over="ignore", invalid="ignore")  # what leaves the range is computed again, or is NaN
TOKENS = 32  # positions whose states of all depths are taken at a time: some megabytes


def _library(array: Any) -> Any:
    """numpy or torch, whichever made the array."""
    return np if isinstance(array, np.ndarray) else sys.modules["torch"]


def _dot(a: Any, b: Any) -> Any:
    """Inner products [...] of vectors [..., D]."""
    return np.vecdot(a, b) if isinstance(a, np.ndarray) else (a * b).sum(-1)


def _cosine(dot: Any, square_a: Any, square_b: Any) -> Any:
    """Cosine, within [-1, 1], from inner products and squared norms; 0 where a norm is 0, else NaN stays."""
    library = _library(dot)
    product = library.sqrt(square_a) * library.sqrt(square_b)
    zero = (square_a == 0) | (square_b == 0)
    return library.clip(library.where(zero, 0, dot / library.where(zero, 1, product)), -1, 1)


def _leaves_range(square: Any) -> bool:
    """Whether float32 may have lost a squared norm: to 0, to infinity, or to a few digits."""
    return bool(((square < TINY) | (square > HUGE)).any())


def _scaled(hidden: Any) -> tuple[Any, Any]:
    """Vectors [..., D] divided by their largest value, and that [...]; 1 for a zero vector."""
    library = _library(hidden)
    peak = library.amax(library.abs(hidden), -1)
    peak = library.where(peak == 0, 1, peak)
    return hidden / peak[..., None], peak


@_BEYOND
def norms(hidden: Any) -> Any:
    """l2 norms [...] of hidden states [..., D]."""
    square = _dot(hidden, hidden)
    if _leaves_range(square):
        hidden, peak = _scaled(hidden)
        return peak * _library(hidden).sqrt(_dot(hidden, hidden))
    return _library(hidden).sqrt(square)


@_BEYOND
def cosine(a: Any, b: Any) -> Any:
    """Cosine [...] between vectors of a and b [..., D], within [-1, 1]; 0 where either is zero."""
    square_a, square_b = _dot(a, a), _dot(b, b)
    if _leaves_range(square_a) or _leaves_range(square_b):
        a, b = _scaled(a)[0], _scaled(b)[0]
        square_a, square_b = _dot(a, a), _dot(b, b)
    return _cosine(_dot(a, b), square_a, square_b)


def _ratio(change: Any, size: Any) -> Any:
    """change / size; 0 where the size is 0."""
    library = _library(size)
    return library.where(size == 0, 0, change / library.where(size == 0, 1, size))


def strongest_channel(hidden: Any) -> int:
    """The channel of states [T, D] that holds the largest share of their squared norm."""
    if isinstance(hidden, np.ndarray):
        return int(np.einsum("td,td->d", hidden, hidden).argmax())
    return int((hidden * hidden).sum(0).argmax())


def _token_products(hidden: Any) -> tuple[Any, Any, Any]:
    """Of states [T, D]: the strongest channel [T]; without it, squared norms [T] and dots of neighbours."""
    if _leaves_range(_dot(hidden, hidden)):
        channel = strongest_channel(hidden / _scaled(hidden.reshape(-1))[1])
        hidden, _ = _scaled(hidden)
    else:
        channel = strongest_channel(hidden)
    left, right = hidden[:, :channel], hidden[:, channel + 1 :]
    square = _dot(left, left) + _dot(right, right)
    return hidden[:, channel], square, _dot(left[:-1], left[1:]) + _dot(right[:-1], right[1:])


@_BEYOND
def token_cosines(hidden: Any) -> tuple[Any, Any]:
    """Cosines [..., T - 1] of consecutive tokens' states [..., T, D] at each depth; also without one channel.

    A channel shared by all tokens that holds a fraction f of the squared norm forces cosines of about f, so
    the second leaves out the strongest channel of each depth.
    """
    if hidden.ndim == 2:
        strongest, square, dot = _token_products(hidden)
    else:
        parts = zip(*map(_token_products, hidden), strict=True)
        strongest, square, dot = (_library(hidden).stack(part) for part in parts)
    without = _cosine(dot, square[..., :-1], square[..., 1:])
    square = square + strongest * strongest
    dot = dot + strongest[..., :-1] * strongest[..., 1:]
    return _cosine(dot, square[..., :-1], square[..., 1:]), without


def angular_distance(cosines: Any) -> Any:
    """arccos(cosine) / pi, in [0, 1]: 0 for equal directions, 0.5 for orthogonal ones and zero vectors."""
    return _library(cosines).arccos(cosines) / np.pi


@dataclass(frozen=True)
class StepSimilarities:
    """What the states of one step hold: P = L + 1 depths, T positions; numpy, float32."""

    norms: Floats  # [P, T]
    updates: Floats  # [L, T], of layer l: depth l to depth l + 1
    depth_cosines: Floats  # [T, P, P], of every depth with every other, a token at a time
    token_cosines: Floats  # [P, T - 1]
    token_cosines_without_strongest: Floats  # [P, T - 1]

    @property
    def layer_cosines(self) -> Floats:
        """Cosine [L, T] between the input and the output of each layer (the S of Algorithm 1)."""
        return np.diagonal(self.depth_cosines, 1, axis1=1, axis2=2).T


@_BEYOND
def step_similarities(hidden: Any) -> StepSimilarities:
    """Everything of one step's states [L + 1, T, D], float32."""
    library = _library(hidden)
    sizes, cosines, updates = [], [], []
    for first in range(0, hidden.shape[1], TOKENS):
        part = hidden[:, first : first + TOKENS]
        by_token = part.swapaxes(0, 1)  # [tokens, P, D]
        products = by_token @ by_token.swapaxes(1, 2)
        square = library.diagonal(products, 0, 1, 2)  # [tokens, P]
        sizes.append(_array(library.sqrt(square) if not _leaves_range(square) else norms(by_token)))
        if _leaves_range(square):
            scaled, _ = _scaled(by_token)
            products = scaled @ scaled.swapaxes(1, 2)
            square = library.diagonal(products, 0, 1, 2)
        cosines.append(_array(_cosine(products, square[:, :, None], square[:, None, :])))
        change = [norms(after - before) for before, after in pairwise(part)]
        updates.append(np.stack([_array(values) for values in change]))
    size = np.concatenate(sizes).T
    with_all, without = token_cosines(hidden)
    return StepSimilarities(
        norms=size,
        updates=_ratio(np.concatenate(updates, axis=1), size[:-1]),
        depth_cosines=np.concatenate(cosines),
        token_cosines=_array(with_all),
        token_cosines_without_strongest=_array(without),
    )


def _array(values: Any) -> Floats:
    return values if isinstance(values, np.ndarray) else values.cpu().numpy()


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
