"""Similarity of each layer's input and output in the first pass over each prompt."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from goodpart.first_pass import arguments_of, measure
from goodpart.measures import PROMPT_SCHEMA
from goodpart.runtime import run
from goodpart.similarity import cosine

if TYPE_CHECKING:
    from goodpart.first_pass import FirstPass


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


def main(arguments: argparse.Namespace) -> None:
    """Write one file a benchmark."""
    measure(arguments, PROMPT_SCHEMA, prompt_rows, "prompt similarities")


if __name__ == "__main__":
    run(main, arguments_of(__doc__).parse_args())
