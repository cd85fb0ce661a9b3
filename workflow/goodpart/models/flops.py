"""Floating-point operations of decoding, at full depth and with layers skipped.

Two operations a multiply-accumulate; matrix products of attention
and MLP, the attention itself (dense: a causal mask saves nothing, as in torch.utils.flop_counter) and the
head. Embeddings, norms and activations are free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goodpart.models.checkpoints.architecture import dimensions
from goodpart.models.families import autoregressive, blocks_of, even_masks_left, family_module, fed_columns

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """What the cost of a model depends on: `attention` and `kv` are the widths of queries, and of keys."""

    layers: int
    width: int
    attention: int
    kv: int
    mlp: int
    vocabulary: int

    @classmethod
    def of(cls, raw: Mapping[str, Any], where: str = "config.json") -> Shape:
        """The shape that a public config.json describes, found at `where`.

        Raises GoodpartError for an unknown family, and a key that is missing, unknown or impossible.
        """
        found = dimensions(raw, where)
        return cls(
            found.layers,
            found.width,
            found.heads * found.head_width,
            found.kv_heads * found.head_width,
            found.mlp,
            found.vocabulary,
        )

    @classmethod
    def of_module(cls, config: Any) -> Shape:
        """The shape of a loaded model, from its transformers config."""
        heads = config.num_attention_heads
        head = getattr(config, "head_dim", None) or config.hidden_size // heads
        return cls(
            config.num_hidden_layers,
            config.hidden_size,
            heads * head,
            config.num_key_value_heads * head,
            config.intermediate_size,
            config.vocab_size,
        )

    def layer(self, fed: Any, keys: Any) -> Any:
        """One layer's operations for `fed` tokens that attend to `keys` tokens."""
        weights = self.width * (2 * self.attention + 2 * self.kv + 3 * self.mlp)
        return 2 * fed * weights + 4 * fed * keys * self.attention

    def head(self, positions: Any) -> Any:
        """The head's operations at `positions` tokens."""
        return 2 * positions * self.width * self.vocabulary

    def step_reduction(self, k: int, tokens: int, head: int | None = None) -> float:
        """Percent of one pass over a canvas of `tokens` that skipping `k` layers saves.

        `head`: positions whose logits are computed (all of them by default).
        """
        layer = self.layer(tokens, tokens)
        whole = self.layers * layer + self.head(tokens if head is None else head)
        return 100 * k * layer / whole


@dataclass(frozen=True, eq=False)
class Passes:
    """The forward passes of one completion: tokens `fed`, `keys` seen, `head` positions, each [S]."""

    fed: Ints
    keys: Ints
    head: Ints


def masks_left(family: str, settings: Any, masks: int, steps: int) -> Ints:
    """Masks that are left before each of `steps` steps that commit `masks` of them [steps]."""
    return getattr(family_module(family), "masks_left", even_masks_left)(settings, masks, steps)


@cache
def _passes(family: str, arguments: tuple[tuple[str, Any], ...], prompt: int, number: int) -> Passes:
    settings = family_module(family).Settings(**dict(arguments))
    step = np.arange(number)
    if autoregressive(family):  # one pass over the prompt, then a token at a time, with a cache
        return Passes(np.where(step == 0, prompt, 1), prompt + step, np.ones(number, np.int64))
    canvas = prompt + settings.max_new_tokens
    blocks, cached = blocks_of(settings), getattr(settings, "cache", "none")
    length, each = settings.max_new_tokens // blocks, settings.total_steps // blocks  # positions, steps
    shift = family_module(family).COLUMN_SHIFT
    columns = [
        fed_columns(cached, s % each == 0, max(first - shift, 0), first + length, canvas)
        for s in range(number)
        for first in [prompt + s // each * length]
    ]
    fed = np.array([last - first for first, last in columns], dtype=np.int64)
    head = masks_left(family, settings, length, each)[step % each]
    twice = 2 if getattr(settings, "cfg_scale", 0) > 0 else 1  # guidance: also without the prompt
    return Passes(twice * fed, np.full(number, canvas), twice * head)


@cache
def _passes_of(
    family: str, arguments: tuple[tuple[str, Any], ...], prompt: int, number: int, commits: tuple[int, ...]
) -> Passes:
    """Passes with a threshold, whose blocks and masks the commit steps tell (see `passes`)."""
    settings = family_module(family).Settings(**dict(arguments))
    length, canvas = settings.max_new_tokens // settings.blocks, prompt + settings.max_new_tokens
    shift = family_module(family).COLUMN_SHIFT
    blocks = blocks_by_pass(commits, number, length)
    fed, head = [], []
    for step, block in enumerate(blocks):
        first = prompt + block * length
        fills = step == 0 or blocks[step - 1] != block
        begin, end = fed_columns(settings.cache, fills, max(first - shift, 0), first + length, canvas)
        fed.append(end - begin)
        head.append(sum(at < 0 or at >= step for at in commits[block * length : (block + 1) * length]))
    twice = 2 if getattr(settings, "cfg_scale", 0) > 0 else 1
    return Passes(twice * np.array(fed), np.full(number, canvas), twice * np.array(head))


def blocks_by_pass(commits: Sequence[int], number: int, length: int) -> list[int]:
    """The block of each of `number` passes, by the step that committed each position (-1: none).

    `length`: of a block. A pass may commit the mask token itself: the position stays masked, and a later pass
    commits it again. The block of such a pass is that of the next one.
    """
    places = {step: place // length for place, step in enumerate(commits) if step >= 0}
    found, block = [], (len(commits) - 1) // length
    for step in reversed(range(number)):
        block = places.get(step, block)
        found.append(block)
    return found[::-1]


def passes(
    family: str,
    arguments: Mapping[str, Any],
    prompt: int,
    number: int,
    commits: Sequence[int] | None = None,
) -> Passes:
    """The first `number` passes over a prompt of `prompt` tokens, under `arguments` of the family's Settings.

    Exact for one row, but for Dream's rule `origin` (its `masks_left`); padding of a batch is not counted.
    commits: the step that committed each generated position (-1: none), which a threshold needs: each of
    the passes commits something.
    """
    if arguments.get("confidence_threshold") is not None:
        assert commits is not None
        return _passes_of(family, tuple(sorted(arguments.items())), prompt, number, tuple(commits))
    return _passes(family, tuple(sorted(arguments.items())), prompt, number)


def decode_flops(shape: Shape, at: Passes, skipped: Sequence[int] | int = 0) -> int:
    """Operations of some passes with a number of layers skipped, one for all or one a pass [S]."""
    layers = (shape.layers - np.asarray(skipped)) * shape.layer(at.fed, at.keys)
    return int(layers.sum() + shape.head(at.head).sum())


def reduction(shape: Shape, completions: Iterable[tuple[Passes, Sequence[int] | int]]) -> float:
    """Percent of the operations of some completions' passes that their skipped layers save.

    Against the same passes at full depth: fewer or more passes are not counted as saving or cost.
    Nan without a pass.
    """
    whole = left = 0
    costs: dict[Passes, tuple[int, int]] = {}  # passes that several completions share are summed once
    for at, skipped in completions:
        if at not in costs:
            costs[at] = (int(shape.layer(at.fed, at.keys).sum()), int(shape.head(at.head).sum()))
        layers, head = costs[at]
        whole += shape.layers * layers + head
        if isinstance(skipped, int):
            left += (shape.layers - skipped) * layers + head
        else:
            left += decode_flops(shape, at, skipped)
    return 100 * (1 - left / whole) if whole else float("nan")
