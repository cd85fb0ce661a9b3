"""Profiles of one model's hidden states by depth, with bootstrap resamples of the prompts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goodpart.evaluation.intervals import percentile_interval, resampling
from goodpart.evaluation.paper.values import Missing, Value

Floats = NDArray[np.float64]
RESAMPLES = 2000


@dataclass(frozen=True)
class Profile:
    """Measures [N, L] of N prompts after each of L layers, averaged over the captured denoising steps.

    `layer`: cosine of a layer's input and output. `token`: cosine of consecutive tokens over all positions.
    `spread`: its standard deviation over positions. `decoded`: cosine of decoded neighbours. `slope`: its
    slope along the completion. `median`, `largest`: median and largest l2 norm. `by_step` [S, L]: the
    layer-wise cosine of each captured step, averaged over prompts.
    """

    column: str
    prompts: tuple[tuple[int, str], ...]  # number of the benchmark, prompt
    measures: dict[str, Floats]
    by_step: Floats

    @property
    def layers(self) -> int:
        """Number of layers L."""
        return self.by_step.shape[1]

    def drawn(self, measure: str) -> tuple[Floats, Floats]:
        """Mean over prompts [1, L], and over bootstrap resamples of the prompts [R, L].

        Profiles with the same number of prompts share the draws, so that differences of models are paired.
        Raises Missing if no prompt has the measure.
        """
        values = self.measures[measure]
        known = np.isfinite(values).all(1)
        if not known.any():
            raise Missing(f"{measure} of {self.column}")
        values = values[known]
        weights = resampling([len(values)], RESAMPLES) / len(values)
        return values.mean(0, keepdims=True), weights @ values


def estimate(statistic: Callable[..., Floats], level: float, *of: tuple[Profile, str]) -> Value:
    """`statistic` of mean measures [R, L], with its interval; one argument per (profile, measure)."""
    pairs = [profile.drawn(measure) for profile, measure in of]
    value = float(statistic(*(point for point, _ in pairs))[0])
    low, high = percentile_interval(np.asarray(statistic(*(draws for _, draws in pairs))), level)
    return Value(value, low, high)


def early(x: Floats) -> Floats:
    """Mean over the first half of the layers [R], of x [R, L]."""
    return x[:, : x.shape[1] // 2].mean(1)


def late(x: Floats) -> Floats:
    """Mean over the second half of the layers [R], of x [R, L]."""
    return x[:, x.shape[1] // 2 :].mean(1)


def distance(x: Floats, y: Floats, points: int = 101) -> Floats:
    """Root mean square difference [R] of two profiles [R, L] and [R, M] over relative depth."""
    a, b = (_at_relative_depth(z, points) for z in (x, y))
    return np.sqrt(((a - b) ** 2).mean(1))


def _at_relative_depth(x: Floats, points: int) -> Floats:
    at = np.linspace(0, x.shape[1] - 1, points)
    below = np.minimum(at.astype(int), x.shape[1] - 2)
    share = at - below
    return x[:, below] * (1 - share) + x[:, below + 1] * share
