"""Time decoding at full depth and with layers skipped, in turns in one process, one row a repeat."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.prompts import render
from goodpart.errors import GoodpartError
from goodpart.jobs.files import read_json
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import provenance, read_table, write_rows
from goodpart.jobs.runtime import limit_threads, logger, processors, progress
from goodpart.models.devices import synchronise
from goodpart.models.loading import Model, load_entry
from goodpart.models.skipping import skipping

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


def main(job: Job) -> None:
    """Write one model's latencies."""
    limit_threads(job.params.threads)
    entry, skip_set = job.params.model, read_json(job.input.skip_set)
    model = load_entry(entry)
    if not skip_set["layers"]:
        raise GoodpartError(f"{job.input.skip_set}: no layer to skip; nothing to time against full depth")
    items = read_table(job.input.item_file, ["prompt"]).to_pylist()
    prompts = render(model.tokenizer, [item["prompt"] for item in items], entry["chat"])
    runs = []
    for name, decoding in zip(job.params.decodes, job.params.settings, strict=True):
        # Every repeat does the same work: no row leaves a batch early.
        settings = settings_for(model, **{**decoding, "stop_early": False})
        for size in job.params.batch_sizes:
            batch = [prompts[i % len(prompts)] for i in range(size)]
            facts = {
                "model": job.wildcards.model,
                "decode": name,
                "cache": getattr(settings, "cache", "kv"),
                "steps": settings.total_steps,
                "blocks": getattr(settings, "blocks", 1),
                "policy": job.params.policy,
                "asked_k": skip_set["asked_k"],
                "batch_size": size,
                "prompt_tokens": sum(map(len, batch)) / size,
                "new_tokens": settings.max_new_tokens,
            }
            runs.append((facts, batch, settings))
    before = os.getloadavg()[0]
    rows = in_turns(model, runs, skip_set["layers"], job.params.repeats)
    if before > 1 + 0.2 * (os.cpu_count() or 1):
        logger.warning("the machine was not idle: its load was %.1f; expect a wide spread", before)
    facts = provenance(
        model=entry["name"],
        device=device_name(model),
        dtype=str(model.dtype).removeprefix("torch."),
        threads=processors(job.params.threads),
        load_before=before,
        layers_skipped=skip_set["layers"],
    )
    write_rows(job.output, rows, SCHEMA, facts)


def device_name(model: Model) -> str:
    """The GPU's name, or the processor's kind."""
    if model.device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(model.device)
    import platform

    return platform.processor() or platform.machine()
