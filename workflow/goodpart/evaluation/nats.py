"""Likelihoods of reference solutions in cells: nats a token, and how much they rise with layers skipped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation.intervals import mean_interval
from goodpart.jobs.parquet import read_table

ItemNats = Mapping[tuple[str, int], NDArray[np.float64]]  # (policy, k) -> nats a token of each item


def item_nats(file: Path) -> ItemNats:
    """Nats a token of each reference solution, by cell, from the likelihoods of one model and benchmark.

    Raises GoodpartError for a file that is damaged, or whose cells do not hold the same items, each measured.
    """
    rows = read_table(file, ["item_id", "policy", "asked_k", "tokens", "nll"]).to_pandas()
    rows["nats"] = rows["nll"] / rows["tokens"]
    items = None
    found: dict[tuple[str, int], NDArray[np.float64]] = {}
    for (policy, k), part in rows.groupby(["policy", "asked_k"]):
        here = part["item_id"].tolist()
        items = items or here
        if here != items or not np.isfinite(part["nats"]).all():
            raise GoodpartError(
                f"{file}: lacks likelihoods of {policy}, k = {k}, that others have; delete it and rerun"
            )
        found[policy, k] = part["nats"].to_numpy()
    return found


def likelihood(nats: ItemNats, policy: str, k: int, level: float, resamples: int) -> dict[str, float | int]:
    """Mean negative log-likelihood of the reference solutions of one cell, and its increase over full depth.

    Nothing where it was not measured. Items are resampled in pairs, with the draws of all cells of as many.
    """
    here, full = nats.get((policy, k)), nats.get((paths.FULL_DEPTH, 0))
    if here is None or full is None:
        return {}
    found: dict[str, float | int] = {"nll": float(here.mean()), "nll_items": len(here)}
    if k:
        increase = here - full
        low, high = mean_interval(increase, level, resamples)
        found |= {"nll_increase": float(increase.mean()), "nll_low": low, "nll_high": high}
    return found
