"""KL of a skipped model to the full-depth model, on the states that full depth went through.

Autoregressive models are teacher-forced on full depth's completion; diffusion models get the canvases of
some of its denoising steps, as its completion's commit steps restore them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from goodpart.decoding.likelihoods import final_hidden, kl_from_full_depth
from goodpart.models import gpu
from goodpart.models.families import reach_at
from goodpart.models.flops import blocks_by_pass
from goodpart.models.loading import Model

LayersAt = Callable[[int, int], Sequence[int]]  # (item, denoising step) -> layers skipped


@dataclass(frozen=True)
class State:
    """What the model is fed at one denoising step of one item, and the positions that it decides."""

    item: int
    step: int
    ids: list[int]  # prompt and generated positions [T]
    where: list[int]  # positions whose distributions are compared


@dataclass(frozen=True)
class Completion:
    """One full-depth completion, as the sampler or its record in generations/ has it."""

    prompt: Sequence[int]  # token ids
    canvas: Sequence[int]  # ids of the generated positions
    commit_steps: Sequence[int]  # the denoising step that committed each of them; -1: none did
    passes: int  # forward passes

    def states(self, item: int, settings: Any, mask: int | None, count: int) -> Iterator[State]:
        """States at `count` evenly spaced steps of the passes, for `item`.

        The positions are those that the sampler could commit at that step. Without a mask (autoregressive
        models) there is one state, the whole completion.
        """
        start = len(self.prompt)
        if mask is None:
            yield State(item, 0, [*self.prompt, *self.canvas], [start + i for i in range(len(self.canvas))])
            return
        n = min(count, self.passes)
        for step in dict.fromkeys(i * self.passes // n for i in range(n)):
            masked = [i for i, at in enumerate(self.commit_steps) if at >= step or at < 0]
            ids = [*self.prompt, *self.canvas]
            for i in masked:
                ids[start + i] = mask
            reach = reach_of(settings, step, self.commit_steps)
            yield State(item, step, ids, [start + i for i in masked if i < reach])


def reach_of(settings: Any, step: int, commit_steps: Sequence[int]) -> int:
    """Generated positions up to the end of the block that is decoded in this step of a completion.

    With a threshold it is the block of what the step committed.
    """
    if getattr(settings, "confidence_threshold", None) is None:
        return reach_at(settings, step)
    length = settings.max_new_tokens // settings.blocks
    return (blocks_by_pass(commit_steps, max(step, *commit_steps) + 1, length)[step] + 1) * length


def states(completions: Sequence[Completion], settings: Any, mask: int | None, count: int) -> list[State]:
    """States of completions, which are items 0, 1, ..., at `count` denoising steps of each.

    `settings`: the family's `Settings`; `mask`: id of the mask token, None for an autoregressive model.
    """
    return [s for i, one in enumerate(completions) for s in one.states(i, settings, mask, count)]


def kl_of_items(
    model: Model,
    items: int,
    recorded: Iterable[State],
    layers_at: LayersAt,
    batch_size: int,
    reference: Model | None = None,
) -> list[float | None]:
    """Mean KL(full depth || skipped) in nats of each of `items` items over the positions of its states.

    None for an item without a position. States of the same layers and of similar length share a batch.
    `reference`: the model whose full depth it is, where that is not `model` itself; both share their head.
    """
    import torch

    from goodpart.decoding.samplers.common import canvas_of

    groups: dict[tuple[int, ...], list[State]] = defaultdict(list)
    for state in recorded:
        groups[tuple(layers_at(state.item, state.step))].append(state)
    sums, counts = [0.0] * items, [0] * items
    sizes = gpu.Batches(batch_size)

    def measured(layers: tuple[int, ...], batch: list[State]) -> list[torch.Tensor]:
        ids, exists, width = canvas_of(
            [state.ids for state in batch], 0, model.tokens.pad, model.tokens.pad, model.device
        )
        where = torch.zeros_like(exists)
        for row, state in enumerate(batch):
            where[row, [width - len(state.ids) + i for i in state.where]] = True
        full = final_hidden(reference, ids, exists) if reference else None
        values = kl_from_full_depth(model, ids, layers, where, exists, full)
        return list(values.split([len(state.where) for state in batch]))

    for layers, members in groups.items():
        members.sort(key=lambda state: len(state.ids))
        for first in range(0, len(members), batch_size):
            for batch, parts in sizes.run(partial(measured, layers), members[first : first + batch_size]):
                for state, part in zip(batch, parts, strict=True):
                    sums[state.item] += float(part.double().sum())
                    counts[state.item] += len(part)
    return [total / n if n else None for total, n in zip(sums, counts, strict=True)]
