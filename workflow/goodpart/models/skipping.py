"""The one skip mechanism: blocks are removed from the module list and put back on exit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from goodpart.errors import GoodpartError

if TYPE_CHECKING:
    from goodpart.models.loading import Model


def check_layers(layers: Sequence[int], total: int) -> list[int]:
    """Sorted `layers`, if they can be skipped in a model of `total` layers; else GoodpartError."""
    wanted = sorted(layers)
    outside = [layer for layer in wanted if not 0 <= layer < total]
    if outside:
        raise GoodpartError(f"layers {outside} do not exist: the model has layers 0 to {total - 1}")
    if len(set(wanted)) != len(wanted):
        raise GoodpartError(f"a layer is named twice in {wanted}")
    if len(wanted) >= total:
        raise GoodpartError(f"all {total} layers cannot be skipped: at least one must stay")
    return wanted


@contextmanager
def skipping(model: Model, layers: Sequence[int]) -> Iterator[Model]:
    """Run `model` without the blocks in `layers` (numbered from 0); the residual stream passes through.

    The remaining blocks are renumbered for caches, no weight is copied, and everything is restored on
    exit, after an error too. Raises GoodpartError for layers that do not exist, repeat, or are all.
    """
    from torch.nn import ModuleList

    decoder, config = model.module.model, model.module.config
    blocks = decoder.layers
    skipped = set(check_layers(layers, len(blocks)))
    kept = [i for i in range(len(blocks)) if i not in skipped]
    types = getattr(config, "layer_types", None)
    numbers = [block.self_attn.layer_idx for block in blocks]
    try:
        decoder.layers = ModuleList(blocks[i] for i in kept)
        for number, block in enumerate(decoder.layers):
            block.self_attn.layer_idx = number
        config.num_hidden_layers = len(kept)
        if types is not None:
            config.layer_types = [types[i] for i in kept]
        yield model
    finally:
        decoder.layers = blocks
        for number, block in zip(numbers, blocks, strict=True):
            block.self_attn.layer_idx = number
        config.num_hidden_layers = len(blocks)
        if types is not None:
            config.layer_types = types


SkipAt = Callable[[int], Sequence[int]]  # denoising step -> layers to skip in its forward passes


@contextmanager
def skipping_at(model: Model, skip_at: SkipAt | None, step: int) -> Iterator[None]:
    """Skip the layers of one denoising step; none without `skip_at`."""
    if skip_at is None:
        yield
        return
    with skipping(model, skip_at(step)):
        yield
