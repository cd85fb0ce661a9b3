"""Derive the skip set of one model, policy and k: static, one a prompt, or one a phase of denoising."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.files import read_json
from goodpart.measures import mean_angles, of_prompts, phase_similarities, pooled_similarities
from goodpart.policies import Choice, policy_module, varies
from goodpart.policies.guard import chooser
from goodpart.runtime import logger, parser, run
from goodpart.skip_sets import read_skip_set, write_sets, write_static


def static(files: list[Path], layers: int, k: int, settings: dict[str, Any]) -> tuple[Choice, dict[str, Any]]:
    """The choice of a policy whose set is one list, and what it was measured on."""
    policy, choose = policy_module(settings["kind"]), chooser(settings["kind"], layers)
    if policy.NEEDS == "layers":
        return choose(layers, k, settings), {}
    if policy.NEEDS == "divergence":
        searched = read_json(files[0])
        if str(k) not in searched["choices"]:
            raise GoodpartError(f"{files[0]}: k = {k} was not searched; name it in layers_skipped")
        measured = {**searched["measured"], "kl": searched["kl"][str(k)]}
        return Choice(**searched["choices"][str(k)]), measured
    if policy.NEEDS == "file":
        given = read_skip_set(files[0], layers).layers
        assert given is not None
        if len(given) > k:
            raise GoodpartError(f"{files[0]}: {len(given)} layers, but k = {k}; take some out, or raise k")
        return choose(given, k, settings), {"file": str(files[0])}
    if policy.NEEDS == "angles":
        angles, prompts = mean_angles(files, layers, settings["positions"])
        choice = choose(angles, k, settings)
        # Of each block of k layers by its first one.
        distances = [round(angles[first][first + k], 6) for first in range(layers - k + 1)]
        return choice, {"prompts": prompts, "block_angles": distances}
    pooling = getattr(policy, "POOLING", "prompts")
    similarities, prompts = pooled_similarities(files, layers, settings["positions"], pooling)
    return choose(similarities, k, settings), {"prompts": prompts}


def varying(
    files: list[Path], layers: int, k: int, settings: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[Choice]]:
    """Keys and choices of a policy whose set differs by prompt or by phase."""
    policy, choose = policy_module(settings["kind"]), chooser(settings["kind"], layers)
    if policy.NEEDS == "phases":
        phases = settings["phases"]
        measured = phase_similarities(files, layers, settings["positions"], phases)
        keys = [{"phase": p, "masked_share": 1 - p / phases} for p in range(phases)]
        return keys, choose(measured, k, settings)
    if policy.NEEDS == "file":
        given = read_skip_set(files[0], layers)
        if given.by != "prompt":
            raise GoodpartError(
                f"{files[0]}: not one set a prompt; give a .json file, or such a .parquet file"
            )
        keys = [{"benchmark": benchmark, "item_id": item} for benchmark, item in given.sets]
        return keys, [choose(chosen, k, settings) for chosen in given.sets.values()]
    prompts = of_prompts(files, layers, settings["positions"])
    keys = [{"benchmark": benchmark, "item_id": item} for benchmark, item in prompts]
    return keys, [choose(similarities, k, settings) for similarities in prompts.values()]


def main(arguments: argparse.Namespace) -> None:
    """Write the skip set: JSON that a person can read and edit, or Parquet with one set a row."""
    settings = json.loads(arguments.settings)
    facts: dict[str, Any] = {"model": arguments.model, "policy": arguments.policy, "settings": settings}
    by = varies(settings)
    if by:
        keys, choices = varying(arguments.measured, arguments.layers, arguments.k, settings)
        write_sets(arguments.output, by, keys, choices, **facts, asked_k=arguments.k)
    else:
        choice, measured = static(arguments.measured, arguments.layers, arguments.k, settings)
        write_static(arguments.output, choice, **facts, **measured)
        choices = [choice]
    short = [choice for choice in choices if choice.reason]
    if short:
        logger.warning(
            "asked %d layers, got %d (%d of %d sets have fewer than asked): %s",
            *(arguments.k, short[0].got_k, len(short), len(choices), short[0].reason),
        )


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--model", required=True, help="its name in the configuration")
    options.add_argument("--policy", required=True, help="its name in the configuration")
    options.add_argument("--settings", required=True, help="the policy's entry, as JSON")
    options.add_argument("--layers", type=int, required=True, help="number of layers of the model")
    options.add_argument("--k", type=int, required=True, help="layers to skip")
    options.add_argument("--measured", type=Path, nargs="*", default=[], help="what the policy needs")
    options.add_argument("--output", type=Path, required=True)
    run(main, options.parse_args())
