"""What a model assigns to tokens: log-likelihood of masked diffusion, and KL against full depth.

The head runs on chunks of positions: the logits of a whole sequence, [T, V], are never held at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from goodpart.errors import GoodpartError
from goodpart.models.families import family_module
from goodpart.models.finite import explain, is_finite, not_finite
from goodpart.models.loading import Model
from goodpart.models.skipping import skipping

if TYPE_CHECKING:
    import torch

CHUNK = 128  # positions whose logits are held at once


def forward_pass(model: Model, ids: torch.Tensor, exists: torch.Tensor | None = None) -> Callable[[], Any]:
    """One pass of the model's layers over ids [B, T], to be called; `exists` [B, T] marks what is no padding.

    Positions are counted with the padding or without it, as the family does.
    """
    from goodpart.decoding.samplers.common import unpadded_positions

    padding = None if exists is None or bool(exists.all()) else exists.long()
    positions = None
    if padding is not None and not getattr(family_module(model.family), "COUNTS_PADDING", False):
        positions = unpadded_positions(padding)
    return partial(
        model.module.model, input_ids=ids, attention_mask=padding, position_ids=positions, use_cache=False
    )


def final_hidden(model: Model, ids: torch.Tensor, exists: torch.Tensor | None = None) -> torch.Tensor:
    """Normed hidden states [B, T, D] of one `forward_pass`, without gradients.

    Raises GoodpartError for states that are not finite.
    """
    import torch

    forward = forward_pass(model, ids, exists)
    with torch.inference_mode():
        hidden = forward().last_hidden_state.to(ids.device)
    if not is_finite(hidden):
        raise explain(model, None, forward)
    return hidden


def log_likelihood(
    model: Model,
    prompt: Sequence[int],
    answer: Sequence[int],
    *,
    samples: int = 128,
    batch_size: int = 16,
    cfg_scale: float = 0.0,
    generator: torch.Generator | None = None,
    observe: Callable[[torch.Tensor], None] | None = None,
) -> float:
    """Monte-Carlo lower bound of log p(answer | prompt) in nats, as LLaDA's `get_log_likelihood` draws it.

    Each of `samples` draws masks m answer tokens, m spread evenly over a batch from a random start, and
    weights the log-probability of the masked tokens by (answer length) / m (Nie et al., 2025, equation 6).
    As there, only whole batches are drawn: `samples` is rounded down to a multiple of `batch_size`.
    `generator` None draws from the global stream, in the official order. `observe` gets the ids [B, T]
    fed to the model (with guidance, the unconditional rows after them). Raises GoodpartError for a model
    without a mask, an empty answer, or fewer samples than one batch.
    """
    import torch

    if model.tokens.mask is None:
        raise GoodpartError(f"{model.name}: not a diffusion model, it has no mask token")
    if not answer or not 1 <= batch_size <= samples:
        raise GoodpartError("give an answer of at least one token, and samples for at least one batch")
    if len(prompt) < _shift(model):
        raise GoodpartError(
            f"{model.name}: the prompt's end predicts the answer's first token; give a prompt"
        )
    batches = samples // batch_size
    ids = torch.tensor([*prompt, *answer], device=model.device).repeat(batch_size, 1)
    total = 0.0
    for _ in range(batches):
        masked, ratio = answer_masks(len(prompt), len(answer), batch_size, generator)
        masked, ratio = masked.to(model.device), ratio.to(model.device)
        noisy = ids.masked_fill(masked, model.tokens.mask)
        if cfg_scale > 0:
            blank = noisy.clone()
            blank[:, : len(prompt)] = model.tokens.mask
            noisy = torch.cat([noisy, blank])
        if observe:
            observe(noisy)
        hidden = final_hidden(model, noisy)
        row, column = masked.nonzero(as_tuple=True)
        picked = picked_log_probabilities(model, hidden, row, column, ids[row, column], cfg_scale)
        total += float((picked / ratio[row]).sum())
    if not math.isfinite(total):
        raise not_finite(model, None, None)
    return total / (batches * batch_size)


def picked_log_probabilities(
    model: Model,
    hidden: torch.Tensor,
    row: torch.Tensor,
    column: torch.Tensor,
    token: torch.Tensor,
    cfg_scale: float = 0.0,
) -> torch.Tensor:
    """Log-probabilities [N], float32, of the tokens [N] at (row, column) [N], from `final_hidden` [B, T, D].

    With guidance (`cfg_scale` above 0) the second half of the rows is unconditional.
    """
    import torch

    found = []
    for part in _chunks(len(row)):
        r, c = row[part], column[part] - _shift(model)
        logits = model.logits(hidden[r, c])
        if cfg_scale > 0:
            without = model.logits(hidden[r + len(hidden) // 2, c])
            logits = without + (cfg_scale + 1) * (logits - without)
        found.append(logits.float().log_softmax(-1).gather(1, token[part][:, None])[:, 0])
    return torch.cat(found)


def answer_masks(
    start: int, length: int, rows: int, generator: torch.Generator | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which positions [rows, start + length] are masked, and the share of the answer that is [rows]."""
    import torch

    first = int(torch.randint(1, length + 1, (), generator=generator))
    spread = torch.linspace(float(first), first + (rows - 1) * (length / rows), steps=rows)
    count = (spread.round().long() - 1) % length + 1
    masked = torch.zeros(rows, start + length, dtype=torch.bool)
    for row, number in enumerate(count.tolist()):
        order = torch.randperm(length, generator=generator)
        masked[row, start:] = order < number
    return masked, count / length


def kl_from_full_depth(
    model: Model,
    ids: torch.Tensor,
    layers: Sequence[int],
    where: torch.Tensor,
    exists: torch.Tensor | None = None,
    full: torch.Tensor | None = None,
) -> torch.Tensor:
    """KL(full depth || `layers` skipped) in nats [N] of the next-token distributions at N positions.

    ids [B, T] is what the model is fed; `where` [B, T] (bool) marks the tokens that are predicted, in whose
    row-major order the values come; for families that predict token i at position i - 1 none may be in the
    first column. `full`: `final_hidden` at full depth, where it is known already. Computed in float32; values
    are at least 0 up to rounding.
    """
    import torch

    if full is None:
        full = final_hidden(model, ids, exists)
    with skipping(model, layers):
        short = final_hidden(model, ids, exists)
    row, column = where.nonzero(as_tuple=True)
    if len(column) and int(column.min()) < _shift(model):
        raise GoodpartError("the first token of a sequence is predicted by nothing: leave it out of `where`")
    parts = []
    with torch.inference_mode():
        for part in _chunks(len(row)):
            at = (row[part], column[part] - _shift(model))
            p, q = (model.logits(hidden[at]).float().log_softmax(-1) for hidden in (full, short))
            parts.append((p.exp() * (p - q)).sum(-1))
    values = torch.cat(parts) if parts else torch.empty(0)
    if not is_finite(values):
        raise not_finite(model, None, None)
    return values


def _shift(model: Model) -> int:
    return family_module(model.family).COLUMN_SHIFT


def _chunks(n: int) -> Iterator[slice]:
    for first in range(0, n, CHUNK):
        yield slice(first, first + CHUNK)
