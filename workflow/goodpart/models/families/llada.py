"""LLaDA (GSAI-ML/LLaDA-8B-*, LLaDA-1.5) on transformers' Llama classes, run bidirectionally.

The public checkpoint is a Llama with other names. Two things differ from the stock classes: attention
sees both sides, and RoPE is computed in float32 and cast back before attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.models.checkpoints.architecture import Architecture
from goodpart.models.families import check_settings

COLUMN_SHIFT = 0  # logits at position i predict token i
LAYERS_KEY = "n_layers"


@dataclass(frozen=True)
class Settings:
    """Arguments of the official `generate`; `steps` None means one step a generated token.

    `cache`: `none`, or Fast-dLLM's `prefix` or `dual` (see `goodpart.decoding.caches`), which approximate.
    """

    max_new_tokens: int
    block_length: int = 32
    steps: int | None = None
    temperature: float = 0.0
    cfg_scale: float = 0.0
    remasking: str = "low_confidence"
    logits_eos_inf: bool = False
    confidence_eos_eot_inf: bool = False
    cache: str = "none"
    stop_early: bool = True

    def __post_init__(self) -> None:
        check_settings(self)
        if self.cache != "none" and self.cfg_scale > 0:
            raise GoodpartError("cfg_scale above 0 and a cache do not go together; leave one out")
        if self.max_new_tokens % self.block_length:
            raise GoodpartError(
                f"max_new_tokens {self.max_new_tokens} is not a multiple of block_length {self.block_length}"
            )
        if self.total_steps % self.blocks:
            raise GoodpartError(
                f"steps {self.total_steps} is not a multiple of the number of blocks {self.blocks}"
            )
        if self.remasking not in ("low_confidence", "random"):
            raise GoodpartError(f"remasking {self.remasking!r} is unknown: low_confidence or random")

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.max_new_tokens // self.block_length

    @property
    def total_steps(self) -> int:
        """Total number of denoising steps."""
        return self.max_new_tokens if self.steps is None else self.steps

    def reach(self, step: int) -> int:
        """Generated positions up to the end of the block that is decoded in this step."""
        return (step * self.blocks // self.total_steps + 1) * self.block_length


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
def MODEL_CLASS() -> type:
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
