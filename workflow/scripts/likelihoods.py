"""Likelihood of a benchmark's reference solutions: one model, at full depth and in every cell of a study."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from goodpart.decoding.prompts import render
from goodpart.decoding.references import LayersAt, Reference, negative_log_likelihoods
from goodpart.decoding.samplers.common import item_seed
from goodpart.jobs import sources
from goodpart.jobs.files import digest
from goodpart.jobs.job import Job
from goodpart.jobs.journal import Journal
from goodpart.jobs.kept_copies import keep, kept_copy
from goodpart.jobs.parquet import provenance, read_table, write_rows
from goodpart.jobs.runtime import limit_threads, logger
from goodpart.models.checkpoints.files import content_state
from goodpart.models.checkpoints.reading import Checkpoint
from goodpart.models.loading import Model, load_entry, loaded_tokenizer, read_entry, with_content
from goodpart.policies.skip_sets import SkipSet, read_skip_set

SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("policy", pa.string()),
        ("asked_k", pa.int32()),
        ("tokens", pa.int32()),  # of the reference solution
        ("nll", pa.float64()),  # -log p of it in nats; items without a solution have no row
    ]
)


def layers_at(skip_set: SkipSet, benchmark: str, items: Sequence[str], lengths: Sequence[int]) -> LayersAt:
    """Layers skipped for each item, by the share of its solution that is masked."""

    def chosen(item: int, share: float) -> Sequence[int]:
        skip_at = skip_set.skip_at(lengths[item])
        if skip_at:
            return skip_at(lengths[item] - round(share * lengths[item]))
        return skip_set.of_item(benchmark, items[item])

    return chosen


class Models:
    """The models of a study's cells: that of the job, but for those cells that are of a healed one."""

    def __init__(self, entry: dict[str, Any], checkpoint: Checkpoint, healed: Sequence[Path]) -> None:
        self.entry, self.checkpoint = entry, checkpoint
        self.healed = {(folder.parent.name, folder.name): folder for folder in healed}

    def state(self, policy: str, k: int) -> list[str]:
        """What a healed cell depends on besides; nothing for any other."""
        folder = self.healed.get((policy, f"k{k}"))
        return [content_state(folder)] if folder else []

    def of(self, policy: str, k: int) -> Model:
        """The model of a cell, loaded."""
        if folder := self.healed.get((policy, f"k{k}")):
            return load_entry({**self.entry, "name": str(folder), "revision": None})
        return self._own

    @cached_property
    def _own(self) -> Model:
        return load_entry(self.entry, self.checkpoint)


def _code(checkpoint: Checkpoint) -> str:
    shape = checkpoint.architecture
    used = (f"families.{shape.family}", f"architectures.{shape.module}")
    return sources.digest(["goodpart.decoding.references", *(f"goodpart.models.{name}" for name in used)])


def main(job: Job) -> None:
    """Write the likelihoods of all cells; those that are known from a former run are reused."""
    limit_threads(job.threads)
    params, benchmark = job.params, job.wildcards.benchmark
    files = {(file.parent.name, file.stem): file for file in job.input.skip_sets}
    checkpoint = read_entry(params.model)
    items = read_table(job.input.item_file, ["item_id", "prompt", "solution"]).to_pylist()[: params.items]
    asked = [item for item in items if item["solution"]]
    tokenizer = loaded_tokenizer(checkpoint)
    texts = [item["solution"] for item in asked]
    prompts, solutions = [], []
    if asked:
        prompts = render(tokenizer, [item["prompt"] for item in asked], params.model["chat"])
        solutions = tokenizer(texts, add_special_tokens=False)["input_ids"]
    names = [item["item_id"] for item in asked]
    references = [
        Reference(prompt, solution, item_seed(params.seed, name, 0))
        for prompt, solution, name in zip(prompts, solutions, names, strict=True)
    ]
    model = with_content(params.model, checkpoint)
    base = [SCHEMA.names, model, params.seed, params.draws, _code(checkpoint)]
    journal = Journal(job.output, [kept_copy(job.output)])
    models = Models(params.model, checkpoint, job.input.healed)
    rows: list[dict[str, Any]] = []
    keys: list[str] = []
    for policy, k in params.cells:
        skip_set = read_skip_set(files.get((policy, f"k{k}")), params.model["layers"])
        of_cell = [
            digest(base + models.state(policy, k), skip_set.state(benchmark, name), prompt, solution)
            for name, prompt, solution in zip(names, prompts, solutions, strict=True)
        ]
        new = [i for i, key in enumerate(of_cell) if key not in journal.rows]
        if new:
            lengths = [len(solutions[i]) for i in new]
            found = negative_log_likelihoods(
                models.of(policy, k),
                [references[i] for i in new],
                layers_at(skip_set, benchmark, [names[i] for i in new], lengths),
                params.draws,
                params.batch_size,
            )
            journal.add([(of_cell[i], {"nll": nll}) for i, nll in zip(new, found, strict=True)])
            logger.info("%s, k = %d: %d likelihoods", policy, k, len(new))
        keys += of_cell
        rows += [
            {
                "item_id": name,
                "policy": policy,
                "asked_k": k,
                "tokens": len(solution),
                "nll": journal.rows[key]["nll"],
            }
            for name, key, solution in zip(names, of_cell, solutions, strict=True)
        ]
    facts = {"keys": keys, "model": params.model["name"], "revision": params.model["revision"]}
    write_rows(job.output, rows, SCHEMA, provenance(**facts, draws=params.draws, seed=params.seed))
    keep(job.output)
    journal.remove()
