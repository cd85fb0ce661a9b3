"""What a run has measured, as the claims ask for it: profiles of hidden states, skip sets, speed-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from goodpart.errors import GoodpartError
from goodpart.intervals import percentile_interval
from goodpart.measures import of_prompts
from goodpart.paper.evidence import Selected, SpeedUp
from goodpart.paper.profiles import RESAMPLES, Profile
from goodpart.paper.values import Value
from goodpart.parquet import read_table
from goodpart.policies import policy_module

# Measure of a profile -> the column of profiles' tables.
COLUMNS = {
    "layer": "layer_cosine",
    "token": "token_cosine",
    "spread": "token_spread",
    "decoded": "decoded_cosine",
    "slope": "decoded_slope",
    "median": "norm_median",
    "largest": "norm_largest",
}


def read_profile(path: Path, column: str) -> Profile:
    """The profile of one model: means over the steps of a prompt, then every prompt counts the same.

    Steps of benchmarks with other generated lengths are matched by their order.
    """
    frame = read_table(path).to_pandas()
    frame["step"] = frame.groupby("benchmark")["step"].rank(method="dense").astype(int)
    means = frame.groupby(["benchmark", "prompt_id", "layer"])[list(COLUMNS.values())].mean()
    wide = {measure: means[name].unstack("layer") for measure, name in COLUMNS.items()}
    by_step = frame.groupby(["step", "layer"])["layer_cosine"].mean().unstack("layer")
    return Profile(
        column,
        tuple(wide["layer"].index),
        {measure: table.to_numpy() for measure, table in wide.items()},
        by_step.to_numpy(),
    )


def read_selected(
    files: Sequence[Path],
    column: str,
    layers: int,
    kinds: Mapping[str, str],
    settings: Mapping[str, Any],
    k: int,
) -> Selected:
    """The sets of k layers that a policy chooses for one model's prompts, from their first pass.

    layers: L. kinds: benchmark -> its kind; others are left out. settings: the policy's entry. Pooled sets
    are chosen from the mean similarities of the prompts, each benchmark's from those of its own.
    """
    choose = policy_module(settings["kind"]).choose
    prompts = of_prompts(list(files), layers, settings["positions"])
    members: dict[str, list[list[float]]] = {}
    for (benchmark, _), similarities in prompts.items():
        if benchmark in kinds:
            members.setdefault(benchmark, []).append(similarities)

    def chosen(similarities: Any) -> Any:
        made = np.zeros(layers)
        made[choose(list(similarities), k, dict(settings)).layers] = 1
        return made

    everything = [one for group in members.values() for one in group]
    if not everything:
        raise GoodpartError(f"{files[0]}: no prompt of {', '.join(kinds)}; delete it and rerun")
    return Selected(
        column,
        k,
        np.stack([chosen(one) for one in everything]),
        [kinds[benchmark] for benchmark, group in members.items() for _ in group],
        chosen(np.mean(everything, axis=0)),
        {benchmark: chosen(np.mean(group, axis=0)) for benchmark, group in members.items()},
    )


def ratio(slow: Sequence[float], fast: Sequence[float], level: float) -> Value:
    """Median of `slow` over median of `fast` (seconds), the percentile interval from resampled repeats."""
    rng = np.random.default_rng(0)
    a, b = (np.asarray(x, dtype=float) for x in (slow, fast))
    drawn = [np.median(x[rng.integers(0, len(x), (RESAMPLES, len(x)))], axis=1) for x in (a, b)]
    return Value(float(np.median(a) / np.median(b)), *percentile_interval(drawn[0] / drawn[1], level))


def speed_ups(rows: Sequence[Mapping[str, Any]], level: float) -> list[SpeedUp]:
    """Speed-ups of every model, T, blocks and batch size that has a cache to compare with none.

    rows: of latency tables. Full depth without a cache is what all are compared with.
    """
    keys = ("model", "steps", "blocks", "batch_size")
    ordered = sorted(rows, key=lambda row: tuple(row[key] for key in keys))
    found = []
    for place, members in groupby(ordered, key=lambda row: tuple(row[key] for key in keys)):
        seconds: dict[tuple[str, bool], list[float]] = {}
        for row in members:
            seconds.setdefault((row["cache"], row["layers_skipped"] > 0), []).append(row["seconds"])
        base = seconds.get(("none", False))
        for cache in dict.fromkeys(name for name, _ in seconds if name != "none"):
            needed = [("none", True), (cache, False), (cache, True)]
            if base and all(key in seconds for key in needed):
                skip, cached, both = (ratio(base, seconds[key], level) for key in needed)
                name = f"{place[0]}, batch of {place[3]}"
                found.append(SpeedUp(name, place[1], cache, skip, cached, both))
    return found
