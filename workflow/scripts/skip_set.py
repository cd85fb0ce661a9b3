"""Derive the skip set of one model, policy and k: static, one a prompt, or one a phase of denoising."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs.files import read_json
from goodpart.jobs.job import Job
from goodpart.jobs.runtime import logger
from goodpart.policies import Choice, policy_module, varies
from goodpart.policies.guard import chooser
from goodpart.policies.skip_sets import read_skip_set, write_sets, write_static
from goodpart.states.pooling import mean_angles, of_prompts, phase_similarities, pooled_similarities


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


def main(job: Job) -> None:
    """Write the skip set: JSON that a person can read and edit, or Parquet with one set a row."""
    settings, k = job.params.settings, int(job.wildcards.k)
    facts: dict[str, Any] = {
        "model": job.wildcards.model,
        "policy": job.wildcards.policy,
        "settings": settings,
    }
    by = varies(settings)
    if by:
        keys, choices = varying(job.input.basis, job.params.layers, k, settings)
        write_sets(job.output, by, keys, choices, **facts, asked_k=k)
    else:
        choice, measured = static(job.input.basis, job.params.layers, k, settings)
        write_static(job.output, choice, **facts, **measured)
        choices = [choice]
    short = [choice for choice in choices if choice.reason]
    if short:
        logger.warning(
            "asked %d layers, got %d (%d of %d sets have fewer than asked): %s",
            *(k, short[0].got_k, len(short), len(choices), short[0].reason),
        )
