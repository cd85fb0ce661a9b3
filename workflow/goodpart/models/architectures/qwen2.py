"""Qwen2.5, and Dream-v0 7B (Dream-org/Dream-v0-*) in the same format: transformers' own Qwen2, unchanged.

Dream runs it bidirectionally.
"""

from __future__ import annotations

from typing import Any

from goodpart.models.checkpoints.architecture import Architecture

LAYERS_KEY = "num_hidden_layers"


def transformers_config(shape: Architecture) -> Any:
    """An architecture of Qwen2's shape as a Qwen2Config."""
    from transformers import Qwen2Config

    config = Qwen2Config(
        **shape.transformers_arguments,
        tie_word_embeddings=shape.tied,
        use_sliding_window=False,
        layer_types=["full_attention"] * shape.layers,
    )
    if not shape.causal:
        config.is_causal = False
        config.use_cache = False
    return config


def model_class(base: str = "") -> type:
    """transformers' Qwen2ForCausalLM."""
    from transformers.models.qwen2.modeling_qwen2 import Qwen2ForCausalLM

    return Qwen2ForCausalLM


def rotate(q: Any, k: Any, cos: Any, sin: Any) -> tuple[Any, Any]:
    """Rotate q and k [B, heads, T, head width] in their own dtype, as transformers does."""
    from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

    return apply_rotary_pos_emb(q, k, cos, sin)
