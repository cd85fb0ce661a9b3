"""Hidden states of a decoding as it runs: the embedding and the raw output of every block."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goodpart.decoding.decode import decode
from goodpart.decoding.likelihoods import final_hidden
from goodpart.decoding.samplers.common import canvas_of
from goodpart.models.families import family_module
from goodpart.models.finite import first_not_finite, not_finite
from goodpart.models.hooks import capturing
from goodpart.models.loading import Model
from goodpart.states.cache import KINDS, StepStates
from goodpart.states.captured_steps import Steps, chosen_steps

if TYPE_CHECKING:
    import torch


def capture_settings(family: str, arguments: dict[str, Any]) -> Any:
    """A family's `Settings` for capturing: every step of the canvas, each over all of its positions.

    A prefix or dual cache would leave most positions without states, so decoding is exact here; and with a
    threshold, steps of different prompts would not be the same.
    """
    exact = {"cache": "none", "confidence_threshold": None, "stop_early": False}
    settings = family_module(family).Settings
    known = {field.name for field in fields(settings)}
    return settings(**{**arguments, **{name: exact[name] for name in exact if name in known}})


@dataclass(frozen=True)
class Prompt:
    """A prompt to capture: its id, its token ids, and the seed of its decoding."""

    id: str
    tokens: Sequence[int]
    seed: int


Take = Callable[[int, StepStates], None]  # (row of the batch, its states at one step)


class AllSeen(Exception):
    """Raised from within a decode once its last wanted step has been captured."""


def capture_prompts(
    model: Model, prompts: Sequence[Prompt], settings: Any, wanted: Steps, take: Take
) -> None:
    """Decode a batch of prompts and hand each row's states at each chosen step to `take`.

    Diffusion models: the input of that denoising step and its states. Autoregressive ones: step 0 only,
    one pass over prompts and completions, whose prompt positions equal those of the prompt alone. Rows lose
    their padding. `hidden` is on the model's device, and overwritten by the next call. No token changes by
    being captured.
    """
    import torch

    rows, seeds = [prompt.tokens for prompt in prompts], [prompt.seed for prompt in prompts]
    reader = _Reader(model, prompts, take)
    if model.tokens.mask is None:
        made = decode(model, rows, settings, seeds=seeds)
        whole = [
            one.canvas[: len(row) + len(one.token_ids)].tolist() for row, one in zip(rows, made, strict=True)
        ]
        pad = model.tokens.pad
        ids, exists, _ = canvas_of(whole, 0, pad, pad, model.device)
        with torch.inference_mode(), capturing(model) as captured:
            final_hidden(model, ids, exists)
            reader.read(0, ids, [len(row) for row in whole], captured.states)
        return
    steps = chosen_steps(wanted, settings.total_steps)
    lengths = [len(row) + settings.max_new_tokens for row in rows]
    with capturing(model) as captured:

        def observe(step: int, ids: torch.Tensor) -> None:
            if step in steps:
                reader.read(step, ids, lengths, captured.states)
            if step >= steps[-1]:
                raise AllSeen

        with contextlib.suppress(AllSeen):
            decode(model, rows, settings, seeds=seeds, observe=observe)


class _Reader:
    """Hands the states of a forward pass to `take`, a row at a time, in one buffer of float32."""

    def __init__(self, model: Model, prompts: Sequence[Prompt], take: Take) -> None:
        self.model, self.prompts, self.take = model, prompts, take
        self.buffer: torch.Tensor | None = None

    def read(
        self, step: int, ids: torch.Tensor, lengths: Sequence[int], states: Sequence[torch.Tensor | None]
    ) -> None:
        """Rows of `lengths` positions, padded on the left: ids [B, T], states [B, T, D] of each depth."""
        depths = [state for state in states if state is not None]
        if (depth := first_not_finite(depths)) is not None:
            raise not_finite(self.model, depth, step)
        everything = ids.cpu().int().numpy()
        for row, (prompt, length) in enumerate(zip(self.prompts, lengths, strict=True)):
            tokens = everything[row, -length:]
            kinds = _kinds(tokens, len(prompt.tokens), self.model.tokens.mask)
            hidden = self._stacked([state[row, -length:] for state in depths])
            self.take(row, StepStates(prompt.id, step, tokens, kinds, hidden))

    def _stacked(self, rows: Sequence[torch.Tensor]) -> Any:
        """States [T, D] of each depth as one array [L + 1, T, D]: numpy, or torch on a GPU."""
        import torch

        size = len(rows) * rows[0].numel()
        if self.buffer is None or len(self.buffer) < size:
            self.buffer = torch.empty(size, dtype=torch.float32, device=rows[0].device)
        hidden = self.buffer[:size].view(len(rows), *rows[0].shape)
        for target, row in zip(hidden, rows, strict=True):
            target.copy_(row)
        return hidden.numpy() if hidden.device.type == "cpu" else hidden


def _kinds(tokens: NDArray[np.int32], prompt: int, mask: int | None) -> NDArray[np.int8]:
    """What stands at each position of tokens [T], of which the first `prompt` are the prompt."""
    kinds = np.where(tokens == mask, KINDS.index("masked"), KINDS.index("decoded")).astype(np.int8)
    kinds[:prompt] = KINDS.index("prompt")
    return kinds
