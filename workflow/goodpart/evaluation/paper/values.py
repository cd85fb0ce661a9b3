"""Numbers with their sampling error, and intervals of retentions when only counts are known.

A retention is c_k / c_0, the ratio of two counts of correct answers to the same n items. If the answers are
unknown (the paper prints percentages), the counts are treated as independent. Two runs of one model agree on
items more often than that, so these intervals are too wide rather than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from goodpart.errors import GoodpartError


@dataclass(frozen=True)
class Value:
    """A number with its interval; `low` and `high` are None if its error is unknown.

    `exact`: it has no error, such as the operations of a pass, or the limit of an interval.
    """

    value: float
    low: float | None = None
    high: float | None = None
    exact: bool = False


class Missing(Exception):
    """An input of a claim is missing; the message names it."""


class NotComparable(Exception):
    """The models of a contrast differ in skill, or one has nothing to lose; the message says which."""


def quantile(level: float) -> float:
    """Two-sided normal quantile of a confidence level: 1.96 for 0.95."""
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise GoodpartError(f"a confidence level lies between 0 and 1, not at {level}")
    return float(ndtri((1 + level) / 2))


def retention(percent: float, accuracy: float, n: int | None, level: float) -> Value:
    """A retention in percent with the log interval of a ratio of two independent binomial counts.

    `accuracy`: at full depth, 0 to 1. Var(log R) = (1 - p_0) / (n p_0) + (1 - p_k) / (n p_k) (Katz et al.,
    1978). Without n, or if a count is 0 (or full depth's above n), there is no interval.
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
    """Difference of two retentions of one baseline in percent, by the delta method with independent counts.

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
    """A retention in percent, or a difference of two, with the smallest interval that n items allow.

    If no verdict differs, resamples do not differ either, and a bootstrap interval has no width. But 0 of n
    items is compatible with a fraction of up to 1 - (alpha / 2)^(1 / n) (Clopper and Pearson, 1934).
    `accuracy`: at full depth, above 0.
    """
    if found.low is None or found.high is None or found.low != found.high:
        return found
    half = 100 * (1 - ((1 - level) / 2) ** (1 / n)) / accuracy
    return Value(found.value, found.low - half, found.high + half)


def linear(terms: Sequence[tuple[float, Value]]) -> Value:
    """Sum of factor x value over independent values, with an interval from theirs.

    MOVER (Zou, Huang and Zhang, 2009): the squared distances to the limits are added. The result has no
    interval if any value has none.
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
