"""Qwen2.5: transformers' own Qwen2, unchanged and causal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from goodpart.models.checkpoints.architecture import Architecture
from goodpart.models.families import check_settings

COLUMN_SHIFT = 1
LAYERS_KEY = "num_hidden_layers"


@dataclass(frozen=True)
class Settings:
    """Temperature 0 is greedy; above, nucleus sampling with `top_p`."""

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 0.95
    stop_early: bool = True

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def total_steps(self) -> int:
        """Tokens generated at most."""
        return self.max_new_tokens


def transformers_config(shape: Architecture) -> Any:
    """An architecture of Qwen2's shape as a Qwen2Config."""
    from transformers import Qwen2Config

    return Qwen2Config(
        **shape.transformers_arguments,
        tie_word_embeddings=shape.tied,
        use_sliding_window=False,
        layer_types=["full_attention"] * shape.layers,
    )


def MODEL_CLASS() -> type:
    """transformers' Qwen2ForCausalLM."""
    from transformers.models.qwen2.modeling_qwen2 import Qwen2ForCausalLM

    return Qwen2ForCausalLM


def rotate(q: Any, k: Any, cos: Any, sin: Any) -> tuple[Any, Any]:
    """Rotate q and k [B, heads, T, head width] in their own dtype, as transformers does."""
    from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

    return apply_rotary_pos_emb(q, k, cos, sin)
