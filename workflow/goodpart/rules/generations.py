"""Generate completions for one range of items of several benchmarks, with layers skipped."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa

from goodpart import gpu, sources
from goodpart.decode import decode, settings_for
from goodpart.errors import GoodpartError
from goodpart.files import digest
from goodpart.flops import Shape
from goodpart.kept_copies import keep, kept_copy, restore
from goodpart.kl import Completion, LayersAt, kl_of_items, states
from goodpart.memory import batch_that_fits
from goodpart.models import Model, load
from goodpart.parquet import provenance, read_metadata, read_table, write_rows
from goodpart.prompts import render
from goodpart.runtime import limit_threads, logger, parser, progress, run
from goodpart.samplers.common import Decoded, item_seed
from goodpart.skip_sets import read_skip_set
from goodpart.skipping import SkipAt, skipping

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


class Journal:
    """Finished completions of an unfinished shard, one JSON line each, beside the shard's file.

    Lines are keyed by everything that a completion depends on; a line that is cut or damaged is ignored.
    Completions of other shards of the same folder, whose range was another, are known too, and those of the
    shard as it was before this job.
    """

    def __init__(self, shard: Path) -> None:
        self.path = shard.with_name(f".{shard.stem}.journal.jsonl")
        self.rows: dict[str, dict[str, Any]] = {}
        for other in [kept_copy(shard), *sorted(shard.parent.glob("[!.]*-*.parquet"))]:
            with contextlib.suppress(GoodpartError):  # a damaged file is none of this shard's business
                keys = read_metadata(other).get("keys", [])
                self.rows.update(zip(keys, read_table(other).to_pylist(), strict=True))
        if self.path.exists():
            for line in self.path.read_bytes().splitlines():
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    entry = json.loads(line)
                    self.rows[entry["key"]] = dict(entry["row"])

    def add(self, finished: list[tuple[str, dict[str, Any]]]) -> None:
        """Append finished completions and make sure that they are on disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n")  # ends a line that was cut
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
) -> list[dict[str, Any]]:
    """The rows with `kl` for as many as there are in `full`, full depth's rows of the first ones."""
    done = [
        Completion(one.prompt, base["canvas"], base["commit_steps"], base["forward_passes"])
        for one, base in zip(asked, full, strict=False)
    ]
    recorded = states(done, settings, model.tokens.mask, count)
    found = kl_of_items(model, len(full), recorded, layers_at, batch_size)
    return [{**row, "kl": value} for row, value in zip_longest(rows, found)]


