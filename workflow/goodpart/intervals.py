"""Uncertainty of retention: a paired bootstrap over items."""

from __future__ import annotations

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
    ratio = 100 * (drawn[kept, 1] + drawn[kept, 3]) / below[kept]
    low, high = np.quantile(ratio, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
