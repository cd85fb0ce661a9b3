"""Uncertainty by the bootstrap: over items in pairs, over prompts, over strata."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def retention_interval(
    baseline: Floats, skipped: Floats, level: float, resamples: int, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of 100 x accuracy(skipped) / accuracy(baseline), items resampled in pairs.

    `baseline`, `skipped`: scores [n] of the same items, 0 or 1 or, with several samples an item, the
    fraction that is correct; `skipped` may be the difference of two such, for that of their retentions.
    Cells of equally many items share their draws. Resamples without a correct
    baseline have no ratio and are left out; (nan, nan) when the baseline has nothing correct.
    """
    if not np.any(baseline):
        return float("nan"), float("nan")
    pairs = np.stack([baseline, skipped], 1).astype(np.float32)
    below, above = (_draws(len(pairs), resamples, seed) @ pairs).T.astype(np.float64)
    kept = below > 0
    return percentile_interval(100 * above[kept] / below[kept], level)


def mean_interval(values: Floats, level: float, resamples: int, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of the mean of `values` [n], by the draws of `retention_interval`."""
    means = _draws(len(values), resamples, seed) @ values.astype(np.float32) / len(values)
    return percentile_interval(means.astype(np.float64), level)


@lru_cache(maxsize=4)
def _draws(n: int, resamples: int, seed: int) -> NDArray[np.float32]:
    """How often each of n items is drawn in each resample [resamples, n]."""
    return resampling([n], resamples, seed).astype(np.float32)


def mcnemar(baseline: Floats, skipped: Floats) -> float:
    """McNemar's exact two-sided p: are as many items lost as gained? Verdicts [n], 0 or 1, of the same items.

    1 where no item's verdict changed.
    """
    from scipy.special import bdtr

    lost, gained = int((baseline > skipped).sum()), int((skipped > baseline).sum())
    return min(1.0, 2 * float(bdtr(min(lost, gained), lost + gained, 0.5)))


def wilson(count: int, n: int, level: float) -> tuple[float, float]:
    """Wilson's interval of a proportion: `count` of `n`, at a confidence `level`."""
    from scipy.stats import binomtest

    interval = binomtest(count, n).proportion_ci(confidence_level=level, method="wilson")
    return float(interval.low), float(interval.high)


def resampling(sizes: Sequence[int], resamples: int, seed: int = 0) -> NDArray[np.int64]:
    """How often each unit is drawn in each bootstrap resample: counts [resamples, sum(sizes)].

    `sizes`: units a stratum (items of a benchmark); each stratum is resampled on its own. With counts W,
    `W @ x` is the resampled sum of any values x of the units, the same draws for all of them: paired.
    """
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.multinomial(n, np.full(n, 1 / n), size=resamples) for n in sizes], axis=1)


def student_quantile(level: float, freedom: float) -> float:
    """Two-sided quantile of Student's t with `freedom` degrees of freedom, at a confidence `level`."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))


def percentile_interval(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Percentile interval of resampled values; those that are not finite are left out."""
    kept = values[np.isfinite(values)]
    if not len(kept):
        return float("nan"), float("nan")
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
