"""Which denoising steps are captured, and how much their hidden states take: known before anything runs."""

from __future__ import annotations

from goodpart.errors import GoodpartError

MOST_GB = "GOODPART_MOST_GB"  # environment variable: capture.max_gb, which no result depends on
Steps = int | str | list[int]  # how many denoising steps, `all`, or which

# Bytes that the cache takes for a value, at most: it is lossless, so what cannot be foreseen counts in full.
BYTES = {"bfloat16": 1.5, "float16": 2.5, "float32": 4.0}
ROW = 32  # bytes of the columns beside it


def chosen_steps(wanted: Steps, total: int) -> list[int]:
    """Denoising steps to capture of `total`: all, those of a list that exist, or evenly spaced ones.

    A count takes the first step and, from 2 on, the last. Raises GoodpartError when none is left.
    """
    if wanted == "all":
        return list(range(total))
    if isinstance(wanted, list):
        steps = sorted({step for step in wanted if step < total})
        if not steps:
            raise GoodpartError(f"capture.steps: none of {wanted} is among the {total} denoising steps")
        return steps
    n = min(int(wanted), total)
    return [round(i * (total - 1) / (n - 1)) for i in range(n)] if n > 1 else [0]


def cache_bytes(steps: int, layers: int, positions: int, width: int, dtype: str) -> float:
    """Bytes that one prompt's cache takes at most, of `layers` + 1 depths; `dtype`: the model's."""
    return steps * (layers + 1) * positions * (width * BYTES[dtype] + ROW)
