"""Autoregressive decoding by transformers' `generate`: greedy, or nucleus sampling."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from goodpart.decoding.samplers.common import Decoded, Observe, canvas_of, finish
from goodpart.models.families.qwen2 import Settings
from goodpart.models.finite import explain, is_finite
from goodpart.models.loading import Model
from goodpart.models.skipping import SkipAt


@torch.inference_mode()
def decode(
    model: Model,
    prompts: Sequence[Sequence[int]],
    settings: Settings,
    seeds: Sequence[int] | None,
    observe: Observe | None = None,
    skip_at: SkipAt | None = None,
) -> list[Decoded]:
    """Decode a batch of prompts (token ids) to `Decoded`, in order.

    Greedy decoding takes the whole batch. Sampling takes a prompt at a time, each from its own seed
    (`seeds` None: the global stream), since `generate` draws for all rows at once. `skip_at` is always None:
    `generate` caches, and `goodpart.decoding.decode` refuses it.
    """
    from transformers import GenerationConfig, LogitsProcessorList

    tokens, hot = model.tokens, settings.temperature > 0
    # A checkpoint's own generation_config may hold penalties and sampling: every argument is explicit.
    config = GenerationConfig(
        max_new_tokens=settings.max_new_tokens,
        do_sample=hot,
        **({"temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0} if hot else {}),
        eos_token_id=sorted(tokens.ends),
        pad_token_id=tokens.pad,
        disable_compile=True,  # of a cache on fixed memory, which `models.graphs` records
    )
    saved, model.module.generation_config = model.module.generation_config, config
    groups = [[i] for i in range(len(prompts))] if hot else [list(range(len(prompts)))]
    results: list[Decoded] = []
    try:
        for group in groups:
            chosen = [prompts[i] for i in group]
            ids, exists, start = canvas_of(chosen, 0, tokens.pad, tokens.pad, model.device)
            if observe:
                observe(0, ids)
            # Of this model's device only: by default, torch opens every GPU of the machine.
            devices = [model.device] if model.device.type == "cuda" else []
            with torch.random.fork_rng(devices, enabled=seeds is not None):
                if seeds is not None:
                    torch.manual_seed(seeds[group[0]])
                out = model.module.generate(
                    ids,
                    attention_mask=exists.long(),
                    generation_config=config,
                    past_key_values=_cache(model, start + settings.max_new_tokens),
                    logits_processor=LogitsProcessorList([partial(_check, model, exists)]),
                )
            for row, prompt in zip(out, chosen, strict=True):
                ids = row[start - len(prompt) :]
                made = ids[len(prompt) :].tolist()
                # What stands after an end marker is padding of the batch.
                passes = next((i for i, token in enumerate(made, 1) if token in tokens.ends), len(made))
                ids = ids[: len(prompt) + passes]
                results.append(finish(ids, len(prompt), model, passes, list(range(passes))))
    finally:
        model.module.generation_config = saved
    return results


def _cache(model: Model, length: int) -> Any:
    """Keys and values of `length` tokens in fixed memory for CUDA graphs; None for transformers' own."""
    from transformers import StaticCache

    return StaticCache(config=model.module.config, max_cache_len=length) if model.cuda_graphs else None


def _check(model: Model, exists: torch.Tensor, ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """The logits [B, V] that follow ids [B, T], as they are; GoodpartError, with the layer, if not finite."""
    if not is_finite(logits):
        step = ids.shape[1] - exists.shape[1]
        seen = torch.nn.functional.pad(exists.long(), (0, step), value=1)
        forward = partial(model.module.model, input_ids=ids, attention_mask=seen, use_cache=False)
        raise explain(model, step, forward)
    return logits
