"""The time that a machine allows for a run: that of its products alone, at the rates measured here and now.

Products are the matrix multiplications and attentions of a run. Each kind is timed by itself, with its
operands in the processor's cache. If reading the operands from memory takes longer, that time counts instead.
The products are timed in the run as well, where their operands come from memory. What a run needs beyond that
goes into norms, rotations, activations and Python.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

SECONDS = 0.03  # for which each kind of product is repeated
PRODUCTS = (
    "aten::linear",
    "aten::matmul",
    "aten::mm",
    "aten::addmm",
    "aten::bmm",
    "aten::scaled_dot_product_attention",
    "aten::_scaled_dot_product_flash_attention_for_cpu",
    "mkldnn::_linear_pointwise",  # of the head
)


class Products(TorchDispatchMode):
    """Counts the products of what runs inside by operator, shapes and other arguments, and times them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[tuple[Any, ...]] = Counter()
        self.seconds = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func.name().split(".")[0] not in PRODUCTS:
            return func(*args, **named)
        kind = (func, tuple(map(_described, args)), tuple((k, _described(v)) for k, v in named.items()))
        self.found[kind] += 1
        began = time.perf_counter()
        made = func(*args, **named)
        self.seconds += time.perf_counter() - began
        return made


def _described(value: Any) -> Any:
    """Shape and dtype of a tensor; a list as a tuple; any other argument as it is."""
    if isinstance(value, list):
        return tuple(value)
    return (tuple(value.shape), value.dtype) if torch.is_tensor(value) else value


def _filled(value: Any) -> Any:
    """A random tensor of a recorded shape and dtype; any other argument is returned unchanged."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], torch.dtype):
        return (
            torch.zeros(value[0], dtype=value[1])
            if value[1] == torch.bool
            else torch.randn(value[0]).to(value[1])
        )
    return value


def _best(work: Callable[[], object]) -> float:
    """Shortest seconds of a call, repeated for SECONDS."""
    best, until = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def memory_rate(size: int) -> float:
    """Bytes a second at which one core reads `size` bytes again and again: from memory, or from its cache."""
    buffer = torch.ones(max(size, 1 << 16) // 4)
    return 4 * len(buffer) / _best(buffer.sum)


@torch.inference_mode()
def seconds_allowed(found: Counter[tuple[Any, ...]], weights: int) -> float:
    """Seconds that the machine needs for the products; `weights`: bytes of the model's."""
    rate, total = memory_rate(weights), 0.0
    for (func, operands, named), count in found.items():
        tensors = [_filled(value) for value in operands]
        others = {key: _filled(value) for key, value in named}
        everything = [t for t in [*tensors, *others.values()] if torch.is_tensor(t)]
        read = sum(t.numel() * t.element_size() for t in everything)
        seconds = _best(lambda func=func, tensors=tensors, others=others: func(*tensors, **others))
        total += count * max(seconds, read / rate)
    return total
