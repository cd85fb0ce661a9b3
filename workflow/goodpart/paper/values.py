"""Numbers with their sampling error, and what can be said of retentions when only counts are known.

A retention is c_k / c_0, two counts of correct answers to the same n items. Where the answers themselves are
not known (the paper prints percentages), the two counts are taken as independent. Two runs of one model get
the same items right more often than that, so these intervals are too wide rather than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from goodpart.errors import GoodpartError


@dataclass(frozen=True)
class Value:
    """A number with its interval; `low` and `high` are None where nothing is known of its error.

    `exact`: it has none, as the operations of a pass, or the limit of an interval.
    """

    value: float
    low: float | None = None
    high: float | None = None
    exact: bool = False


class Missing(Exception):
    """A claim's input is not there; the message says which."""


def quantile(level: float) -> float:
    """Two-sided normal quantile of a confidence level: 1.96 at 0.95."""
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise GoodpartError(f"a confidence level lies between 0 and 1, not at {level}")
    return float(ndtri((1 + level) / 2))


def retention(percent: float, accuracy: float, n: int | None, level: float) -> Value:
    """A retention in percent with the log interval of a ratio of two independent binomial counts.

    `accuracy`: of full depth, 0 to 1. Var(log R) = (1 - p_0) / (n p_0) + (1 - p_k) / (n p_k) (Katz et al.,
    1978). Without n, or where a count is 0 (or full depth's above n), only the value is known.
    """
    skipped = accuracy * percent / 100
    if n is None or not 0 < skipped <= 1 or not 0 < accuracy <= 1:
        return Value(percent)
    variance = (1 - accuracy) / (n * accuracy) + (1 - skipped) / (n * skipped)
    factor = math.exp(quantile(level) * math.sqrt(variance))
    return Value(percent, percent / factor, percent * factor)


def retention_difference(
    first: float, second: float, accuracy: float | None, n: int | None, level: float
) -> Value:
    """Difference of two retentions in percent of one baseline, by the delta method, counts independent.

    Var(D) = (Var(p_1) + Var(p_2) + D^2 Var(p_0)) / p_0^2 with D a fraction.
    """
    found = first - second
    if n is None or accuracy is None or not 0 < accuracy <= 1:
        return Value(found)
    fractions = [accuracy * percent / 100 for percent in (first, second)]
    if not all(0 <= p <= 1 for p in fractions):
        return Value(found)
    spread = sum(p * (1 - p) for p in fractions) + (found / 100) ** 2 * accuracy * (1 - accuracy)
    half = 100 * quantile(level) * math.sqrt(spread / n) / accuracy
    return Value(found, found - half, found + half)


def no_less_than(found: Value, n: int, accuracy: float, level: float) -> Value:
    """A retention in percent, or a difference of two, with the interval that n items leave at the least.

    Where every item comes out alike, resampled items do too, and a bootstrap interval has no width. Yet none
    of n items does not rule out a share of up to 1 - (alpha / 2)^(1 / n) of all (Clopper and Pearson, 1934).
    `accuracy`: of full depth, above 0.
    """
    if found.low is None or found.high is None or found.low != found.high:
        return found
    half = 100 * (1 - ((1 - level) / 2) ** (1 / n)) / accuracy
    return Value(found.value, found.low - half, found.high + half)


def linear(terms: Sequence[tuple[float, Value]]) -> Value:
    """Sum of factor x value over independent values, its interval recovered from theirs.

    MOVER (Zou, Huang and Zhang, 2009): the distances to the limits are added in squares. Without an interval
    if any value lacks one.
    """
    total = sum(factor * one.value for factor, one in terms)
    below = above = 0.0
    for factor, one in terms:
        if one.low is None or one.high is None:
            return Value(total)
        down, up = factor * (one.value - one.low), factor * (one.high - one.value)
        below += (down if factor > 0 else up) ** 2
        above += (up if factor > 0 else down) ** 2
    return Value(total, total - math.sqrt(below), total + math.sqrt(above))


def mean(values: Sequence[Value]) -> Value:
    """Mean of independent values with its interval."""
    return linear([(1 / len(values), one) for one in values])
