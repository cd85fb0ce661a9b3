"""What a step commits, by confidence: the best of a quota, or all that reach a threshold."""

from __future__ import annotations

import torch


def top_ranked(confidence: torch.Tensor, quota: torch.Tensor, official: bool) -> torch.Tensor:
    """Mark the `quota` [B] highest entries of each row of `confidence` [B, T].

    Ties go to the left; with `official`, wherever torch.topk sends them, as in the official code.
    """
    if official:
        chosen = torch.zeros_like(confidence, dtype=torch.bool)
        for row, number in enumerate(quota.tolist()):
            chosen[row, confidence[row].topk(number).indices] = True
        return chosen
    order = confidence.sort(dim=1, descending=True, stable=True).indices
    chosen = torch.arange(confidence.shape[1], device=confidence.device) < quota[:, None]
    return torch.zeros_like(chosen).scatter_(1, order, chosen)


def reached(confidence: torch.Tensor, threshold: float) -> torch.Tensor:
    """Mark the entries of each row of `confidence` [B, T] that reach the threshold, and its highest.

    Fast-dLLM's parallel decoding (Wu et al., 2025, section 3.3). Rows that are -inf throughout get none.
    """
    best = torch.zeros_like(confidence, dtype=torch.bool)
    best.scatter_(1, confidence.argmax(1, keepdim=True), True)
    return (best | (confidence >= threshold)) & (confidence > -torch.inf)
