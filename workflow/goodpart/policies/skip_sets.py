"""Skip sets as files: read, checked, written, and asked for the layers of an item and a denoising step.

A static set is a JSON file that a person can read, edit and pass back in; what counts in it is `layers` (and
`index_base`, which must be 0). Sets that differ by prompt or by phase of denoising are Parquet files of one
row each. Layers are numbered from 0.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from goodpart.errors import GoodpartError
from goodpart.jobs.files import read_json, write_json
from goodpart.jobs.parquet import provenance, read_metadata, read_table, write_rows
from goodpart.models.skipping import SkipAt, check_layers
from goodpart.policies import Choice

_FOUND = [
    ("layers", pa.list_(pa.int32())),
    ("got_k", pa.int32()),
    ("reason", pa.string()),
    ("similarities", pa.list_(pa.float32())),
]
SCHEMAS = {
    "prompt": pa.schema([("benchmark", pa.string()), ("item_id", pa.string()), *_FOUND]),
    # Phase p of P has the steps s of S with s P // S = p: a masked share from 1 - p / P down.
    "phase": pa.schema([("phase", pa.int32()), ("masked_share", pa.float64()), *_FOUND]),
}
Key = tuple[str, str] | int | None  # (benchmark, item), phase, or None for a static set


@dataclass(frozen=True)
class SkipSet:
    """Layers to skip: one list (`by` ""), one a (benchmark, item) ("prompt"), or one a phase ("phase")."""

    by: str
    sets: Mapping[Any, list[int]]
    where: str = ""

    @cached_property
    def layers(self) -> list[int] | None:
        """The layers of a static set; None of any other."""
        return None if self.by else self.sets[None]

    def of_item(self, benchmark: str, item_id: str) -> list[int]:
        """Layers to skip from the first step to the last of one item; none where they change by phase.

        Raises GoodpartError for an item without a set.
        """
        if self.by == "phase":
            return []
        key = (benchmark, item_id) if self.by else None
        if key not in self.sets:
            raise GoodpartError(f"{self.where}: no set for item {item_id} of {benchmark}; make it anew")
        return self.sets[key]

    def skip_at(self, steps: int) -> SkipAt | None:
        """Layers by denoising step of `steps`, for `decode`; None unless they change by phase."""
        if self.by != "phase":
            return None
        phases = len(self.sets)
        return lambda step: self.sets[step * phases // steps]

    def counts(self, benchmark: str, item_id: str, steps: int, passes: int) -> int | list[int]:
        """Number of layers skipped in all steps of an item; by phase, in each of its `passes` of `steps`."""
        skip_at = self.skip_at(steps)
        if skip_at is None:
            return len(self.of_item(benchmark, item_id))
        return [len(skip_at(step)) for step in range(passes)]

    def mean(self, benchmark: str, items: Sequence[str]) -> float:
        """Mean number of layers: over some items of a benchmark, or over the phases."""
        if self.by == "phase":
            sizes = [len(layers) for layers in self.sets.values()]
        else:
            sizes = [len(self.of_item(benchmark, item)) for item in items]
        return sum(sizes) / len(sizes)

    def reached(self, benchmark: str, items: Sequence[str], layers: int) -> dict[str, float | int]:
        """How many of a model's `layers` are skipped, and the paper's k/L in percent.

        `got_k` is the mean number where sets differ by prompt or phase, rounded down, so that any shortage
        shows; k/L takes the exact mean.
        """
        mean = self.mean(benchmark, items)
        return {"got_k": math.floor(mean + 1e-9), "flops_reduction_layers": 100 * mean / layers}

    def state(self, benchmark: str, item_id: str) -> list[Any]:
        """All that an item's completion depends on, as JSON."""
        if self.by == "phase":
            return [self.sets[phase] for phase in range(len(self.sets))]
        return self.of_item(benchmark, item_id)


FULL_DEPTH = SkipSet("", {None: []})


def read_skip_set(path: Path | None, layers: int) -> SkipSet:
    """The skip set of a file, for a model of `layers` layers; full depth without a file.

    Raises GoodpartError, which names file, key and fix, for a file that was edited into something else.
    """
    if path is None:
        return FULL_DEPTH
    if path.suffix.lower() == ".json":
        return SkipSet("", {None: _static(path, read_json(path), layers)}, str(path))
    if path.suffix.lower() != ".parquet":
        raise GoodpartError(f"{path}: a skip set is a .json file (static) or a .parquet file")
    facts = read_metadata(path)
    if facts.get("by") not in SCHEMAS or facts.get("index_base") != 0:
        raise GoodpartError(f"{path}: not a file of skip sets (by, index_base); make it anew")
    rows = read_table(path, SCHEMAS[facts["by"]].names).to_pylist()
    sets: dict[Key, list[int]] = {}
    for row in rows:
        key = (row["benchmark"], row["item_id"]) if facts["by"] == "prompt" else row["phase"]
        sets[key] = _checked(f"{path}, {key}", row["layers"], layers)
    if facts["by"] == "phase" and sorted(sets) != list(range(len(sets))):
        raise GoodpartError(f"{path}: phases must be numbered 0, 1, ... without a gap")
    if not sets:
        raise GoodpartError(f"{path}: no skip set in it; make it anew")
    return SkipSet(facts["by"], sets, str(path))


def static_layers(path: Path, layers: int) -> list[int]:
    """The layers of a static skip set's file; GoodpartError for a file with several sets."""
    chosen = read_skip_set(path, layers).layers
    if chosen is None:
        raise GoodpartError(f"{path}: holds several sets, and a checkpoint has one")
    return chosen


def _static(path: Path, value: Any, layers: int) -> list[int]:
    if not isinstance(value, dict) or "layers" not in value:
        raise GoodpartError(f'{path}: a skip set is an object with the key layers, as {{"layers": [3, 7]}}')
    base = value.get("index_base", 0)
    if base != 0:
        raise GoodpartError(
            f"{path}: index_base {base!r}: layers are numbered from 0 here; correct both the numbers and it"
        )
    return _checked(str(path), value["layers"], layers)


def _checked(where: str, value: Any, layers: int) -> list[int]:
    whole = isinstance(value, list) and all(type(layer) is int for layer in value)
    if not whole:
        raise GoodpartError(f"{where}: layers must be a list of whole numbers, not {json.dumps(value)}")
    try:
        return check_layers(value, layers)
    except GoodpartError as error:
        raise GoodpartError(f"{where}: {error}; correct layers") from None


def write_static(path: Path, choice: Choice, **facts: Any) -> None:
    """Write a static set as JSON; `facts`: model, policy, settings, and what was measured."""
    values = None if choice.values is None else [round(float(v), 6) for v in choice.values]
    write_json(
        path,
        {
            **facts,
            **({} if values is None else {"similarities": values}),
            "index_base": 0,
            "asked_k": choice.asked_k,
            "got_k": choice.got_k,
            "reason": choice.reason,
            "layers": choice.layers,
        },
    )


def write_sets(
    path: Path, by: str, keys: Sequence[Mapping[str, Any]], choices: Sequence[Choice], **facts: Any
) -> None:
    """Write one set a prompt or a phase as Parquet; `keys` fill the first columns of its rows."""
    rows = [
        {
            **key,
            "layers": choice.layers,
            "got_k": choice.got_k,
            "reason": choice.reason,
            "similarities": choice.values,
        }
        for key, choice in zip(keys, choices, strict=True)
    ]
    write_rows(path, rows, SCHEMAS[by], provenance(by=by, index_base=0, **facts))
