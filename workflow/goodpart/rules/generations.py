"""Generate completions for one range of items of several benchmarks, with layers skipped."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from goodpart import sources
from goodpart.decode import decode, settings_for
from goodpart.errors import GoodpartError
from goodpart.files import read_json
from goodpart.models import Model, load
from goodpart.parquet import provenance, read_metadata, read_table, write_rows
from goodpart.prompts import render
from goodpart.runtime import limit_threads, logger, parser, progress, run
from goodpart.samplers.common import item_seed
from goodpart.skipping import skipping

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
    ]
)


def digest(*values: Any) -> str:
    """SHA-256 of JSON-compatible values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def checkpoint_state(name: str) -> list[list[Any]]:
    """Name, size and time of a local checkpoint's files; empty for a hub name."""
    folder = Path(name)
    files = sorted(folder.glob("*")) if folder.is_dir() else []
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


class Journal:
    """Finished items of an unfinished shard, one JSON line each, beside the shard's file.

    Lines are keyed by everything that an item's completion depends on; a cut last line is ignored.
    """

    def __init__(self, shard: Path) -> None:
        self.path = shard.with_name(f".{shard.stem}.journal.jsonl")
        self.rows: dict[str, dict[str, Any]] = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:
                    continue
                self.rows[entry["key"]] = entry["row"]

    def add(self, finished: list[tuple[str, dict[str, Any]]]) -> None:
        """Append finished items and make sure that they are on disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            for key, row in finished:
                file.write(json.dumps({"key": key, "row": row}) + "\n")
                self.rows[key] = row
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """Remove the journal of a shard that is complete."""
        self.path.unlink(missing_ok=True)


def batches(lengths: list[int], size: int) -> Iterator[list[int]]:
    """Indices in batches of at most `size`, prompts of similar length together."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    for first in range(0, len(order), size):
        yield order[first : first + size]


def generate(
    model: Model,
    items: list[dict[str, Any]],
    prompts: list[list[int]],
    keys: list[str],
    settings: Any,
    run_seed: int,
    batch_size: int,
    journal: Journal,
) -> list[dict[str, Any]]:
    """Rows of SCHEMA for all items, in order; those in the journal are not generated again."""
    pending = [i for i, key in enumerate(keys) if key not in journal.rows]
    if len(pending) < len(items):
        logger.info("%d of %d items are in the journal", len(items) - len(pending), len(items))
    groups = list(batches([len(prompts[i]) for i in pending], batch_size))
    for group in progress(groups, "generations"):
        chosen = [pending[i] for i in group]
        seeds = [item_seed(run_seed, items[i]["item_id"], 0) for i in chosen]
        began = time.perf_counter()
        decoded = decode(model, [prompts[i] for i in chosen], settings, seeds=seeds)
        seconds = (time.perf_counter() - began) / len(chosen)
        finished = []
        for i, seed, made in zip(chosen, seeds, decoded, strict=True):
            row = {
                "item_id": items[i]["item_id"],
                "sample": 0,
                "seed": seed,
                "prompt_tokens": len(prompts[i]),
                "completion": model.tokenizer.decode(made.token_ids, skip_special_tokens=True),
                "token_ids": made.token_ids,
                "ended": made.ended,
                "truncated": not made.ended,
                "forward_passes": made.forward_passes,
                "seconds": seconds,
            }
            finished.append((keys[i], row))
        journal.add(finished)
    return [journal.rows[key] for key in keys]


def main(arguments: argparse.Namespace) -> None:
    """Write one shard a benchmark; a complete shard of the same settings is kept as it is."""
    limit_threads(arguments.threads)
    entry = json.loads(arguments.model)
    layers = read_json(arguments.skip_set)["layers"] if arguments.skip_set else []
    model = load(entry["name"], revision=entry["revision"], dtype=entry["dtype"], device=entry["device"])
    if model.layers != entry["layers"]:
        raise GoodpartError(
            f"{entry['name']} has {model.layers} layers; correct models.<name>.layers ({entry['layers']})"
        )
    if model.tokenizer is None:
        raise GoodpartError(f"{entry['name']}: the checkpoint has no tokenizer files")
    used = [f"goodpart.{part}.{model.family}" for part in ("families", "samplers")]
    code = sources.digest(["goodpart.rules.generations", *used])
    base = [entry, checkpoint_state(entry["name"]), layers, arguments.seed, code]
    for items_file, text, output in zip(arguments.items, arguments.settings, arguments.output, strict=True):
        decoding = json.loads(text)
        settings = settings_for(model, **decoding)
        count = arguments.last - arguments.first + 1
        table = read_table(items_file, ["item_id", "prompt"]).slice(arguments.first, count)
        items = table.to_pylist()
        if len(items) < count:
            raise GoodpartError(f"{items_file}: fewer items than {arguments.last + 1}")
        prompts = render(model.tokenizer, [item["prompt"] for item in items], entry["chat"])
        for item, prompt in zip(items, prompts, strict=True):
            if len(prompt) + settings.max_new_tokens > arguments.context:
                raise GoodpartError(
                    f"{item['item_id']}: {len(prompt)} prompt tokens and {settings.max_new_tokens} new ones "
                    f"are more than generation.context ({arguments.context}); lower max_new_tokens"
                )
        keys = [
            digest(base, decoding, item["item_id"], prompt)
            for item, prompt in zip(items, prompts, strict=True)
        ]
        if output.exists() and read_metadata(output).get("key") == digest(keys):
            logger.info("%s: complete, kept", output)
            continue
        journal = Journal(output)
        with skipping(model, layers):
            rows = generate(
                model, items, prompts, keys, settings, arguments.seed, arguments.batch_size, journal
            )
        facts = provenance(
            key=digest(keys),
            model=entry["name"],
            revision=entry["revision"],
            family=model.family,
            dtype=str(model.dtype).removeprefix("torch."),
            decode=decoding,
            layers_skipped=layers,
            seed=arguments.seed,
        )
        write_rows(output, rows, SCHEMA, facts)
        journal.remove()
        logger.info("%s: %d items, %.1f s", output, len(rows), sum(row["seconds"] for row in rows))


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--model", required=True, help="name, revision, ... of the checkpoint, as JSON")
    options.add_argument("--items", type=Path, nargs="+", required=True, help="one file a benchmark")
    options.add_argument("--settings", nargs="+", required=True, help="decoding, as JSON a benchmark")
    options.add_argument("--skip-set", type=Path, help="JSON file with the layers to skip")
    options.add_argument("--first", type=int, required=True, help="first item")
    options.add_argument("--last", type=int, required=True, help="last item, included")
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--batch-size", type=int, required=True)
    options.add_argument("--context", type=int, required=True, help="tokens of prompt and completion")
    options.add_argument("--output", type=Path, nargs="+", required=True, help="one shard a benchmark")
    run(main, options.parse_args())
