"""The quality-latency study: one row a model, decoding preset, depth and batch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodpart.evaluation.paper.from_run import ratio
from goodpart.evaluation.paper.values import Value


@dataclass(frozen=True)
class Point:
    """One way of decoding: `seconds` of a batch are the quartiles of its repeats.

    `speed_up` is against full depth under the same T and blocks without a cache; None without that row.
    `tokens_per_second` counts all tokens that the batch commits, by the median.
    """

    model: str
    decode: str
    steps: int
    blocks: int
    cache: str
    layers_skipped: int
    batch_size: int
    repeats: int
    seconds: tuple[float, float, float]
    tokens_per_second: float
    speed_up: Value | None
    forward_passes: int
    n: int | None
    accuracy: float | None
    retention: float | None
    low: float | None
    high: float | None
    status: str


def _speed_up(
    base: Sequence[Mapping[str, Any]] | None, rows: Sequence[Mapping[str, Any]], level: float
) -> Value | None:
    if base is None:
        return None
    if base is rows:
        return Value(1.0, exact=True)
    return ratio([row["seconds"] for row in base], [row["seconds"] for row in rows], level)


def points(
    timings: Sequence[Mapping[str, Any]], cells: Sequence[Mapping[str, Any]], level: float
) -> list[Point]:
    """Points, full depth before skipped; quality from the cell of the same model, preset and depth.

    timings: rows of latency tables. cells: of the quality tables. `retention` is against full depth under
    the same preset.
    """
    quality = {(c["model"], c["decode"], c["asked_k"]): c for c in cells}
    groups: dict[tuple[str, str, int, int], list[Mapping[str, Any]]] = {}
    for row in timings:
        key = (row["model"], row["decode"], row["layers_skipped"], row["batch_size"])
        groups.setdefault(key, []).append(row)
    bases = {
        (row["model"], row["steps"], row["blocks"], row["batch_size"]): rows
        for rows in groups.values()
        if (row := rows[0])["cache"] == "none" and not row["layers_skipped"]
    }
    found = []
    places = list(dict.fromkeys(key[:2] for key in groups))
    ordered = sorted(groups.items(), key=lambda g: (places.index(g[0][:2]), g[0][3], g[0][2]))
    for (model, decode, layers, size), rows in ordered:
        first = rows[0]
        seconds = [row["seconds"] for row in rows]
        low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75]).tolist()
        base = bases.get((model, first["steps"], first["blocks"], size))
        cell = quality.get((model, decode, first["asked_k"] if layers else 0), {})
        found.append(
            Point(
                model,
                decode,
                first["steps"],
                first["blocks"],
                first["cache"],
                layers,
                size,
                len(rows),
                (low, median, high),
                size * first["new_tokens"] / median,
                _speed_up(base, rows, level),
                first["forward_passes"],
                *(cell.get(name) for name in ("n", "accuracy", "retention", "low", "high")),
                cell.get("status", "not run"),
            )
        )
    return found
