"""The pass that a decode begins with: the prompt and, for a diffusion model, a canvas of masks; no answer.

Algorithm 1 reads its similarities, and contiguous skip sets its angles: no decoding is needed for either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from goodpart.jobs.parquet import provenance, read_table, with_place, write_table
from goodpart.jobs.runtime import limit_threads, logger, progress

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    from goodpart.jobs.job import Job
    from goodpart.models.loading import Model


Row = dict[str, Any]


@dataclass(frozen=True)
class FirstPass:
    """Hidden states of one batch; positions that do not exist are in none of `positions`."""

    states: list[torch.Tensor]  # of each depth 0..L: [B, T, D]
    positions: dict[str, torch.Tensor]  # kind (prompt, masked) -> bool [B, T]

    @property
    def device(self) -> torch.device:
        """Where the positions are; layers of one model may be on several devices."""
        return self.positions["prompt"].device


def first_pass(model: Model, prompts: Sequence[Sequence[int]], canvas: int) -> FirstPass:
    """Run prompts (token ids) in one padded batch; `canvas`: masks after each prompt (diffusion)."""
    from goodpart.decoding.decode import refuse_beyond
    from goodpart.decoding.likelihoods import final_hidden
    from goodpart.decoding.samplers.common import canvas_of
    from goodpart.models.hooks import capturing

    mask, pad = model.tokens.mask, model.tokens.pad
    length = 0 if mask is None else canvas
    refuse_beyond(model, max(map(len, prompts)) + length)
    ids, exists, start = canvas_of(prompts, length, pad if mask is None else mask, pad, model.device)
    where = {"prompt": exists.clone(), "masked": exists.clone()}
    where["prompt"][:, start:] = False
    where["masked"][:, :start] = False
    with capturing(model) as captured:
        final_hidden(model, ids, exists)
    return FirstPass([state for state in captured.states if state is not None], where)


RowsOf = Callable[[Row, FirstPass, int], Iterable[Row]]


def measure(job: Job, schema: pa.Schema, rows_of: RowsOf, label: str) -> None:
    """Write one file a benchmark: `rows_of(item, batch, row)` gives the rows of one item of a batch."""
    import pyarrow as pa

    from goodpart.decoding.decode import settings_for
    from goodpart.decoding.prompts import batches, render
    from goodpart.models.loading import load_entry

    limit_threads(job.threads)
    entry = job.params.model
    model = load_entry(entry)
    for file, decoding, output in zip(job.input.item_files, job.params.settings, job.outputs, strict=True):
        canvas = settings_for(model, **decoding).max_new_tokens
        items = read_table(file, ["item_id", "benchmark", "prompt"]).to_pylist()
        prompts = render(model.tokenizer, [item["prompt"] for item in items], entry["chat"])
        rows: dict[int, list[dict[str, Any]]] = {}
        groups = list(batches([len(prompt) for prompt in prompts], job.params.batch_size))
        for group in progress(groups, label):
            batch = first_pass(model, [prompts[i] for i in group], canvas)
            for at, i in enumerate(group):
                rows[i] = list(rows_of(items[i], batch, at))
        facts = provenance(model=entry["name"], revision=entry["revision"], decode=decoding)
        every = [row for i in range(len(items)) for row in rows[i]]
        table = pa.Table.from_pylist(every, schema=schema)
        write_table(output, with_place(table, job.wildcards.model, items[0]["benchmark"]), facts)
        logger.info("%s: %d prompts", output, len(items))
