"""Cells: accuracy and retention of a model, decoding preset, benchmark, policy and number of layers."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation.intervals import mcnemar, retention_interval
from goodpart.evaluation.pass_at_k import pass_at_k
from goodpart.jobs.parquet import read_metadata, read_table, read_tables
from goodpart.models.families import family_module
from goodpart.models.flops import Shape, passes, reduction
from goodpart.policies.skip_sets import SkipSet

SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("paper_column", pa.string()),
        ("decode", pa.string()),
        ("benchmark", pa.string()),
        ("policy", pa.string()),
        ("adjacent", pa.bool_()),
        ("tau", pa.float64()),
        ("asked_k", pa.int32()),
        ("got_k", pa.int32()),
        ("n", pa.int32()),
        ("correct", pa.int32()),
        ("accuracy", pa.float64()),
        ("retention", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("equivalence", pa.float64()),
        ("kl", pa.float64()),
        ("forward_passes", pa.int64()),
        ("flops_reduction_layers", pa.float64()),
        ("flops_reduction_true", pa.float64()),
        ("truncated", pa.int32()),
        ("status", pa.string()),
        ("samples", pa.int32()),  # completions an item; correct counts all of them, accuracy is their mean
        ("pass_at_k", pa.list_(pa.float64())),  # pass@1, pass@2, ... to the number of samples
        ("p_value", pa.float64()),  # McNemar's, exact, against full depth; null with several samples
        ("never_ended", pa.int32()),  # completions without an end marker
        ("kl_items", pa.int32()),  # items that kl is the mean of
        ("layers", pa.list_(pa.int32())),  # that were skipped; null where they differ by prompt or phase
        ("strict", pa.int32()),  # correct in the strict reading, that of the benchmark's own harness
        ("strict_accuracy", pa.float64()),
        ("strict_retention", pa.float64()),
        ("full_truncated", pa.int32()),  # completions of the full-depth cell that were cut off
        # Negative log-likelihood of the reference solutions in nats a token, mean over items, and how much
        # more it is than at full depth, with a paired interval; null where it was not measured.
        ("nll", pa.float64()),
        ("nll_increase", pa.float64()),
        ("nll_low", pa.float64()),
        ("nll_high", pa.float64()),
        ("nll_items", pa.int32()),
    ]
)
ALIKE = ("model", "revision", "dtype", "decode", "seed")  # metadata of a cell's completions and full depth's
COMPLETION = ["item_id", "sample"]
GENERATED = [*COMPLETION, "prompt_tokens", "token_ids", "ended", "truncated", "forward_passes", "kl"]


def finite(value: float) -> float | None:
    """The value, or None for NaN: Parquet's null is what says "undefined"."""
    return None if math.isnan(value) else value


