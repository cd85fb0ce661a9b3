"""Similarity of each layer's input and output in the first pass over each prompt."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from goodpart.jobs.job import Job
from goodpart.states.first_pass import measure
from goodpart.states.pooling import PROMPT_SCHEMA
from goodpart.states.similarity import cosine

if TYPE_CHECKING:
    from goodpart.states.first_pass import FirstPass


def prompt_rows(item: dict[str, Any], batch: FirstPass, row: int) -> Iterator[dict[str, Any]]:
    """Rows of PROMPT_SCHEMA of one prompt: the mean cosine over its positions of a kind, by layer."""
    import torch

    states = [state[row].float().to(batch.device) for state in batch.states]
    cosines = torch.stack([cosine(a, b) for a, b in pairwise(states)]).double()  # [L, T]
    for kind, positions in batch.positions.items():
        at = positions[row]
        tokens = int(at.sum())
        means = cosines[:, at].mean(-1).tolist() if tokens else []
        for layer, mean in enumerate(means):
            yield {
                "benchmark": item["benchmark"],
                "item_id": item["item_id"],
                "kind": kind,
                "layer": layer,
                "cosine": mean,
                "tokens": tokens,
            }


def main(job: Job) -> None:
    """Write one file a benchmark."""
    measure(job, PROMPT_SCHEMA, prompt_rows, "prompt similarities")
