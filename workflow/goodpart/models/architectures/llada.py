"""LLaDA (GSAI-ML/LLaDA-8B-*, LLaDA-1.5) on transformers' Llama classes, run bidirectionally.

The public checkpoint is a Llama with other names. Two things differ from the stock classes: attention
sees both sides, and RoPE is computed in float32 and cast back before attention.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from goodpart.models.checkpoints.architecture import Architecture

LAYERS_KEY = "n_layers"


def transformers_config(shape: Architecture) -> Any:
    """LLaDA's architecture as a bidirectional LlamaConfig."""
    from transformers import LlamaConfig

    config = LlamaConfig(
        **shape.transformers_arguments,
        tie_word_embeddings=False,
        use_cache=False,
    )
    config.is_causal = False
    return config


@cache
def model_class(base: str = "") -> type:
    """LlamaForCausalLM with LLaDA's float32 rotary embedding."""
    from transformers.models.llama import modeling_llama as llama

    class LLaDARotaryEmbedding(llama.LlamaRotaryEmbedding):
        """cos and sin stay in float32, so q and k are rotated in float32.

        transformers fills inv_freq after loading in classes whose name holds `RotaryEmbedding`.
        """

        def forward(self, x: Any, position_ids: Any) -> Any:
            return super().forward(x.float(), position_ids)

    class Attention(llama.LlamaAttention):
        """Llama's attention, with q and k cast back after the float32 rotation."""

        def forward(  # type: ignore[override]
            self,
            hidden_states: Any,
            position_embeddings: Any,
            attention_mask: Any = None,
            past_key_values: Any = None,
            **kwargs: Any,
        ) -> Any:
            shape = (*hidden_states.shape[:-1], -1, self.head_dim)
            q, k, v = (
                proj(hidden_states).view(shape).transpose(1, 2)
                for proj in (self.q_proj, self.k_proj, self.v_proj)
            )
            q, k = rotate(q, k, *position_embeddings)
            if past_key_values is not None:
                k, v = past_key_values.update(k, v, self.layer_idx)
            attend = llama.ALL_ATTENTION_FUNCTIONS.get_interface(
                self.config._attn_implementation, llama.eager_attention_forward
            )
            out, weights = attend(self, q, k, v, attention_mask, dropout=0.0, scaling=self.scaling, **kwargs)
            return self.o_proj(out.reshape(*hidden_states.shape[:-1], -1)), weights

    class LLaDA(llama.LlamaForCausalLM):
        """LLaDA's architecture under Llama's parameter names."""

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.model.rotary_emb = LLaDARotaryEmbedding(config)
            for i, layer in enumerate(self.model.layers):
                layer.self_attn = Attention(config, i)
            self.post_init()

    return LLaDA


def rotate(q: Any, k: Any, cos: Any, sin: Any) -> tuple[Any, Any]:
    """Rotate q and k [B, heads, T, head width] by float32 angles, in float32; back in their own dtype."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    turned_q, turned_k = apply_rotary_pos_emb(q, k, cos, sin)
    return turned_q.to(q.dtype), turned_k.to(k.dtype)
