"""Healing: retention and likelihood of the same skipped layers, before and after light fine-tuning.

Items are resampled in pairs, those of each benchmark on their own, with the same draws before and after.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation.cells import generation_facts, tables
from goodpart.evaluation.intervals import percentile_interval, resampling
from goodpart.evaluation.item_verdicts import item_verdicts
from goodpart.evaluation.nats import item_nats
from goodpart.jobs.files import read_json
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import provenance, read_table, write_rows
from goodpart.models.flops import Shape, decode_flops, passes

# weights: `full` (depth), `skipped`, `healed`, or `gain` (healed minus skipped, in pairs). Measures:
# accuracy, retention (percent), nll_increase (nats a token), kl (nats, on held-out calibration prompts),
# cost (operations of healing in full-depth completions of the evaluated items) and break_even (how many
# completions with layers skipped save as much); the last two have no sample behind them, and no interval.
SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("benchmark", pa.string()),  # `all`: every one of them together
        ("asked_k", pa.int32()),
        ("got_k", pa.int32()),
        ("flops_reduction_true", pa.float64()),  # percent
        ("weights", pa.string()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int32()),
    ]
)
POOLED = "all"
Floats = NDArray[np.float64]


class Rows:
    """Rows of SCHEMA of one model and k after the other."""

    def __init__(self, level: float) -> None:
        self.level, self.rows = level, list[dict[str, Any]]()

    def add(
        self, where: dict[str, Any], measure: str, n: int, values: dict[str, tuple[float, Floats]]
    ) -> None:
        """Add values by weights, each with its resamples; with both of them also the gain."""
        if {"skipped", "healed"} <= set(values):
            (before, drawn), (after, drawn_after) = values["skipped"], values["healed"]
            values = {**values, "gain": (after - before, drawn_after - drawn)}
        for weights, (value, draws) in values.items():
            low, high = percentile_interval(draws, self.level) if len(draws) else (None, None)
            numbers = {"value": value, "low": low, "high": high}
            found = {key: x if x is not None and np.isfinite(x) else None for key, x in numbers.items()}
            self.rows.append({**where, "weights": weights, "measure": measure, "n": n, **found})


def equal_flops(cells: list[dict[str, Any]], model: str, k: int, chosen: dict[str, Any]) -> dict[str, Any]:
    """Layers found and percent of operations saved at one k, which must be those of both policies.

    Raises GoodpartError where they skip different layers.
    """
    here = [c for c in cells if (c["model"], c["asked_k"]) == (model, k)]
    layers = {tuple(cell["layers"]) for cell in here}
    if len(layers) != 1:
        raise GoodpartError(
            f"{model}, k = {k}: {chosen['policy']} and {chosen['healed']} skip different layers; give both "
            "policies the same keys, but for heal"
        )
    means = {
        policy: float(np.mean([c["flops_reduction_true"] for c in here if c["policy"] == policy]))
        for policy in (chosen["policy"], chosen["healed"])
    }
    return {"got_k": len(layers.pop()), "flops_reduction_true": means[chosen["policy"]]}


def retentions(
    rows: Rows, chosen: dict[str, Any], results: Path, where: dict[str, Any], resamples: int
) -> None:
    """Add accuracy and retention of one model and k, by benchmark and of all."""
    model, k, benchmarks = where["model"], where["asked_k"], chosen["benchmarks"]
    states = {
        "full": (paths.FULL_DEPTH, 0),
        "skipped": (chosen["policy"], k),
        "healed": (chosen["healed"], k),
    }
    right: dict[str, list[Floats]] = {name: [] for name in states}
    for benchmark in benchmarks:
        place = {"model": model, "decode": chosen["decode"], "benchmark": benchmark}
        found = {
            name: item_verdicts(results / paths.SCORES.format(**place, policy=policy, k=at))
            for name, (policy, at) in states.items()
        }
        for name, verdicts in found.items():
            if list(verdicts) != list(found["full"]):
                raise GoodpartError(f"{model}, {benchmark}: other items than at full depth; rerun scores")
            right[name].append(np.array(list(verdicts.values())))
    parts = {b: {name: [right[name][i]] for name in states} for i, b in enumerate(benchmarks)}
    for benchmark, verdicts in {**parts, POOLED: right}.items():
        sizes = [len(part) for part in verdicts["full"]]
        draws = resampling(sizes, resamples).astype(np.float64)
        each = {name: np.concatenate(part) for name, part in verdicts.items()}
        place, n = {**where, "benchmark": benchmark}, sum(sizes)
        rows.add(place, "accuracy", n, {name: (float(x.mean()), draws @ x / n) for name, x in each.items()})
        full = each.pop("full")
        if full.any():
            with np.errstate(invalid="ignore", divide="ignore"):
                kept = {
                    name: (float(100 * x.sum() / full.sum()), 100 * (draws @ x) / (draws @ full))
                    for name, x in each.items()
                }
            rows.add(place, "retention", n, kept)


def likelihoods(
    rows: Rows, chosen: dict[str, Any], results: Path, where: dict[str, Any], resamples: int
) -> None:
    """Add how much less likely the reference solutions became, over the items of all benchmarks."""
    model, k = where["model"], where["asked_k"]
    place = {"table": paths.HEALING_CELLS.removesuffix(".parquet"), "model": model}
    files = [results / paths.LIKELIHOODS.format(**place, benchmark=b) for b in chosen["benchmarks"]]
    nats = [item_nats(file) for file in files]
    sizes = [len(of[paths.FULL_DEPTH, 0]) for of in nats]
    draws = resampling(sizes, resamples) / sum(sizes)
    values = {}
    for name, policy in (("skipped", chosen["policy"]), ("healed", chosen["healed"])):
        more = np.concatenate([of[policy, k] - of[paths.FULL_DEPTH, 0] for of in nats])
        values[name] = (float(more.mean()), draws @ more)
    rows.add({**where, "benchmark": POOLED}, "nll_increase", sum(sizes), values)


def completion_flops(chosen: dict[str, Any], results: Path, model: str) -> float:
    """Mean operations of a full-depth completion of the evaluated items."""
    total = count = 0
    for benchmark in chosen["benchmarks"]:
        place = {"model": model, "decode": chosen["decode"], "benchmark": benchmark}
        base, shards = {**place, "policy": paths.FULL_DEPTH, "k": 0}, chosen["shards"][benchmark]
        facts = generation_facts(results, base, shards)
        shape = Shape(**facts["shape"])
        _, made = tables(results, base, shards)
        for row in made.to_pylist():
            at = passes(
                facts["family"],
                facts["decode"],
                row["prompt_tokens"],
                row["forward_passes"],
                row.get("commit_steps"),
            )
            total, count = total + decode_flops(shape, at), count + 1
    return total / count


def training(rows: Rows, facts: dict[str, Any], where: dict[str, Any], one: float, resamples: int) -> None:
    """Add the KL on held-out calibration prompts before and after, and the cost of healing.

    one: operations of a full-depth completion.
    """
    place = {**where, "benchmark": POOLED}
    n = len(facts["kl_before"])
    draws = resampling([n], resamples) / n
    values = {
        name: (float(np.mean(facts[key])), draws @ np.array(facts[key]))
        for name, key in (("skipped", "kl_before"), ("healed", "kl_after"))
    }
    rows.add(place, "kl", n, values)
    cost, nothing = sum(facts["flops"].values()) / one, np.empty(0)
    rows.add(place, "cost", 1, {"healed": (cost, nothing)})
    saved = where["flops_reduction_true"] / 100
    rows.add(place, "break_even", 1, {"healed": (cost / saved if saved else math.nan, nothing)})


def main(job: Job) -> None:
    """Write healing_study.parquet."""
    chosen, results = job.params.selection, job.output.parent
    cells = read_table(job.input.cells).to_pylist()
    rows = Rows(job.params.level)
    for model in chosen["models"]:
        one = completion_flops(chosen, results, model)
        for k in sorted(k for k in chosen["layers_skipped"] if k):
            where = {"model": model, "asked_k": k, **equal_flops(cells, model, k, chosen)}
            retentions(rows, chosen, results, where, job.params.resamples)
            if chosen["likelihoods"]:
                likelihoods(rows, chosen, results, where, job.params.resamples)
            folder = results / paths.HEALED.format(model=model, policy=chosen["healed"], k=k)
            training(rows, read_json(folder / "healing.json"), where, one, job.params.resamples)
    write_rows(
        job.output,
        rows.rows,
        SCHEMA,
        provenance(selection=chosen, heal=job.params.heal, level=job.params.level),
    )
