"""pass@k: the unbiased estimate of Chen et al. (2021), in exact fractions."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import comb

from goodpart.errors import GoodpartError


def pass_at_k(n: int, correct: int, k: int) -> Fraction:
    """Chance that at least one of k samples, drawn from n of which `correct` pass, passes.

    1 - C(n - correct, k) / C(n, k). Raises GoodpartError for k above n, where it is not defined (neither
    0 nor 1), for k below 1, and for counts that no n samples give.
    """
    if not 0 <= correct <= n:
        raise GoodpartError(f"{correct} of {n} samples cannot be correct")
    if not 1 <= k <= n:
        raise GoodpartError(f"pass@{k} is not defined for {n} samples an item: give k from 1 to {n}")
    return 1 - Fraction(comb(n - correct, k), comb(n, k))


def mean_pass_at_k(counts: Iterable[tuple[int, int]], k: int) -> Fraction:
    """Mean over items of pass@k, from (samples, correct) of each; not the pass@k of the pooled counts.

    Raises GoodpartError when there is no item, or when any has fewer than k samples.
    """
    values = [pass_at_k(n, correct, k) for n, correct in counts]
    if not values:
        raise GoodpartError(f"pass@{k} of no items is not defined")
    return sum(values, Fraction()) / len(values)
