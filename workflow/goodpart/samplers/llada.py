"""LLaDA's sampler: semi-autoregressive blocks, remasking by confidence (Nie et al., 2025, section 2.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from goodpart.families.llada import Settings
from goodpart.models import Model
from goodpart.samplers.common import Decoded, Draws, Observe, Rows, fed_columns, top_ranked
from goodpart.skipping import SkipAt, skipping_at


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
    `goodpart.decode`.
    """
    draws = Draws(seeds)
    rows = Rows(model, prompts, settings.max_new_tokens, settings.cache)
    steps = settings.total_steps // settings.blocks
    for block in range(settings.blocks):
        end = rows.start + (block + 1) * settings.block_length
        quota = quotas((rows.ids[:, end - settings.block_length : end] == rows.mask).sum(1), steps)
        for step in range(steps):
            if not rows.active:
                break
            x, number = rows.ids, block * steps + step
            masked = x == rows.mask
            masked[:, end:] = False
            row, column = masked.nonzero(as_tuple=True)
            fed = fed_columns(settings.cache, step == 0, end - settings.block_length, end, x.shape[1])
            with skipping_at(model, skip_at, number):
                logits = _logits(model, rows, row, column, fed, settings.cfg_scale)
            if observe:
                observe(number, x)
            token, confidence = _candidates(logits, row, column, rows, settings, draws)
            score = torch.full(x.shape, -torch.inf, dtype=confidence.dtype, device=x.device)
            score[row, column] = confidence
            chosen = top_ranked(score, quota[:, step], draws.official) & masked
            x[row, column] = torch.where(chosen[row, column], token, x[row, column])
            if settings.stop_early and not draws.official:
                quota = quota[rows.retire(number + 1)]
    return rows.results(settings.total_steps)


def _logits(
    model: Model,
    rows: Rows,
    row: torch.Tensor,
    column: torch.Tensor,
    fed: tuple[int, int],
    cfg_scale: float,
) -> torch.Tensor:
    """Logits [N, V] at the N positions (row, column) to commit at; the pass is over columns `fed`."""
    decoder, head = model.module.model, model.module.lm_head
    if cfg_scale <= 0:
        return head(rows.hidden(*fed)[row, column - fed[0]])
    # Classifier-free guidance: a second pass with the prompt, and its padding, masked.
    x, padding = rows.ids, rows.padding
    blank = x.clone()
    blank[:, : rows.start] = rows.mask
    padding = None if padding is None else padding.repeat(2, 1)
    both = torch.cat([x, blank])
    hidden = decoder(input_ids=both, attention_mask=padding, use_cache=False).last_hidden_state
    conditional, unconditional = (head(h[row, column]) for h in (hidden[: len(x)], hidden[len(x) :]))
    return unconditional + (cfg_scale + 1) * (conditional - unconditional)


def _candidates(
    logits: torch.Tensor,
    row: torch.Tensor,
    column: torch.Tensor,
    rows: Rows,
    settings: Settings,
    draws: Draws,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each position's candidate token [N] and the confidence [N] it is ranked by.

    The two eos switches keep the official code's faults: at temperature 0 `confidence_eos_eot_inf`
    hides eos and eot from the confidence, above 0 only eot, and a hidden candidate has confidence 0.
    """
    tokens, hot = rows.model.tokens, settings.temperature > 0
    if settings.logits_eos_inf:
        logits[:, tokens.eos] = -torch.inf
    noisy = logits
    if hot:
        uniform = _uniform(draws, rows, row, column, logits.shape[1], torch.float64)
        noisy = logits.double().exp() / (-uniform.log()) ** settings.temperature
    token = noisy.argmax(-1)
    if settings.confidence_eos_eot_inf:
        hidden = [tokens.eot] if hot else [tokens.eos, tokens.eot]
        logits[:, [i for i in hidden if i is not None]] = -torch.inf
    if settings.remasking == "random":
        return token, _uniform(draws, rows, row, column, None, torch.float32)
    return token, logits.softmax(-1).gather(1, token[:, None])[:, 0]


def _uniform(
    draws: Draws,
    rows: Rows,
    row: torch.Tensor,
    column: torch.Tensor,
    vocabulary: int | None,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Uniform numbers for N positions: [N, V], or [N] without a vocabulary."""
    device, last = rows.ids.device, () if vocabulary is None else (vocabulary,)
    if draws.official:
        return torch.rand((*rows.ids.shape, *last), dtype=dtype, device=device)[row, column]
    counts = torch.bincount(row, minlength=len(rows.active)).tolist()
    parts = [
        torch.rand((n, *last), dtype=dtype, generator=draws.row(r))
        for r, n in zip(rows.active, counts, strict=True)
    ]
    return torch.cat(parts).to(device)
