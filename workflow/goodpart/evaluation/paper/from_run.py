"""Measurements of a run for the claims: profiles of hidden states, skip sets, speed-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from goodpart.errors import GoodpartError
from goodpart.evaluation.intervals import Floats, percentile_interval
from goodpart.evaluation.paper.evidence import Selected, SpeedUp
from goodpart.evaluation.paper.profiles import RESAMPLES, Profile
from goodpart.evaluation.paper.values import Value
from goodpart.jobs.parquet import read_table
from goodpart.policies.guard import chooser
from goodpart.states.pooling import of_prompts

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
    """The profile of one model: means over the steps of each prompt; all prompts have the same weight.

    Steps of benchmarks with different generated lengths are matched by their order.
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
    static: Sequence[int] | None = None,
) -> Selected:
    """The sets of k layers that a policy chooses for one model's prompts, from their first pass.

    layers: L. kinds: benchmark -> its kind; other benchmarks are left out. settings: the policy's entry. The
    set of a benchmark is chosen from the mean similarities of its prompts. The pooled set is `static`;
    without it, the set is chosen from the mean similarities of all prompts.
    """
    choose = chooser(settings["kind"], layers)
    prompts = of_prompts(list(files), layers, settings["positions"])
    members: dict[str, list[list[float]]] = {}
    for (benchmark, _), similarities in prompts.items():
        if benchmark in kinds:
            members.setdefault(benchmark, []).append(similarities)

    def chosen(similarities: Any) -> Any:
        return _as_flags(choose(list(similarities), k, dict(settings)).layers, layers)

    everything = [one for group in members.values() for one in group]
    if not everything:
        raise GoodpartError(f"{files[0]}: no prompt of {', '.join(kinds)}; delete it and run again")
    found = Selected(
        column,
        k,
        np.stack([chosen(one) for one in everything]),
        [kinds[benchmark] for benchmark, group in members.items() for _ in group],
        chosen(np.mean(everything, axis=0)),
        {benchmark: chosen(np.mean(group, axis=0)) for benchmark, group in members.items()},
    )
    if static is None:
        return found
    return replace(found, pooled=_as_flags(static, layers), pooled_is="the run's static set")


def _as_flags(chosen: Sequence[int], layers: int) -> Floats:
    made = np.zeros(layers)
    made[list(chosen)] = 1
    return made


def ratio(slow: Sequence[float], fast: Sequence[float], level: float) -> Value:
    """Median of `slow` divided by median of `fast` (seconds), with a percentile interval over repeats."""
    a, b = _medians([slow, fast])
    return _with_interval(a / b, level)


def _medians(arms: Sequence[Sequence[float]]) -> list[Floats]:
    """Median of each arm's repeats, followed by the medians of their resamples [1 + R]."""
    rng = np.random.default_rng(0)
    made = []
    for seconds in arms:
        x = np.asarray(seconds, dtype=float)
        drawn = np.median(x[rng.integers(0, len(x), (RESAMPLES, len(x)))], axis=1)
        made.append(np.concatenate([[np.median(x)], drawn]))
    return made


def _with_interval(values: Floats, level: float) -> Value:
    """A value with the percentile interval of its resamples: the first element and the rest."""
    return Value(float(values[0]), *percentile_interval(values[1:], level))


def speed_ups(rows: Sequence[Mapping[str, Any]], level: float) -> list[SpeedUp]:
    """Speed-ups for every model, T, number of blocks and batch size that was run with and without a cache.

    rows: of latency tables. The reference is full depth without a cache. The repeats of each arm are
    resampled once, and all its speed-ups share these resamples.
    """
    keys = ("model", "steps", "blocks", "batch_size")
    ordered = sorted(rows, key=lambda row: tuple(row[key] for key in keys))
    found = []
    for place, members in groupby(ordered, key=lambda row: tuple(row[key] for key in keys)):
        seconds: dict[tuple[str, bool], list[float]] = {}
        for row in members:
            seconds.setdefault((row["cache"], row["layers_skipped"] > 0), []).append(row["seconds"])
        for cache in dict.fromkeys(name for name, _ in seconds if name != "none"):
            ways = [("none", False), ("none", True), (cache, False), (cache, True)]
            if all(way in seconds for way in ways):
                base, *others = _medians([seconds[way] for way in ways])
                skip, cached, both = (base / other for other in others)
                of = (skip, cached, both, both / (skip * cached), both - np.maximum(skip, cached))
                name = f"{place[0]}, batch of {place[3]}"
                found.append(SpeedUp(name, place[1], cache, *(_with_interval(x, level) for x in of)))
    return found
