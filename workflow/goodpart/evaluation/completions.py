"""Completions of a model: generated in batches, resumed from a journal, and measured by KL."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa

from goodpart.decoding.decode import decode
from goodpart.decoding.kl import Completion, LayersAt, kl_of_items, states
from goodpart.decoding.prompts import batches
from goodpart.decoding.samplers.common import Decoded
from goodpart.errors import GoodpartError
from goodpart.jobs.journal import Journal
from goodpart.jobs.kept_copies import keep, kept_copy
from goodpart.jobs.parquet import read_metadata, read_table
from goodpart.jobs.runtime import logger, progress
from goodpart.models import gpu
from goodpart.models.loading import Model
from goodpart.models.skipping import SkipAt, skipping

SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("sample", pa.int32()),
        ("seed", pa.int64()),
        ("prompt_tokens", pa.int32()),
        ("completion", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("ended", pa.bool_()),
        ("truncated", pa.bool_()),
        ("forward_passes", pa.int32()),
        ("seconds", pa.float64()),
        # Every generated position as it was when the row was done, and the step that committed it (-1: none).
        ("canvas", pa.list_(pa.int32())),
        ("commit_steps", pa.list_(pa.int32())),
        # Mean KL(full depth || this) in nats on states of full depth; null where it was not measured.
        ("kl", pa.float64()),
    ]
)


def neighbours(shard: Path) -> list[Path]:
    """Finished shards whose completions may be this one's too, and their kept copies.

    Those of the same folder, of another range of items; and those of the benchmark's other policies and k,
    which may skip the same layers.
    """
    own = [*sorted(shard.parent.glob(".*-*.kept")), *sorted(shard.parent.glob("[!.]*-*.parquet"))]
    others = shard.parents[2].glob("*/k*/.*-*.kept")
    return [*sorted(other for other in others if other.parent != shard.parent), *own]


def twin(
    shards: Iterable[Path], facts: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
    """Rows and metadata of a finished shard that has the same `facts` (keys, and how KL was measured)."""
    for shard in shards:
        with contextlib.suppress(GoodpartError):  # damaged: none of this one's business
            metadata = read_metadata(shard)
            if all(metadata.get(name) == value for name, value in facts.items()):
                return read_table(shard).to_pylist(), metadata
    return None


def remove_overlapping(shard: Path) -> list[Path]:
    """Remove shards of other ranges that hold some of this one's items; their kept copies stay.

    They are of another number of items or another size of shards. Beside this one, a reader of the folder
    would find items twice. Returns the files that were removed.
    """
    first, last = map(int, shard.stem.split("-"))
    removed = []
    for other in sorted(shard.parent.glob("[!.]*-*.parquet")):
        start, end = map(int, other.stem.split("-"))
        if other != shard and start <= last and end >= first:
            with contextlib.suppress(FileNotFoundError):  # another shard's job may remove it too
                if not kept_copy(other).exists():
                    keep(other)
                other.unlink()
                removed.append(other)
    return removed


@dataclass(frozen=True)
class Asked:
    """One completion that is asked for: a sample of an item."""

    key: str  # digest of everything that it depends on
    item_id: str
    sample: int
    seed: int
    prompt: list[int]
    layers: tuple[int, ...] = ()  # skipped at every step


def generate(
    model: Model,
    asked: list[Asked],
    settings: Any,
    batch_size: int,
    journal: Journal,
    skip_at: SkipAt | None = None,
) -> list[dict[str, Any]]:
    """Rows of SCHEMA for all that is asked, in order; those in the journal are not generated again.

    What is asked without the same layers shares batches. `skip_at`: layers skipped besides, by step.
    """
    pending = [one for one in asked if one.key not in journal.rows]
    if len(pending) < len(asked):
        logger.info("%d of %d completions are there already", len(asked) - len(pending), len(asked))
    alike: dict[tuple[int, ...], list[Asked]] = {}
    for one in pending:
        alike.setdefault(one.layers, []).append(one)
    groups = [
        [same[i] for i in group]
        for same in alike.values()
        for group in batches([len(one.prompt) for one in same], batch_size)
    ]

    def decoded(part: list[Asked]) -> list[tuple[str, dict[str, Any]]]:
        began = time.perf_counter()
        prompts, seeds = [one.prompt for one in part], [one.seed for one in part]
        with skipping(model, part[0].layers):
            made = decode(model, prompts, settings, seeds=seeds, skip_at=skip_at)
        seconds = (time.perf_counter() - began) / len(part)
        return [(o.key, completion(model, o, m, seconds)) for o, m in zip(part, made, strict=True)]

    sizes = gpu.Batches(batch_size)
    for group in progress(groups, "completions", len):
        for _, finished in sizes.run(decoded, group):
            journal.add(finished)
    return [{**journal.rows[one.key], "kl": None} for one in asked]


def completion(model: Model, one: Asked, made: Decoded, seconds: float) -> dict[str, Any]:
    """The row of SCHEMA of one completion that took `seconds`."""
    return {
        "item_id": one.item_id,
        "sample": one.sample,
        "seed": one.seed,
        "prompt_tokens": len(one.prompt),
        "completion": model.tokenizer.decode(made.token_ids, skip_special_tokens=True),
        "token_ids": made.token_ids,
        "ended": made.ended,
        "truncated": not made.ended,
        "forward_passes": made.forward_passes,
        "seconds": seconds,
        "canvas": made.canvas[len(one.prompt) :].tolist(),
        "commit_steps": made.commit_steps,
        "kl": None,
    }


def with_kl(
    model: Model,
    rows: list[dict[str, Any]],
    asked: list[Asked],
    full: list[dict[str, Any]],
    layers_at: LayersAt,
    settings: Any,
    count: int,
    batch_size: int,
    reference: Model | None = None,
) -> list[dict[str, Any]]:
    """The rows with `kl` for as many as there are in `full`, full depth's rows of the first ones.

    `reference`: the model whose full depth it is, where that is not `model` itself.
    """
    done = [
        Completion(one.prompt, base["canvas"], base["commit_steps"], base["forward_passes"])
        for one, base in zip(asked, full, strict=False)
    ]
    recorded = states(done, settings, model.tokens.mask, count)
    found = kl_of_items(model, len(full), recorded, layers_at, batch_size, reference)
    return [{**row, "kl": value} for row, value in zip_longest(rows, found)]
