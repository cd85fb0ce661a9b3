"""Hidden states of a decoding as it runs: the embedding and the raw output of every block."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from goodpart.decoding.decode import decode, settings_for
from goodpart.models.families import family_module
from goodpart.models.finite import first_not_finite, not_finite
from goodpart.models.hooks import capturing
from goodpart.models.loading import Model
from goodpart.states.cache import KINDS, StepStates
from goodpart.states.captured_steps import Steps, chosen_steps

if TYPE_CHECKING:
    import torch


def capture_settings(model: Model, arguments: dict[str, Any]) -> Any:
    """The family's `Settings` for capturing: every step of the canvas, each over all of its positions.

    A prefix or dual cache would leave most positions without states, so decoding is exact here; and with a
    threshold, steps of different prompts would not be the same.
    """
    exact = {"cache": "none", "confidence_threshold": None, "stop_early": False}
    known = {field.name for field in fields(family_module(model.family).Settings)}
    return settings_for(model, **{**arguments, **{name: exact[name] for name in exact if name in known}})


class AllSeen(Exception):
    """Raised from within a decode once its last wanted step has been captured."""


def capture_prompt(
    model: Model,
    prompt_id: str,
    prompt: Sequence[int],
    settings: Any,
    wanted: Steps,
    seed: int,
    take: Callable[[StepStates], None],
) -> None:
    """Decode one prompt (token ids) and hand each chosen step's states to `take`.

    Diffusion models: the input of that denoising step and its states. Autoregressive ones: step 0 only,
    one pass over prompt and completion, whose prompt positions equal those of the prompt alone. `hidden` is
    on the model's device, and overwritten by the next step. No token changes by being captured.
    """
    import torch

    length, mask = len(prompt), model.tokens.mask
    buffer: list[torch.Tensor] = []

    def keep(step: int, ids: torch.Tensor, states: list[torch.Tensor | None]) -> None:
        ids = ids.cpu()
        kinds = torch.full(ids.shape, KINDS.index("decoded"), dtype=torch.int8)
        if mask is not None:
            kinds[ids == mask] = KINDS.index("masked")
        kinds[:length] = KINDS.index("prompt")
        rows = [state[0] for state in states if state is not None]
        if (depth := first_not_finite(rows)) is not None:
            raise not_finite(model, depth, step)
        if not buffer:
            shape = (len(rows), *rows[0].shape)
            buffer.append(torch.empty(shape, dtype=torch.float32, device=rows[0].device))
        for target, row in zip(buffer[0], rows, strict=True):
            target.copy_(row)
        hidden = buffer[0].numpy() if buffer[0].device.type == "cpu" else buffer[0]
        take(StepStates(prompt_id, step, ids.int().numpy(), kinds.numpy(), hidden))

    if mask is None:
        out = decode(model, [prompt], settings, seeds=[seed])[0]
        ids = out.canvas[: length + len(out.token_ids)].to(model.device)
        with torch.inference_mode(), capturing(model) as captured:
            model.module.model(input_ids=ids[None], use_cache=False)
            keep(0, ids, captured.states)
        return
    steps = chosen_steps(wanted, settings.total_steps)
    with capturing(model) as captured:

        def observe(step: int, ids: torch.Tensor) -> None:
            if step in steps:
                keep(step, ids[0], captured.states)
            if step >= steps[-1]:
                raise AllSeen

        with contextlib.suppress(AllSeen):
            decode(model, [prompt], settings, seeds=[seed], observe=observe)
