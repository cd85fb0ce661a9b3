"""How much GPU memory a model and a batch take, and how many completions fit at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from goodpart.models.flops import Shape

if TYPE_CHECKING:
    from goodpart.models.loading import Model

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
CONTEXT = 1 << 30  # bytes that CUDA and its libraries take before anything is computed
SPARE = 0.9  # share of the free memory that is planned with


def parameters(shape: Shape, family: str) -> int:
    """Number of weights of a model with embeddings and a head of its own; exact for the paper's."""
    layer = shape.width * (2 * shape.attention + 2 * shape.kv + 3 * shape.mlp + 2)
    if family != "llada":  # biases of q, k and v
        layer += shape.attention + 2 * shape.kv
    return shape.layers * layer + 2 * shape.vocabulary * shape.width + shape.width


def row_bytes(shape: Shape, tokens: int, predicted: int, dtype: str) -> int:
    """Peak bytes of one row of a batch: `tokens` on the canvas, of which `predicted` have logits.

    Logits in the model's dtype, in float32 and as probabilities; a layer's queries, keys, values and MLP;
    for an autoregressive model (predicted = 1) also the cache of all layers.
    """
    size = BYTES[dtype]
    logits = predicted * shape.vocabulary * (size + 4 + 4)
    layer = tokens * size * (4 * shape.width + shape.attention + 2 * shape.kv + 3 * shape.mlp)
    cache = shape.layers * tokens * 2 * shape.kv * size if predicted == 1 else 0
    return logits + layer + cache


def needed(shape: Shape, family: str, tokens: int, predicted: int, dtype: str) -> int:
    """Bytes of GPU memory for the weights and a batch of one."""
    weights = parameters(shape, family) * BYTES[dtype]
    return weights + CONTEXT + row_bytes(shape, tokens, predicted, dtype)


def batch_that_fits(model: Model, settings: Any, prompt: int, most: int) -> int:
    """Completions at a time, `most` at most, by the memory that is free on the model's GPU now.

    `prompt`: tokens of the longest prompt. On a CPU it is `most`.
    """
    if model.device.type != "cuda":
        return most
    import torch

    free, _ = torch.cuda.mem_get_info(model.device)
    free += torch.cuda.memory_reserved(model.device) - torch.cuda.memory_allocated(model.device)
    dtype = str(model.dtype).removeprefix("torch.")
    predicted = 1 if model.tokens.mask is None else settings.max_new_tokens
    row = row_bytes(Shape.of_module(model.module.config), prompt + settings.max_new_tokens, predicted, dtype)
    row *= 2 if model.cuda_graphs else 1  # recorded passes have memory of their own
    return max(1, min(most, int(SPARE * free // row)))
