"""Decoding for users and rules alike: one call for every family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodpart.decoding.samplers import sampler_module
from goodpart.decoding.samplers.common import Decoded, Observe
from goodpart.errors import GoodpartError
from goodpart.models.families import family_module
from goodpart.models.graphs import graphed
from goodpart.models.loading import Model
from goodpart.models.skipping import SkipAt


def settings_for(model: Model, **arguments: Any) -> Any:
    """The family's `Settings`: `max_new_tokens`, and what its sampler takes besides.

    Raises GoodpartError for values that do not fit together, TypeError for an unknown argument.
    """
    return family_module(model.family).Settings(**arguments)


def refuse_beyond(model: Model, length: int) -> None:
    """GoodpartError for rows of so many tokens that the rotation of all rows of a batch would depend on them.

    transformers takes `dynamic` and `longrope` rotations of the longest row for all rows: a completion would
    depend on its neighbours.
    """
    config = model.module.config
    rotation = getattr(config, "rope_parameters", None) or {}
    for one in rotation.values() if all(isinstance(v, dict) for v in rotation.values()) else [rotation]:
        kind = one.get("rope_type", "default")
        limit = {
            "dynamic": config.max_position_embeddings,
            "longrope": one.get("original_max_position_embeddings")
            or getattr(config, "original_max_position_embeddings", None)
            or config.max_position_embeddings,
        }.get(kind)
        if limit is not None and length > limit:
            raise GoodpartError(
                f"{model.name}: {length} tokens of prompt and completion; its rotation ({kind}) changes with "
                f"the longest row of a batch beyond {limit} tokens, which is not implemented: lower "
                "max_new_tokens, or take shorter prompts"
            )


def decode(
    model: Model,
    prompts: Sequence[Sequence[int]],
    settings: Any,
    *,
    seeds: Sequence[int] | None = None,
    official: bool = False,
    observe: Observe | None = None,
    skip_at: SkipAt | None = None,
) -> list[Decoded]:
    """Complete a batch of prompts (token ids), in order.

    `seeds`: one a prompt (0, 1, ... by default), so that a completion depends neither on its batch nor on
    its place in it; with `official` the CPU's global random stream is drawn from as the official code does.
    `observe(step, ids)` is called after each forward pass of a denoising step, ids [B, T] being its input.
    `skip_at(step)`: layers to skip in that denoising step (numbered from 0); for the same layers at every
    step use `skipping`. Raises GoodpartError for another number of seeds than of prompts, and with a cache,
    where a layer's keys and values would be missing after a step without it.
    """
    if skip_at is not None and getattr(settings, "cache", "transformers'") != "none":
        raise GoodpartError(
            "layers that change from step to step and a cache exclude each other: a step without a layer "
            "leaves no keys and values of it for the next; decode a diffusion model with cache: none"
        )
    if skip_at is not None and getattr(settings, "confidence_threshold", None) is not None:
        raise GoodpartError(
            "layers that change from step to step need to know how many steps there are, which a "
            "confidence_threshold decides; leave one of them out"
        )
    own = list(range(len(prompts))) if seeds is None else list(seeds)
    if len(own) != len(prompts):
        raise GoodpartError(f"{len(own)} seeds for {len(prompts)} prompts; give one a prompt")
    if not prompts:
        return []
    refuse_beyond(model, max(map(len, prompts)) + settings.max_new_tokens)
    sampler = sampler_module(model.family)
    with graphed(model):
        return sampler.decode(model, prompts, settings, None if official else own, observe, skip_at)
