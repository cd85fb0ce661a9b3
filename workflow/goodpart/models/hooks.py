"""Hidden states of forward passes, by hooks on the embedding and the layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from goodpart.models.loading import Model


class HiddenStates:
    """The states of the latest forward pass: `states[d]` [B, T, D] for depth d = 0..L."""

    def __init__(self, layers: int) -> None:
        self.states: list[torch.Tensor | None] = [None] * (layers + 1)


@contextmanager
def capturing(model: Model) -> Iterator[HiddenStates]:
    """Record each forward pass of `model`: depth 0 is the embedding, d the raw output of layer d - 1.

    transformers' own `output_hidden_states` ends with the normed state, which no similarity or norm
    here may use; hooks see what each block really returns. Nothing is copied: read before the next pass.
    """
    blocks = model.module.model.layers
    captured = HiddenStates(len(blocks))

    def hook(depth: int) -> Any:
        def keep(module: Any, inputs: Any, output: Any) -> None:
            captured.states[depth] = output[0] if isinstance(output, tuple) else output

        return keep

    def keep_first(module: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        # What the first layer gets: some architectures scale the embedding's output.
        captured.states[0] = inputs[0] if inputs else named["hidden_states"]

    handles = [blocks[0].register_forward_pre_hook(keep_first, with_kwargs=True)]
    handles += [block.register_forward_hook(hook(d)) for d, block in enumerate(blocks, 1)]
    try:
        yield captured
    finally:
        for handle in handles:
            handle.remove()


def is_captured(model: Model) -> bool:
    """Whether hidden states of `model` are being captured."""
    return bool(model.module.model.layers[0]._forward_pre_hooks)
