"""What healing minimizes: KL of the model without some layers to the full-depth model.

Autoregressive models are compared at every token of their own completions, diffusion models at the masked
positions of theirs. Each row (a completion) counts the same, whatever its number of positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from goodpart.decoding.kl import State
from goodpart.decoding.likelihoods import final_hidden, forward_pass
from goodpart.decoding.samplers.common import canvas_of
from goodpart.models.families import family_module
from goodpart.models.loading import Model
from goodpart.models.skipping import skipping


@dataclass(frozen=True)
class Batch:
    """States as one padded batch: ids and what exists [B, T], and N positions (row, column of the logits)."""

    ids: torch.Tensor
    exists: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor


def batch_of(model: Model, states: Sequence[State]) -> Batch:
    """States, padded on the left, with the positions whose logits predict what is compared."""
    pad = model.tokens.pad
    ids, exists, width = canvas_of([s.ids for s in states], 0, pad, pad, model.device)
    shift = family_module(model.family).COLUMN_SHIFT
    places = [(row, width - len(s.ids) + at - shift) for row, s in enumerate(states) for at in s.where]
    row, column = torch.tensor(places, device=ids.device).T
    return Batch(ids, exists, row, column)


def full_depth(model: Model, batch: Batch) -> torch.Tensor:
    """Log-probabilities [N, V], float32, of the model as it is: the distributions to match."""
    hidden = final_hidden(model, batch.ids, batch.exists)[batch.row, batch.column]
    return model.logits(hidden).float().log_softmax(-1).clone()  # a tensor that gradients may pass by


def without_layers(model: Model, batch: Batch, layers: Sequence[int]) -> torch.Tensor:
    """The same without `layers`, as a function of the weights that are trained."""
    with skipping(model, layers):
        hidden = forward_pass(model, batch.ids, batch.exists)().last_hidden_state.to(batch.ids.device)
    head = model.module.lm_head(hidden[batch.row, batch.column])
    return model._scaled(head).float().log_softmax(-1)


def row_divergences(full: torch.Tensor, short: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """Mean KL(full || short) in nats of each row [B], from log-probabilities [N, V] at its positions."""
    values = (full.exp() * (full - short)).sum(-1)
    rows = int(row.max()) + 1
    sums = torch.zeros(rows, device=values.device).index_add(0, row, values)
    return sums / torch.bincount(row, minlength=rows).clamp_min(1)
