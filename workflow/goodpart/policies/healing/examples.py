"""What healing trains on: calibration prompts with the full-depth model's own completions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from goodpart.decoding.decode import decode
from goodpart.decoding.kl import State
from goodpart.decoding.prompts import batches, render
from goodpart.decoding.samplers.common import item_seed
from goodpart.errors import GoodpartError
from goodpart.models.loading import Model
from goodpart.policies.healing import HELD_OUT

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Example:
    """A prompt and what the full-depth model writes after it (token ids), and what that took."""

    prompt: list[int]
    answer: list[int]
    passes: int = 0
    commits: tuple[int, ...] = ()  # the denoising step that committed each generated position


def unevaluated(
    items: Sequence[Mapping[str, Any]], evaluated: Collection[str], count: int
) -> list[Mapping[str, Any]]:
    """The first `count` items whose prompt no evaluated item has; fewer where there are no more."""
    known = {prompt.strip() for prompt in evaluated}
    return [item for item in items if item["prompt"].strip() not in known][:count]


def split(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Those that are trained on, and every `HELD_OUT`th, which is not."""
    held = [example for i, example in enumerate(examples) if i % HELD_OUT == HELD_OUT - 1]
    return [example for i, example in enumerate(examples) if i % HELD_OUT != HELD_OUT - 1], held


def completed(
    model: Model,
    items: Sequence[Mapping[str, Any]],
    settings: Any,
    *,
    chat: bool,
    seed: int,
    batch_size: int,
) -> list[Example]:
    """The full-depth model's completions of items (item_id, prompt), in order.

    A diffusion model's has all generated positions, an autoregressive one's ends with its end marker.
    """
    prompts = render(model.tokenizer, [item["prompt"] for item in items], chat)
    made: dict[int, Example] = {}
    for group in batches([len(prompt) for prompt in prompts], batch_size):
        seeds = [item_seed(seed, items[i]["item_id"], 0) for i in group]
        decoded = decode(model, [prompts[i] for i in group], settings, seeds=seeds)
        for i, done in zip(group, decoded, strict=True):
            answer = done.canvas[len(prompts[i]) :].tolist()
            if model.tokens.mask is None:
                answer = answer[: len(done.token_ids) + done.ended]
            made[i] = Example(prompts[i], answer, done.forward_passes, tuple(done.commit_steps))
    found = [made[i] for i in range(len(items)) if made[i].answer]
    if len(found) < HELD_OUT:
        raise GoodpartError(
            f"{len(found)} calibration prompts with a completion: healing needs {HELD_OUT} or more; raise "
            "policies.<name>.heal.prompts, or name a larger calibration split"
        )
    return found


def orders(count: int, size: int, seed: int) -> Iterator[list[int]]:
    """Batches of `size` of `count` examples forever: each epoch in a new order, which `seed` decides."""
    import torch

    generator, pending = torch.Generator().manual_seed(seed), []
    while True:
        while len(pending) < size:
            pending += torch.randperm(count, generator=generator).tolist()
        yield pending[:size]
        pending = pending[size:]


def states_of(examples: Sequence[Example], mask: int | None, generator: torch.Generator) -> list[State]:
    """What the model is fed for each example, and the positions whose distributions are compared.

    An autoregressive model (`mask` None) gets the whole completion. A diffusion model gets it with each
    position masked at the example's own ratio; the ratios of a batch are spread evenly over (0, 1]. Positions
    that the completion left masked, after its end, stay masked and are not compared.
    """
    import torch

    found = []
    rows = len(examples)
    start = float(torch.rand((), generator=generator))
    order = torch.randperm(rows, generator=generator).tolist()
    for number, example in enumerate(examples):
        ids, first = [*example.prompt, *example.answer], len(example.prompt)
        where = [at for at in range(first, len(ids)) if ids[at] != mask]
        if mask is not None:
            ratio = 1 - (start + order[number]) / rows % 1.0
            drawn = torch.rand(len(where) + 1, generator=generator).tolist()
            masked = [at for at, u in zip(where, drawn, strict=False) if u < ratio]
            where = masked or [where[int(drawn[-1] * len(where))]]
            for at in where:
                ids[at] = mask
        found.append(State(number, 0, ids, where))
    return found
