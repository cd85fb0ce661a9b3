"""Derive one static skip set from the pooled similarities of a model's layers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from goodpart.errors import GoodpartError
from goodpart.files import write_json
from goodpart.parquet import read_tables
from goodpart.policies import policy_module
from goodpart.runtime import logger, parser, run
from goodpart.similarity import pooled


def pooled_similarities(files: list[Path], layers: int, positions: str) -> tuple[list[float], int]:
    """Mean similarity of each layer at denoising step 0, over prompts; and how many prompts.

    `positions`: `prompt`, `masked` or `all`. Raises GoodpartError when a layer has no value.
    """
    table = read_tables(files, ["prompt_id", "step", "layer", "kind", "cosine"])
    keep = pc.equal(table["step"], 0)
    if positions != "all":
        keep = pc.and_(keep, pc.equal(table["kind"], positions))
    table = table.filter(keep)
    means = pooled(
        table["cosine"].to_numpy(), table["prompt_id"].to_numpy(), table["layer"].to_numpy(), layers
    )
    if not np.isfinite(means).all():
        raise GoodpartError(
            f"{files[0]}: no similarity at step 0 and positions {positions!r} for some of {layers} layers; "
            "let capture.steps begin with 0, and check models.<name>.layers"
        )
    prompts = len(set(table["prompt_id"].to_pylist()))
    return [float(mean) for mean in means], prompts


def main(arguments: argparse.Namespace) -> None:
    """Write the skip set as a JSON file that a person can read and edit."""
    settings = json.loads(arguments.settings)
    similarities, prompts = pooled_similarities(
        arguments.layers_files, arguments.layers, settings["positions"]
    )
    choice = policy_module(settings["kind"]).choose(similarities, arguments.k, settings)
    if choice.reason:
        logger.warning("asked %d layers, got %d: %s", arguments.k, len(choice.layers), choice.reason)
    write_json(
        arguments.output,
        {
            "model": arguments.model,
            "policy": arguments.policy,
            "settings": settings,
            "index_base": 0,
            "asked_k": arguments.k,
            "got_k": len(choice.layers),
            "reason": choice.reason,
            "layers": choice.layers,
            "similarities": [round(s, 6) for s in similarities],
            "prompts": prompts,
        },
    )


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--model", required=True, help="its name in the configuration")
    options.add_argument("--policy", required=True, help="its name in the configuration")
    options.add_argument("--settings", required=True, help="the policy's entry, as JSON")
    options.add_argument("--layers", type=int, required=True, help="number of layers of the model")
    options.add_argument("--k", type=int, required=True, help="layers to skip")
    options.add_argument("--layers-files", type=Path, nargs="+", required=True, help="layers.parquet")
    options.add_argument("--output", type=Path, required=True)
    run(main, options.parse_args())
