"""Training losses: next-token prediction, and masked diffusion as LLaDA trains (weight 1/t)."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from goodpart_tools.tiny.batches import Batch

PROMPT_WEIGHT = 0.2  # weight of prompt tokens in next-token prediction: random stories teach little


def next_token_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy of token i + 1 at position i, prompt tokens weighted by PROMPT_WEIGHT."""
    exists = batch.exists.long()
    logits = model(input_ids=batch.ids, attention_mask=exists, use_cache=False).logits[:, :-1]
    losses = cross_entropy(logits.transpose(1, 2), batch.ids[:, 1:], reduction="none")
    weight = batch.exists * torch.where(batch.response, 1.0, PROMPT_WEIGHT)
    return (losses * weight[:, 1:]).sum() / weight[:, 1:].sum()


def diffusion_loss(
    model: Any, batch: Batch, mask: int, shift: int, generator: torch.Generator
) -> torch.Tensor:
    """Masked diffusion on the response: each row has its own mask ratio t, and its loss the weight 1/t.

    `shift`: 1 if token i is predicted at position i - 1 (Dream), 0 if at i (LLaDA). The ratios of a batch are
    stratified over (0, 1]: the same expectation as independent draws, with less variance.
    """
    rows = batch.ids.shape[0]
    u = torch.rand(1, generator=generator)
    t = (u + torch.arange(rows) / rows) % 1.0
    t = t[torch.randperm(rows, generator=generator)].clamp_min(1e-2)[:, None]
    masked = batch.response & (torch.rand(batch.ids.shape, generator=generator) < t)
    noisy = batch.ids.masked_fill(masked, mask)
    exists = batch.exists.long()
    hidden = model.model(input_ids=noisy, attention_mask=exists, use_cache=False).last_hidden_state
    row, column = masked.nonzero(as_tuple=True)
    logits = model.lm_head(hidden[row, column - shift])
    losses = cross_entropy(logits, batch.ids[row, column], reduction="none")
    return (losses / t[row, 0]).sum() / batch.response.sum()
