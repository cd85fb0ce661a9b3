"""Training batches: rows of similar length, for next-token prediction and for masked diffusion."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from goodpart.decoding.prompts import render
from goodpart_tools.tiny.corpus import training_tasks
from goodpart_tools.tiny.tasks import GENERATORS
from goodpart_tools.tiny.tokenizer import SPECIAL

if TYPE_CHECKING:
    import torch

POOL = 32  # number of batches that are drawn, sorted by length and shuffled together
END_OF_TURN = {"llada": "eot", "dream": "im_end", "qwen2": "im_end"}


@dataclass(frozen=True)
class Batch:
    """Rows [B, T]: token ids, valid positions, and positions of the response (with its end markers)."""

    ids: torch.Tensor
    exists: torch.Tensor
    response: torch.Tensor


def batches(
    tokenizer: Any,
    family: str,
    excluded: set[str],
    *,
    seed: int,
    size: int,
    chat_fraction: float,
    canvas: int | None,
    easy: Sequence[str] = (),
    easy_steps: int = 0,
    computed: bool = False,
    first: int = 0,
) -> Iterator[Batch]:
    """Yield batches forever, from batch number `first` on. Batch i depends only on the seed and i.

    `canvas`: None for autoregressive training; for diffusion, the generated length of an evaluation. A batch
    fills it with eos after the answers, as decoding does, up to a random length between its longest answer
    and the whole canvas, so that the model does not mainly learn eos. `easy`, `easy_steps`: the first batches
    have only these benchmarks and do not fill the canvas. They teach a model with random weights to copy from
    the prompt; without them, its loss stays on a plateau. `computed`: whether functions have constants to
    compute.
    """
    ends = list(SPECIAL)
    eos, turn = ends.index("eos"), ends.index(END_OF_TURN[family])
    for pool in range(first // POOL, 1 << 60):
        rng = random.Random(f"{seed}-{pool}")
        easing = pool * POOL < easy_steps
        kinds = easy if easing else tuple(GENERATORS)
        tasks = list(islice(training_tasks(rng.getrandbits(64), excluded, kinds, computed), size * POOL))
        chat = [rng.random() < chat_fraction for _ in tasks]
        prompts = _prompts(tokenizer, tasks, chat)
        answers = tokenizer([t.response for t in tasks], add_special_tokens=False)["input_ids"]
        rows = [(p, [*a, turn if c else eos]) for p, a, c in zip(prompts, answers, chat, strict=True)]
        if canvas is None:
            rows.sort(key=lambda row: len(row[0]) + len(row[1]))
        else:
            rows.sort(key=lambda row: len(row[0]))
        groups = [rows[i : i + size] for i in range(0, len(rows), size)]
        order = list(range(POOL))
        rng.shuffle(order)
        fill = [rng.random() for _ in range(POOL)]
        start = first % POOL if pool == first // POOL else 0
        for number in order[start:]:
            group = groups[number]
            if canvas is not None:
                room = max(len(a) for _, a in group)
                if not easing:
                    room += round(fill[number] * (canvas - room))
                group = [(p, a + [eos] * (room - len(a))) for p, a in group]
            yield _batch(group, eos)


def _prompts(tokenizer: Any, tasks: Sequence[Any], chat: Sequence[bool]) -> list[list[int]]:
    """Token ids of each task's prompt, in the chat template where `chat` says so."""
    prompts: list[list[int]] = [[] for _ in tasks]
    for style in (True, False):
        which = [i for i, c in enumerate(chat) if c is style]
        if which:
            rendered = render(tokenizer, [tasks[i].prompt.rstrip("\n") for i in which], style)
            for i, row in zip(which, rendered, strict=True):
                prompts[i] = row
    return prompts


def _batch(group: Sequence[tuple[list[int], list[int]]], eos: int) -> Batch:
    """Prompts and answers as one batch, padded on the right."""
    import torch

    width = max(len(p) + len(a) for p, a in group)
    ids = torch.full((len(group), width), eos)
    exists = torch.zeros((len(group), width), dtype=torch.bool)
    response = torch.zeros_like(exists)
    for i, (p, a) in enumerate(group):
        ids[i, : len(p) + len(a)] = torch.tensor(p + a)
        exists[i, : len(p) + len(a)] = True
        response[i, len(p) : len(p) + len(a)] = True
    return Batch(ids, exists, response)
