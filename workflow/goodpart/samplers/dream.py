"""Dream's sampler: a time grid, four rules for what to commit (Ye et al., 2025).

The grid covers the whole canvas, as in the official code, or each block in turn (`block_length`), which is
what a cache needs (Wu et al., 2025).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from goodpart.families.dream import Settings
from goodpart.models import Model
from goodpart.samplers.common import (
    Decoded,
    Draws,
    Observe,
    Rows,
    fed_columns,
    top_ranked,
    unpadded_positions,
)
from goodpart.skipping import SkipAt, skipping_at


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
    draws = Draws(seeds)
    rows = Rows(model, prompts, settings.max_new_tokens, settings.cache)
    length = settings.block_length or settings.max_new_tokens
    blocks = settings.max_new_tokens // length
    steps = settings.total_steps // blocks
    grid = torch.linspace(1, settings.eps, steps + 1)
    for number in range(settings.total_steps):
        if not rows.active:
            break
        block, step = divmod(number, steps)
        first = rows.start + block * length
        x = rows.ids
        masked = x == rows.mask
        masked[:, first + length :] = False
        row, column = masked.nonzero(as_tuple=True)
        # Token i is predicted at position i - 1, which is fed with the block.
        fed = fed_columns(settings.cache, step == 0, max(first - 1, 0), first + length, x.shape[1])
        with skipping_at(model, skip_at, number):
            logits = _logits(model, rows, row, column, fed)
        if observe:
            observe(number, x)
        share = 1 - grid[step + 1] / grid[step]  # of the masks, to commit in this step
        last = step == steps - 1
        if settings.alg == "origin":
            chosen = _uniform(draws, rows, row) < (1.0 if last else share.to(x.device))
            token = torch.full_like(row, rows.mask)
            if chosen.any():
                token[chosen] = _sample(logits[chosen], settings, draws, rows, row[chosen])[0]
            x[row, column] = token
        else:
            token, confidence = _sample(logits, settings, draws, rows, row)
            masks = masked.sum(1)
            if draws.official:
                masks = (masks.sum() / len(masks)).expand(len(masks))
            quota = masks.long() if last else (masks * share.to(x.device)).long()
            score = torch.full(x.shape, -torch.inf, dtype=logits.dtype, device=x.device)
            score[row, column] = confidence.to(logits.dtype)
            commit = _commit(score, quota, settings.alg_temp, draws, rows) & masked
            x[row, column] = torch.where(commit[row, column], token, x[row, column])
        if settings.stop_early and not draws.official:
            rows.retire(number + 1)
    return rows.results(settings.total_steps)


def _logits(
    model: Model, rows: Rows, row: torch.Tensor, column: torch.Tensor, fed: tuple[int, int]
) -> torch.Tensor:
    """Logits [N, V] for N masked positions, from a pass over columns `fed`: token i from position i - 1."""
    positions = None if rows.padding is None else unpadded_positions(rows.exists)
    hidden = rows.hidden(*fed, positions)
    return model.module.lm_head(hidden[row, (column - 1 - fed[0]).clamp_min(0)])


def _sample(
    logits: torch.Tensor, settings: Settings, draws: Draws, rows: Rows, row: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A token [N] for each position and the confidence [N] that `alg` ranks it by."""
    low = torch.finfo(logits.dtype).min
    if settings.temperature > 0:
        logits = logits / settings.temperature
    if settings.top_p is not None and settings.top_p < 1:
        ordered, order = logits.sort(descending=True)
        beyond = ordered.softmax(-1).cumsum(-1) > settings.top_p
        beyond = beyond.roll(1, -1)  # keep the first token that crosses
        beyond[:, 0] = False
        logits = logits.masked_fill(torch.zeros_like(beyond).scatter(1, order, beyond), low)
    if settings.top_k is not None:
        kth = logits.topk(min(settings.top_k, logits.shape[1])).values[:, -1:]
        logits = logits.masked_fill(logits < kth, low)
    probability = logits.softmax(-1)
    if settings.temperature > 0:
        token = _multinomial(probability, draws, rows, row)
        confidence = probability.gather(1, token[:, None])[:, 0]
    else:
        confidence, token = probability.max(-1)
    if settings.alg == "topk_margin":
        first, second = probability.topk(2).values.unbind(1)
        confidence = first - second
    elif settings.alg == "entropy":
        confidence = (probability * (probability + 1e-10).log()).sum(-1)
    return token, confidence


def _commit(
    score: torch.Tensor, quota: torch.Tensor, alg_temp: float | None, draws: Draws, rows: Rows
) -> torch.Tensor:
    """Mark the positions [B, T] to commit: the highest scores, or a draw at `alg_temp` > 0."""
    if not alg_temp:
        return top_ranked(score, quota, draws.official)
    weights = (score / alg_temp).softmax(-1)
    marked = torch.zeros_like(score, dtype=torch.bool)
    if draws.official:
        if quota[0] > 0:
            marked.scatter_(1, weights.multinomial(int(quota[0])), True)
        return marked
    for i, r in enumerate(rows.active):
        if quota[i] > 0:
            drawn = weights[i].cpu().multinomial(int(quota[i]), generator=draws.row(r))
            marked[i, drawn.to(marked.device)] = True
    return marked


def _uniform(draws: Draws, rows: Rows, row: torch.Tensor) -> torch.Tensor:
    """One uniform number a masked position [N]."""
    if draws.official:
        return torch.rand(row.shape, device=row.device)
    counts = torch.bincount(row, minlength=len(rows.active)).tolist()
    parts = [torch.rand(n, generator=draws.row(r)) for r, n in zip(rows.active, counts, strict=True)]
    return torch.cat(parts).to(row.device)


def _multinomial(probability: torch.Tensor, draws: Draws, rows: Rows, row: torch.Tensor) -> torch.Tensor:
    """One token a position [N] drawn from probability [N, V]."""
    if draws.official:
        normed = probability / probability.sum(-1, keepdim=True)
        return normed.multinomial(1, replacement=True)[:, 0]
    parts = [
        probability[row == i].cpu().multinomial(1, generator=draws.row(r))[:, 0]
        for i, r in enumerate(rows.active)
        if (row == i).any()
    ]
    return torch.cat(parts).to(probability.device)