def main(arguments: argparse.Namespace) -> None:
    """Write one shard a benchmark; a complete shard of the same settings is reused."""
    limit_threads(arguments.threads)
    entry = json.loads(arguments.model)
    skip_set = read_skip_set(arguments.skip_set, entry["layers"])
    model = load(entry["name"], revision=entry["revision"], dtype=entry["dtype"], device=entry["device"])
    if model.layers != entry["layers"]:
        raise GoodpartError(
            f"{entry['name']} has {model.layers} layers; correct models.<name>.layers ({entry['layers']})"
        )
    if model.tokenizer is None:
        raise GoodpartError(f"{entry['name']}: the checkpoint has no tokenizer files")
    used = [f"goodpart.{part}.{model.family}" for part in ("families", "samplers")]
    code = sources.digest(["goodpart.decode", "goodpart.prompts", "goodpart.skipping", *used])
    base = [SCHEMA.names, entry, arguments.seed, code]
    for number, (items_file, output) in enumerate(zip(arguments.items, arguments.output, strict=True)):
        decoding, samples = json.loads(arguments.settings[number]), arguments.samples[number]
        settings = settings_for(model, **decoding)
        items = read_table(items_file, ["item_id", "benchmark", "prompt"]).to_pylist()
        items = items[arguments.first : arguments.last + 1]
        if len(items) < arguments.last + 1 - arguments.first:
            raise GoodpartError(f"{items_file}: fewer items than {arguments.last + 1}")
        prompts = render(model.tokenizer, [item["prompt"] for item in items], entry["chat"])
        asked = []
        for item, prompt in zip(items, prompts, strict=True):
            if len(prompt) + settings.max_new_tokens > arguments.context:
                raise GoodpartError(
                    f"{item['item_id']}: {len(prompt)} prompt tokens and {settings.max_new_tokens} new ones "
                    f"are more than generation.context ({arguments.context}); lower max_new_tokens"
                )
            name, layers = item["item_id"], tuple(skip_set.of_item(item["benchmark"], item["item_id"]))
            for sample in range(samples):
                seed = item_seed(arguments.seed, name, sample)
                key = digest(base, skip_set.state(item["benchmark"], name), decoding, name, sample, prompt)
                asked.append(Asked(key, name, sample, seed, prompt, layers))
        full = arguments.full[number] if arguments.full else None
        measured = max(0, min(arguments.kl_items - arguments.first, len(items))) * samples if full else 0
        facts = {
            "keys": [one.key for one in asked],
            "kl": [arguments.kl_states, measured, sources.digest(["goodpart.kl"])],
        }
        if restore(output, facts):
            logger.info("%s: complete, kept", output)
            continue
        journal = Journal(output)
        skip_at = skip_set.skip_at(settings.total_steps)
        longest = max(len(one.prompt) for one in asked)
        batch_size = batch_that_fits(model, settings, longest, arguments.batch_size)
        rows = generate(model, asked, settings, batch_size, journal, skip_at)
        if measured:
            columns = ["canvas", "commit_steps", "forward_passes"]
            first = read_table(full, columns).to_pylist()[:measured]
            rows = with_kl(
                *(model, rows, asked, first),
                lambda i, step, asked=asked, skip_at=skip_at: skip_at(step) if skip_at else asked[i].layers,
                *(settings, arguments.kl_states, batch_size),
            )
        facts |= {
            "model": entry["name"],
            "revision": entry["revision"],
            "family": model.family,
            "dtype": str(model.dtype).removeprefix("torch."),
            "decode": decoding,
            "shape": asdict(Shape.of_module(model.module.config)),
            "layers_skipped": skip_set.layers if skip_set.layers is not None else f"by {skip_set.by}",
            "seed": arguments.seed,
        }
        write_rows(output, rows, SCHEMA, provenance(**facts))
        keep(output)
        journal.remove()
        logger.info("%s: %d completions, %.1f s", output, len(rows), sum(row["seconds"] for row in rows))


def options() -> argparse.ArgumentParser:
    """The job's arguments."""
    made = parser(__doc__)
    made.add_argument("--model", required=True, help="name, revision, ... of the checkpoint, as JSON")
    made.add_argument("--items", type=Path, nargs="+", required=True, help="one file a benchmark")
    made.add_argument("--settings", nargs="+", required=True, help="decoding, as JSON a benchmark")
    made.add_argument("--samples", type=int, nargs="+", required=True, help="an item, a benchmark")
    made.add_argument("--full", type=Path, nargs="*", default=[], help="full depth's shards, for the KL")
    made.add_argument("--kl-items", type=int, default=0, help="items of a benchmark whose KL is measured")
    made.add_argument("--kl-states", type=int, default=1, help="denoising steps of each of them")
    made.add_argument("--skip-set", type=Path, help="file with the layers to skip")
    made.add_argument("--first", type=int, required=True, help="first item")
    made.add_argument("--last", type=int, required=True, help="last item, included")
    made.add_argument("--seed", type=int, required=True)
    made.add_argument("--batch-size", type=int, required=True)
    made.add_argument("--context", type=int, required=True, help="tokens of prompt and completion")
    made.add_argument("--output", type=Path, nargs="+", required=True, help="one shard a benchmark")
    return made


if __name__ == "__main__":
    run(main, options().parse_args())
