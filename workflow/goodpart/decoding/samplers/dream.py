"""Dream's sampler: a time grid, four rules for what to commit (Ye et al., 2025).

The grid covers the whole canvas, as in the official code, or each block in turn (`block_length`), which is
what a cache needs (Wu et al., 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from goodpart.decoding.samplers.common import (
    Decoded,
    Draws,
    Observe,
    Rows,
    picked,
    unpadded_positions,
)
from goodpart.decoding.samplers.ranking import reached, top_ranked
from goodpart.models.families import fed_columns
from goodpart.models.families.dream import Settings
from goodpart.models.loading import Model
from goodpart.models.skipping import SkipAt, skipping_at


@torch.inference_mode()
def decode(
    model: Model,
    prompts: Sequence[Sequence[int]],
    settings: Settings,
    seeds: Sequence[int] | None,
    observe: Observe | None = None,
    skip_at: SkipAt | None = None,
) -> list[Decoded]:
    """Decode a batch of prompts (token ids) to `Decoded`, in order; arguments as for LLaDA's sampler.

    The official code shares one quota among the rows of a batch (the mean number of masks); so does the
    official stream here. Otherwise each row has its own, as in a batch of one.
    """
    draws = Draws(seeds, model.device)
    rows = Rows(model, prompts, settings.max_new_tokens, settings.cache)
    length = settings.max_new_tokens // settings.blocks
    steps = settings.total_steps // settings.blocks
    shares = 1 - (grid := torch.linspace(1, settings.eps, steps + 1))[1:] / grid[:-1]
    shares = shares.to(model.device)  # of the masks, to commit in each step
    threshold = settings.confidence_threshold
    block, began = 0, 0  # the block that is decoded, and the pass that it began with
    for number in range(settings.total_steps):
        if threshold is None:
            block, step = divmod(number, steps)
        else:
            block, began = _next_block(rows, settings, block, began, number)
            step = number - began
        if not rows.active or block == settings.blocks:
            break
        first, last = rows.start + block * length, step == steps - 1
        # Token i is predicted at position i - 1, which is fed with the block.
        fed = fed_columns(settings.cache, step == 0, max(first - 1, 0), first + length, rows.ids.shape[1])
        begin = 0 if fed[0] == 0 else fed[0] + 1
        column, masked = rows.open_columns(begin, first + length, step)
        with skipping_at(model, skip_at, number):
            logits = _logits(model, rows, column, fed)  # [B, W, V]
            rows.check(logits, number, partial(_hidden, rows, fed))
        if observe:
            observe(number, rows.ids)
        if threshold is not None:
            token, confidence = _sample(logits, masked, settings, draws, rows)
            confidence = confidence.masked_fill(~masked, -torch.inf)
            rows.commit(column, token, confidence, partial(reached, threshold=threshold), masked.any(1))
        elif settings.alg == "origin":
            moves = masked
            # At the last step all move; the official code draws there all the same, before the tokens.
            if draws.official or not last:
                below = _uniform(draws, rows, masked) < shares[step]
                moves = masked if last else masked & below
            token, _ = _sample(logits, moves, settings, draws, rows)
            rows.commit(column, token, torch.where(moves, 0.0, -torch.inf), torch.isfinite)
        else:
            share = None if last else shares[step]
            _commit_ranked(rows, column, masked, share, logits, settings, draws)
        if settings.stop_early and not draws.official and rows.may_retire(step, steps):
            rows.retire()
    return rows.results()


def _commit_ranked(
    rows: Rows,
    column: torch.Tensor,
    masked: torch.Tensor,
    share: torch.Tensor | None,
    logits: torch.Tensor,
    settings: Settings,
    draws: Draws,
) -> None:
    """Commit the best of the open columns [B, W]: a `share` of the masks, or all that are left (None)."""
    token, confidence = _sample(logits, masked, settings, draws, rows)
    masks = masked.sum(1)
    if draws.official:
        masks = (masks.sum() / len(masks)).expand(len(masks))
    quota = masks.long() if share is None else (masks * share).long()
    confidence = confidence.to(logits.dtype).masked_fill(~masked, -torch.inf)
    if settings.alg_temp and not draws.official:
        # The highest of scores with Gumbel noise are a draw without replacement from their softmax.
        noise = _uniform(draws, rows, masked)
        confidence = confidence / settings.alg_temp - (-noise.log()).log()
    rows.commit(column, token, confidence, partial(_commit, quota, settings, draws))


def _next_block(rows: Rows, settings: Settings, block: int, began: int, number: int) -> tuple[int, int]:
    """The block that pass `number` decodes with a threshold, and the pass that it began with.

    The next one begins once no row has a mask in this one.
    """
    length = settings.max_new_tokens // settings.blocks
    while block < settings.blocks:
        first = rows.start + block * length
        if (rows.ids[:, first : first + length] == rows.mask).any():
            break
        block, began = block + 1, number
    return block, began


def _logits(model: Model, rows: Rows, column: torch.Tensor, fed: tuple[int, int]) -> torch.Tensor:
    """Logits [B, W, V] for the columns [B, W], from a pass over `fed`: token i from position i - 1."""
    return model.logits(picked(_hidden(rows, fed), column - 1 - fed[0]))


def _hidden(rows: Rows, fed: tuple[int, int]) -> torch.Tensor:
    """Normed hidden states [B, W, D] of a pass over the columns `fed`."""
    positions = None if rows.padding is None else unpadded_positions(rows.exists)
    return rows.hidden(*fed, positions)


def _sample(
    logits: torch.Tensor, where: torch.Tensor, settings: Settings, draws: Draws, rows: Rows
) -> tuple[torch.Tensor, torch.Tensor]:
    """A token [B, W] for each column and the confidence [B, W] that `alg` ranks it by; used at `where`."""
    low = torch.finfo(logits.dtype).min
    if settings.temperature > 0:
        logits = logits / settings.temperature
    if settings.top_p is not None and settings.top_p < 1:
        ordered, order = logits.sort(descending=True)
        beyond = ordered.softmax(-1).cumsum(-1) > settings.top_p
        beyond = beyond.roll(1, -1)  # keep the first token that crosses
        beyond[..., 0] = False
        logits = logits.masked_fill(torch.zeros_like(beyond).scatter(-1, order, beyond), low)
    if settings.top_k is not None:
        kth = logits.topk(min(settings.top_k, logits.shape[-1])).values[..., -1:]
        logits = logits.masked_fill(logits < kth, low)
    probability = logits.softmax(-1)
    if settings.temperature > 0:
        token = _multinomial(probability, where, draws, rows)
        confidence = probability.gather(-1, token[..., None])[..., 0]
    else:
        confidence, token = probability.max(-1)
    if settings.alg == "topk_margin":
        first, second = probability.topk(2).values.unbind(-1)
        confidence = first - second
    elif settings.alg == "entropy":
        confidence = (probability * (probability + 1e-10).log()).sum(-1)
    return token, confidence


def _commit(quota: torch.Tensor, settings: Settings, draws: Draws, score: torch.Tensor) -> torch.Tensor:
    """Mark [B, T] what is committed: the highest scores, or the official draw at `alg_temp` > 0."""
    if not (settings.alg_temp and draws.official):
        return top_ranked(score, quota, draws.official)
    marked = torch.zeros_like(score, dtype=torch.bool)
    if quota[0] > 0:
        weights = (score / settings.alg_temp).softmax(-1)
        marked.scatter_(1, draws.shared_multinomial(weights, int(quota[0]), replacement=False), True)
    return marked


def _uniform(draws: Draws, rows: Rows, masked: torch.Tensor) -> torch.Tensor:
    """One uniform number a column [B, W]; the official code draws for the masked ones of the batch."""
    if not draws.official:
        return rows.uniform(draws, masked.shape[1], (), torch.float32)
    made = torch.ones(masked.shape, device=masked.device)
    made[masked] = draws.shared([int(masked.sum())])
    return made


def _multinomial(probability: torch.Tensor, where: torch.Tensor, draws: Draws, rows: Rows) -> torch.Tensor:
    """One token a column [B, W] drawn from probability [B, W, V]; the official stream, at `where` alone."""
    token = torch.zeros(where.shape, dtype=torch.long, device=where.device)
    if draws.official:
        chosen = probability[where]
        if len(chosen):
            normed = chosen / chosen.sum(-1, keepdim=True)
            token[where] = draws.shared_multinomial(normed, 1, replacement=True)[:, 0]
        return token
    for i, (row, count) in enumerate(zip(rows.active, rows.counts, strict=True)):
        if count:
            token[i, :count] = probability[i, :count].multinomial(1, generator=draws.row(row))[:, 0]
    return token
