"""Uncertainty by the bootstrap: over items in pairs, over prompts, over strata."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def retention_interval(
    baseline: NDArray[np.bool_], skipped: NDArray[np.bool_], level: float, resamples: int, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of 100 x accuracy(skipped) / accuracy(baseline), items resampled in pairs.

    `baseline`, `skipped`: verdicts [n] of the same items. A resample depends on the items only through
    the four counts of (baseline, skipped), so those are drawn, from a multinomial: the same distribution,
    without a loop over items. Resamples without a correct baseline have no ratio and are left out.
    (nan, nan) when the baseline has nothing correct.
    """
    counts = np.bincount(2 * baseline.astype(int) + skipped.astype(int), minlength=4)
    n = counts.sum()
    if n == 0 or counts[2] + counts[3] == 0:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=resamples)
    below = drawn[:, 2] + drawn[:, 3]
    kept = below > 0
    return percentile_interval(100 * (drawn[kept, 1] + drawn[kept, 3]) / below[kept], level)


def resampling(sizes: Sequence[int], resamples: int, seed: int = 0) -> NDArray[np.int64]:
    """How often each unit is drawn in each bootstrap resample: counts [resamples, sum(sizes)].

    `sizes`: units a stratum (items of a benchmark); each stratum is resampled on its own. With counts W,
    `W @ x` is the resampled sum of any values x of the units, the same draws for all of them: paired.
    """
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.multinomial(n, np.full(n, 1 / n), size=resamples) for n in sizes], axis=1)


def percentile_interval(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Percentile interval of resampled values; those that are not finite are left out."""
    kept = values[np.isfinite(values)]
    if not len(kept):
        return float("nan"), float("nan")
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