def same_lists(first: pa.ChunkedArray, second: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Which rows [n] of two columns of lists are equal, without a Python object a token."""
    lengths = pc.list_value_length(first).to_numpy()
    same = lengths == pc.list_value_length(second).to_numpy()
    a, b = (pc.list_flatten(column.filter(pa.array(same))).to_numpy() for column in (first, second))
    row = np.repeat(np.flatnonzero(same), lengths[same])
    same[row[a != b]] = False
    return same


def cell(
    scores: pa.Table, made: pa.Table, base_scores: pa.Table, base_made: pa.Table, level: float, draws: int
) -> dict[str, Any]:
    """Counts and ratios of one cell against its full-depth cell (the same tables for full depth).

    Tables: scores (item_id, sample, correct, status, strict) and generations (item_id, sample, token_ids,
    ended, truncated, forward_passes, kl), rows of the same completions in the same order, an item's samples
    together; GoodpartError if they are not.
    """
    ids = scores.select(COMPLETION)
    if not all(ids.equals(other.select(COMPLETION)) for other in (made, base_scores, base_made)):
        raise GoodpartError("scores and generations hold different completions; rerun their rules")
    n = pc.count_distinct(ids["item_id"]).as_py()
    samples = len(ids) // n
    measured = made["kl"].drop_null()
    facts: dict[str, Any] = {
        "n": n,
        "samples": samples,
        "forward_passes": pc.sum(made["forward_passes"]).as_py(),
        "truncated": pc.sum(made["truncated"]).as_py(),
        "full_truncated": pc.sum(base_made["truncated"]).as_py(),
        "never_ended": pc.sum(pc.invert(made["ended"])).as_py(),
        "equivalence": float(same_lists(made["token_ids"], base_made["token_ids"]).mean()),
        "kl": pc.mean(measured).as_py(),
        "kl_items": len(measured) // samples,
    }
    states = {*scores["status"].unique().to_pylist(), *base_scores["status"].unique().to_pylist()}
    if states != {"scored"}:
        return {**facts, "status": next(s for s in sorted(states) if s != "scored")}
    right, base = (
        table["correct"].to_numpy().astype(float).reshape(n, samples) for table in (scores, base_scores)
    )
    mean, base_mean = right.mean(1), base.mean(1)
    low, high = retention_interval(base_mean, mean, level, draws)
    retention = 100 * right.sum() / base.sum() if base.any() else math.nan
    strict, strict_base = (
        int(pc.sum(table["strict"]).as_py() or 0) if "strict" in table.column_names else None
        for table in (scores, base_scores)
    )
    solved = Counter(right.sum(1).astype(int).tolist())  # correct samples -> items with so many
    return {
        **facts,
        "correct": int(right.sum()),
        "accuracy": float(right.mean()),
        "retention": finite(float(retention)),
        "low": finite(low),
        "high": finite(high),
        "pass_at_k": [
            float(sum(items * pass_at_k(samples, c, k) for c, items in solved.items()) / n)
            for k in range(1, samples + 1)
        ],
        "strict": strict,
        "strict_accuracy": None if strict is None else strict / len(ids),
        "strict_retention": 100 * strict / strict_base if strict is not None and strict_base else None,
        "p_value": mcnemar(base_mean, mean) if samples == 1 else None,
        "status": "scored",
    }


def skipped(
    skip_set: SkipSet, benchmark: str, made: pa.Table, facts: dict[str, Any], layers: int
) -> dict[str, Any]:
    """How many layers a cell's completions went without, and what that saves.

    `facts`: the metadata of its generations.
    """
    family, arguments = facts["family"], facts["decode"]
    steps = family_module(family).Settings(**arguments).total_steps
    known = {"item_id", "prompt_tokens", "forward_passes", "commit_steps"}
    rows = made.select([name for name in made.column_names if name in known]).to_pylist()
    true = reduction(
        Shape(**facts["shape"]),
        (
            (
                passes(
                    family, arguments, row["prompt_tokens"], row["forward_passes"], row.get("commit_steps")
                ),
                skip_set.counts(benchmark, row["item_id"], steps, row["forward_passes"]),
            )
            for row in rows
        ),
    )
    items = [row["item_id"] for row in rows]
    return {**skip_set.reached(benchmark, items, layers), "flops_reduction_true": finite(true)}


def tables(results: Path, where: dict[str, Any], shards: list[list[int]]) -> tuple[pa.Table, pa.Table]:
    """Scores and generations of one cell; `where` fills the wildcards of its paths."""
    made = [results / paths.GENERATIONS.format(**where, first=a, last=b) for a, b in shards]
    # Operations need to know what each pass committed where the settings alone do not tell.
    more = ["commit_steps"] if read_metadata(made[0])["decode"].get("confidence_threshold") else []
    return (
        read_table(results / paths.SCORES.format(**where), [*COMPLETION, "correct", "status", "strict"]),
        read_tables(made, [*GENERATED, *more]),
    )


def generation_facts(results: Path, where: dict[str, Any], shards: list[list[int]]) -> dict[str, Any]:
    """Metadata of a cell's generations; GoodpartError where full depth's were made in another way."""
    files = [results / paths.GENERATIONS.format(**where, first=a, last=b) for a, b in shards]
    base = {**where, "policy": paths.FULL_DEPTH, "k": 0}
    full = results / paths.GENERATIONS.format(**base, first=shards[0][0], last=shards[0][1])
    wanted = read_metadata(full)
    for file in files:
        facts = read_metadata(file)
        for name in ALIKE:
            if facts.get(name) != wanted.get(name):
                raise GoodpartError(f"{file}: made with another {name} than {full}; delete both and rerun")
    return facts
