"""LLaDA's sampler: semi-autoregressive blocks, remasking by confidence (Nie et al., 2025, section 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from goodpart.decoding.samplers.common import Decoded, Draws, Observe, Rows, picked
from goodpart.decoding.samplers.ranking import reached, top_ranked
from goodpart.models.families import fed_columns
from goodpart.models.families.llada import Settings
from goodpart.models.loading import Model
from goodpart.models.skipping import SkipAt, skipping_at


def quotas(masks: torch.Tensor, steps: int) -> torch.Tensor:
    """Tokens to commit at each step [B, steps], given the masks [B] of a block: the first steps get more."""
    extra = torch.arange(steps, device=masks.device) < (masks % steps)[:, None]
    return (masks // steps)[:, None] + extra


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

    `seeds`: one a prompt, or None for the official global random stream. `observe` is called after each
    forward pass, before anything is committed. With `settings.stop_early` a row leaves the batch once
    its completion is settled; with the official stream all rows run to the last step. `skip_at`: see
    `goodpart.decoding.decode`.
    """
    draws = Draws(seeds, model.device)
    rows = Rows(model, prompts, settings.max_new_tokens, settings.cache)
    steps = settings.total_steps // settings.blocks
    threshold = settings.confidence_threshold
    number = 0  # of the pass
    for block in range(settings.blocks):
        first = rows.start + block * settings.block_length
        end = first + settings.block_length
        quota = quotas((rows.ids[:, first:end] == rows.mask).sum(1), steps)
        for step in range(steps):
            if not rows.active:
                break
            if threshold is not None and not (rows.ids[:, first:end] == rows.mask).any():
                break
            fed = fed_columns(settings.cache, step == 0, first, end, rows.ids.shape[1])
            column, masked = rows.open_columns(fed[0], end, step)
            with skipping_at(model, skip_at, number):
                logits = _logits(model, rows, column, fed, settings.cfg_scale)
                rows.check(logits, number, partial(rows.hidden, *fed))
            if observe:
                observe(number, rows.ids)
            token, confidence = _candidates(logits, column, rows, settings, draws)
            confidence = confidence.masked_fill(~masked, -torch.inf)
            if threshold is None:
                best = partial(top_ranked, quota=quota[:, step], official=draws.official)
                rows.commit(column, token, confidence, best)
            else:
                best = partial(reached, threshold=threshold)
                rows.commit(column, token, confidence, best, masked.any(1))
            number += 1
            if settings.stop_early and not draws.official and rows.may_retire(step, steps):
                quota = quota[rows.retire()]
    return rows.results()


def _logits(
    model: Model, rows: Rows, column: torch.Tensor, fed: tuple[int, int], cfg_scale: float
) -> torch.Tensor:
    """Logits [B, W, V] at the columns [B, W] to commit at; the pass is over columns `fed`."""
    if cfg_scale <= 0:
        return model.logits(picked(rows.hidden(*fed), column - fed[0]))
    # Classifier-free guidance: a second pass with the prompt, and its padding, masked.
    blank = rows.ids.clone()
    blank[:, : rows.start] = rows.mask
    both, visible = torch.cat([rows.ids, blank]), rows.visible(rows.ids.shape[1])
    hidden = model.module.model(
        input_ids=both,
        attention_mask=None if visible is None else visible.repeat(2, 1, 1, 1),
        use_cache=False,
    ).last_hidden_state.to(rows.ids.device)
    conditional, unconditional = (model.logits(picked(h, column)) for h in hidden.chunk(2))
    return unconditional + (cfg_scale + 1) * (conditional - unconditional)


def _candidates(
    logits: torch.Tensor,
    column: torch.Tensor,
    rows: Rows,
    settings: Settings,
    draws: Draws,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each column's candidate token [B, W] and the confidence [B, W] it is ranked by.

    The two eos switches keep the official code's faults: at temperature 0 `confidence_eos_eot_inf`
    hides eos and eot from the confidence, above 0 only eot, and a hidden candidate has confidence 0.
    """
    tokens, hot = rows.model.tokens, settings.temperature > 0
    if settings.logits_eos_inf:
        logits[..., tokens.eos] = -torch.inf
    noisy = logits
    if hot:
        uniform = _uniform(draws, rows, column, logits.shape[-1:], torch.float64)
        noisy = logits.double().exp() / (-uniform.log()) ** settings.temperature
    token = noisy.max(-1).indices  # three times as fast on a CPU as argmax
    if settings.confidence_eos_eot_inf:
        for hidden in [tokens.eot] if hot else [tokens.eos, tokens.eot]:
            if hidden is not None:
                logits[..., hidden] = -torch.inf
    if settings.remasking == "random":
        return token, _uniform(draws, rows, column, (), torch.float32)
    return token, logits.softmax(-1).gather(-1, token[..., None])[..., 0]


def _uniform(
    draws: Draws, rows: Rows, column: torch.Tensor, last: tuple[int, ...], dtype: torch.dtype
) -> torch.Tensor:
    """Uniform numbers [B, W, *last] for the columns [B, W]; the official code draws for the whole canvas."""
    if not draws.official:
        return rows.uniform(draws, column.shape[1], last, dtype)
    return picked(draws.shared((*rows.ids.shape, *last), dtype), column)
