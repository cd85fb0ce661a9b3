"""KL of a skipped model to the full-depth model, on the states that full depth went through.

Autoregressive models are teacher-forced on full depth's completion; diffusion models get the canvases of
some of its denoising steps, as its completion's commit steps restore them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from goodpart import gpu
from goodpart.distributions import kl_from_full_depth
from goodpart.models import Model

LayersAt = Callable[[int, int], Sequence[int]]  # (item, denoising step) -> layers skipped


@dataclass(frozen=True)
class State:
    """What the model is fed at one denoising step of one item, and the positions that it decides."""

    item: int
    step: int
    ids: list[int]  # prompt and generated positions [T]
    where: list[int]  # positions whose distributions are compared


def states(
    item: int,
    prompt: Sequence[int],
    canvas: Sequence[int],
    commit_steps: Sequence[int],
    passes: int,
    settings: Any,
    mask: int | None,
    count: int,
) -> list[State]:
    """States of one full-depth completion at `count` evenly spaced steps of its `passes`.

    canvas, commit_steps [generated length]: ids, and the step that committed each (-1: none did). The
    positions are those that the sampler could commit at that step. Without a mask (autoregressive models)
    there is one state, the whole completion.
    """
    start = len(prompt)
    if mask is None:
        return [State(item, 0, [*prompt, *canvas], [start + i for i in range(len(canvas))])]
    n = min(count, passes)
    found = []
    for step in dict.fromkeys(i * passes // n for i in range(n)):
        masked = [i for i, at in enumerate(commit_steps) if at >= step or at < 0]
        ids = [*prompt, *canvas]
        for i in masked:
            ids[start + i] = mask
        reach = settings.reach(step)
        found.append(State(item, step, ids, [start + i for i in masked if i < reach]))
    return found


def kl_of_items(
    model: Model, items: int, recorded: Iterable[State], layers_at: LayersAt, batch_size: int
) -> list[float | None]:
    """Mean KL(full depth || skipped) in nats of each of `items` items over the positions of its states.

    None for an item without a position. States of the same layers and of similar length share a batch.
    """
    import torch

    from goodpart.samplers.common import canvas_of

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
        values = kl_from_full_depth(model, ids, layers, where, exists)
        return list(values.split([len(state.where) for state in batch]))

    for layers, members in groups.items():
        members.sort(key=lambda state: len(state.ids))
        for first in range(0, len(members), batch_size):
            for batch, parts in sizes.run(partial(measured, layers), members[first : first + batch_size]):
                for state, part in zip(batch, parts, strict=True):
                    sums[state.item] += float(part.double().sum())
                    counts[state.item] += len(part)
    return [total / n if n else None for total, n in zip(sums, counts, strict=True)]
