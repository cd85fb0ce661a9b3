"""Finite or an error: a forward pass that gives NaN or infinity stops, with the layer where it began."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from goodpart.errors import GoodpartError
from goodpart.models.hooks import capturing

if TYPE_CHECKING:
    import torch

    from goodpart.models.loading import Model


def is_finite(values: torch.Tensor) -> torch.Tensor:
    """Whether all values are finite (a tensor of one truth value); nothing of their size is allocated."""
    import torch

    if not values.numel():
        return torch.ones((), dtype=torch.bool, device=values.device)
    return torch.stack(torch.aminmax(values)).isfinite().all()


def first_not_finite(states: Sequence[torch.Tensor | None]) -> int | None:
    """The first depth whose states are not finite, or None; one wait for the device."""
    import torch

    known = [state for state in states if state is not None]
    finite = torch.stack([is_finite(state).to(known[0].device) for state in known]).tolist()
    return finite.index(False) if False in finite else None


def number_of(block: Any, place: int) -> int:
    """The number of a layer in the whole model, at `place` of those that run now."""
    return getattr(block, "number", place)


def not_finite(model: Model, depth: int | None, step: int | None) -> GoodpartError:
    """The error for states that are not finite from `depth` on (None: only the logits), at a step."""
    dtype = str(model.dtype).removeprefix("torch.")
    if depth is None:
        what = "the logits"
    elif depth == 0:
        what = "the embedding"
    else:
        what = f"the output of layer {number_of(model.module.model.layers[depth - 1], depth - 1)}"
    when = "" if step is None else f", at step {step}"
    fix = {
        "float16": "float16 overflows beyond 65504: take bfloat16 or float32",
        "bfloat16": "take float32, or fetch the checkpoint again",
    }.get(dtype, "the weights are damaged, or too large: fetch the checkpoint again")
    return GoodpartError(
        f"{model.name}: {what} is not finite in {dtype}{when}, and nothing was written; {fix}"
    )


def explain(model: Model, step: int | None, forward: Callable[[], Any]) -> GoodpartError:
    """The error for logits that are not finite; `forward` repeats the pass, to find the layer."""
    import torch

    with torch.inference_mode(), capturing(model) as captured:
        forward()
        depth = first_not_finite(captured.states)
    return not_finite(model, depth, step)
