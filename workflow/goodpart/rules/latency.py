"""Time decoding at full depth and with layers skipped, in turns in one process, one row a repeat."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from goodpart.decode import decode, settings_for
from goodpart.devices import synchronise
from goodpart.errors import GoodpartError
from goodpart.files import read_json
from goodpart.models import Model, load
from goodpart.parquet import provenance, read_table, write_rows
from goodpart.prompts import render
from goodpart.runtime import limit_threads, logger, parser, processors, progress, run
from goodpart.skipping import skipping

SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("decode", pa.string()),
        ("cache", pa.string()),  # none, prefix or dual; kv: an autoregressive model's own
        ("steps", pa.int32()),  # T, denoising steps in all; tokens of an autoregressive model
        ("blocks", pa.int32()),
        ("policy", pa.string()),
        ("asked_k", pa.int32()),
        ("layers_skipped", pa.int32()),
        ("batch_size", pa.int32()),
        ("prompt_tokens", pa.float64()),  # mean of the batch
        ("new_tokens", pa.int32()),  # a prompt
        ("repeat", pa.int32()),
        ("seconds", pa.float64()),  # of one batch, from token ids to token ids
        ("forward_passes", pa.int32()),
    ]
)


def timed(model: Model, prompts: Sequence[Sequence[int]], settings: Any) -> tuple[float, int]:
    """Seconds that decoding one batch takes, and its forward passes."""
    synchronise(model.device)
    began = time.perf_counter()
    made = decode(model, prompts, settings)
    synchronise(model.device)
    return time.perf_counter() - began, max(one.forward_passes for one in made)


def in_turns(
    model: Model,
    runs: Sequence[tuple[dict[str, Any], list[list[int]], Any]],
    layers: Sequence[int],
    repeats: int,
) -> list[dict[str, Any]]:
    """Rows of SCHEMA: each repeat goes through all runs (facts, prompts, settings), each full then skipped.

    Every other repeat begins with the skipped one, so that neither always comes first. One round before the
    first is not timed.
    """
    rows = []
    for repeat in progress(range(-1, repeats), "repeats"):
        for facts, prompts, settings in runs:
            depths = ((), tuple(layers)) if repeat % 2 else (tuple(layers), ())
            for skipped in depths:
                with skipping(model, skipped):
                    seconds, passes = timed(model, prompts, settings)
                if repeat >= 0:
                    made = {"seconds": seconds, "forward_passes": passes}
                    rows.append({**facts, "layers_skipped": len(skipped), "repeat": repeat, **made})
    return rows


def main(arguments: argparse.Namespace) -> None:
    """Write one model's latencies."""
    limit_threads(arguments.threads)
    entry, skip_set = json.loads(arguments.model), read_json(arguments.skip_set)
    model = load(entry["name"], revision=entry["revision"], dtype=entry["dtype"], device=entry["device"])
    if not skip_set["layers"]:
        raise GoodpartError(f"{arguments.skip_set}: no layer to skip; nothing to time against full depth")
    items = read_table(arguments.items, ["prompt"]).to_pylist()
    prompts = render(model.tokenizer, [item["prompt"] for item in items], entry["chat"])
    runs = []
    for name, text in zip(arguments.decodes, arguments.settings, strict=True):
        # Every repeat does the same work: no row leaves a batch early.
        settings = settings_for(model, **{**json.loads(text), "stop_early": False})
        for size in arguments.batch_sizes:
            batch = [prompts[i % len(prompts)] for i in range(size)]
            facts = {
                "model": arguments.name,
                "decode": name,
                "cache": getattr(settings, "cache", "kv"),
                "steps": settings.total_steps,
                "blocks": getattr(settings, "blocks", 1),
                "policy": arguments.policy,
                "asked_k": skip_set["asked_k"],
                "batch_size": size,
                "prompt_tokens": sum(map(len, batch)) / size,
                "new_tokens": settings.max_new_tokens,
            }
            runs.append((facts, batch, settings))
    before = os.getloadavg()[0]
    rows = in_turns(model, runs, skip_set["layers"], arguments.repeats)
    if before > 1 + 0.2 * (os.cpu_count() or 1):
        logger.warning("the machine was not idle: its load was %.1f; expect a wide spread", before)
    facts = provenance(
        model=entry["name"],
        device=device_name(model),
        dtype=str(model.dtype).removeprefix("torch."),
        threads=processors(arguments.threads),
        load_before=before,
        layers_skipped=skip_set["layers"],
    )
    write_rows(arguments.output, rows, SCHEMA, facts)


def device_name(model: Model) -> str:
    """The GPU's name, or the processor's kind."""
    if model.device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(model.device)
    import platform

    return platform.processor() or platform.machine()


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--name", required=True, help="of the model in the configuration")
    options.add_argument("--model", required=True, help="name, revision, ... of the checkpoint, as JSON")
    options.add_argument("--items", type=Path, required=True, help="prompts to decode")
    options.add_argument("--decodes", nargs="+", required=True, help="names of decoding presets")
    options.add_argument("--settings", nargs="+", required=True, help="decoding, as JSON a preset")
    options.add_argument("--policy", required=True, help="of the skip set")
    options.add_argument("--skip-set", type=Path, required=True, help="JSON file with the layers to skip")
    options.add_argument("--batch-sizes", type=int, nargs="+", required=True)
    options.add_argument("--repeats", type=int, required=True)
    options.add_argument("--output", type=Path, required=True)
    run(main, options.parse_args())
