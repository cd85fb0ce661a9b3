"""Similarity of each layer's input and output in the first pass over each evaluated prompt.

The pass that a decode begins with: the prompt and, for a diffusion model, a canvas of masks; no answer.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodpart.measures import PROMPT_SCHEMA
from goodpart.parquet import provenance, read_table, write_rows
from goodpart.runtime import limit_threads, logger, parser, progress, run
from goodpart.similarity import cosine

if TYPE_CHECKING:
    from goodpart.models import Model

KINDS = ("prompt", "masked")


def first_pass(model: Model, prompts: Sequence[Sequence[int]], canvas: int) -> Iterator[dict[str, Any]]:
    """Mean cosine and number of tokens by kind of position, of prompts (token ids) in one padded batch.

    Yields for each prompt {kind: (cosines [L], tokens)}; `canvas`: masks behind the prompt (diffusion).
    """
    import torch

    from goodpart.capture import capturing
    from goodpart.distributions import final_hidden
    from goodpart.samplers.common import canvas_of

    mask, pad = model.tokens.mask, model.tokens.pad
    length = 0 if mask is None else canvas
    ids, exists, start = canvas_of(prompts, length, pad if mask is None else mask, pad, model.device)
    where = {"prompt": exists.clone(), "masked": exists.clone()}
    where["prompt"][:, start:] = False
    where["masked"][:, :start] = False
    with capturing(model) as captured:
        final_hidden(model, ids, exists)
    states = (state.float().to(ids.device) for state in captured.states if state is not None)
    cosines = torch.stack([cosine(a, b) for a, b in pairwise(states)]).double()  # [L, B, T]
    for row in range(len(prompts)):
        yield {
            kind: (cosines[:, row, at[row]].mean(-1).tolist(), int(at[row].sum()))
            for kind, at in where.items()
            if at[row].any()
        }


def main(arguments: argparse.Namespace) -> None:
    """Write one file a benchmark."""
    from goodpart.decode import settings_for
    from goodpart.models import load
    from goodpart.prompts import render
    from goodpart.rules.generations import batches

    limit_threads(arguments.threads)
    entry = json.loads(arguments.model)
    model = load(entry["name"], revision=entry["revision"], dtype=entry["dtype"], device=entry["device"])
    for items_file, text, output in zip(arguments.items, arguments.settings, arguments.output, strict=True):
        canvas = settings_for(model, **json.loads(text)).max_new_tokens
        items = read_table(items_file, ["item_id", "benchmark", "prompt"]).to_pylist()
        prompts = render(model.tokenizer, [item["prompt"] for item in items], entry["chat"])
        measured: dict[int, dict[str, Any]] = {}
        groups = list(batches([len(prompt) for prompt in prompts], arguments.batch_size))
        for group in progress(groups, "prompt similarities"):
            found = first_pass(model, [prompts[i] for i in group], canvas)
            measured |= dict(zip(group, found, strict=True))
        rows = [
            {
                "benchmark": item["benchmark"],
                "item_id": item["item_id"],
                "kind": kind,
                "layer": layer,
                "cosine": cosine,
                "tokens": tokens,
            }
            for i, item in enumerate(items)
            for kind, (cosines, tokens) in measured[i].items()
            for layer, cosine in enumerate(cosines)
        ]
        facts = provenance(model=entry["name"], revision=entry["revision"], decode=json.loads(text))
        write_rows(output, rows, PROMPT_SCHEMA, facts)
        logger.info("%s: %d prompts", output, len(items))


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--model", required=True, help="name, revision, dtype, device, chat as JSON")
    options.add_argument("--items", type=Path, nargs="+", required=True, help="one file a benchmark")
    options.add_argument("--settings", nargs="+", required=True, help="decoding, as JSON a benchmark")
    options.add_argument("--batch-size", type=int, required=True)
    options.add_argument("--output", type=Path, nargs="+", required=True, help="one file a benchmark")
    run(main, options.parse_args())
