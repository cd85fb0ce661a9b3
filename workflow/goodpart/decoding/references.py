"""Negative log-likelihood of reference solutions, with layers skipped: a measure that needs no decoding.

Exact for autoregressive models. For masked diffusion it is the Monte-Carlo bound of LLaDA's
`get_log_likelihood` (Nie et al., 2025, equation 6), with the same draws whatever layers are skipped, so that
differences from full depth are paired.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goodpart.decoding.decode import refuse_beyond
from goodpart.decoding.likelihoods import answer_masks, final_hidden, picked_log_probabilities
from goodpart.errors import GoodpartError
from goodpart.models import gpu
from goodpart.models.loading import Model
from goodpart.models.skipping import skipping

if TYPE_CHECKING:
    import torch

LayersAt = Callable[
    [int, float], Sequence[int]
]  # (reference, share of its solution that is masked) -> layers


@dataclass(frozen=True)
class Reference:
    """A solution whose likelihood is asked for, after its prompt (token ids), and the seed of its draws."""

    prompt: Sequence[int]
    solution: Sequence[int]
    seed: int


@dataclass(frozen=True)
class _Canvas:
    """One pass over a reference: what the model is fed, the tokens that it predicts, and their weight."""

    reference: int
    ids: list[int]  # prompt and solution [T], some of it masked
    targets: list[tuple[int, int]]  # (position, token) of what is predicted
    weight: float


def negative_log_likelihoods(
    model: Model,
    references: Sequence[Reference],
    layers_at: LayersAt,
    draws: int,
    batch_size: int,
) -> list[float]:
    """-log p(solution | prompt) in nats of each reference; of a diffusion model an upper bound of it.

    draws: masks a reference, their numbers of masked tokens spread evenly over the solution's length
    (diffusion only). layers_at: which layers are skipped, 1.0 being the share that autoregressive models
    are asked with. Canvases of the same layers and of similar length share a batch. Raises GoodpartError for
    an empty solution or prompt.
    """
    import torch

    groups: dict[tuple[int, ...], list[_Canvas]] = defaultdict(list)
    for number, reference in enumerate(references):
        for canvas in _canvases(number, reference, draws, model.tokens.mask):
            share = len(canvas.targets) / len(reference.solution)
            groups[tuple(layers_at(number, share))].append(canvas)
    for canvases in groups.values():
        refuse_beyond(model, max(len(canvas.ids) for canvas in canvases))
    totals = [0.0] * len(references)
    sizes = gpu.Batches(batch_size)

    def measured(batch: list[_Canvas]) -> list[torch.Tensor]:
        from goodpart.decoding.samplers.common import canvas_of

        rows = [canvas.ids for canvas in batch]
        ids, exists, width = canvas_of(rows, 0, model.tokens.pad, model.tokens.pad, model.device)
        flat = [
            (row, width - len(canvas.ids) + position, token)
            for row, canvas in enumerate(batch)
            for position, token in canvas.targets
        ]
        row, column, token = torch.tensor(flat, device=model.device).unbind(1)
        with torch.inference_mode():
            found = picked_log_probabilities(model, final_hidden(model, ids, exists), row, column, token)
        return list(found.split([len(canvas.targets) for canvas in batch]))

    for layers, canvases in groups.items():
        canvases.sort(key=lambda canvas: len(canvas.ids))
        for first in range(0, len(canvases), batch_size):
            with skipping(model, layers):
                for batch, parts in sizes.run(measured, canvases[first : first + batch_size]):
                    for canvas, part in zip(batch, parts, strict=True):
                        totals[canvas.reference] -= canvas.weight * float(part.double().sum())
    return totals


def _canvases(number: int, reference: Reference, draws: int, mask: int | None) -> Iterator[_Canvas]:
    """What the model is fed for one reference: the text itself, or `draws` masked forms of its solution."""
    import torch

    start, solution = len(reference.prompt), list(reference.solution)
    if not solution or not start:
        raise GoodpartError("the likelihood of a solution needs a prompt and a solution of a token or more")
    ids = [*reference.prompt, *solution]
    if mask is None:
        yield _Canvas(number, ids, [(start + i, token) for i, token in enumerate(solution)], 1.0)
        return
    generator = torch.Generator().manual_seed(reference.seed)
    masked, ratio = answer_masks(0, len(solution), draws, generator)
    for chosen, share in zip(masked.tolist(), ratio.tolist(), strict=True):
        targets = [
            (start + i, token) for i, (token, is_in) in enumerate(zip(solution, chosen, strict=True)) if is_in
        ]
        noisy = list(ids)
        for position, _ in targets:
            noisy[position] = mask
        yield _Canvas(number, noisy, targets, 1 / (share * draws))
