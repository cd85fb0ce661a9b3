"""Qwen2.5: transformers' own Qwen2, unchanged and causal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.families import SpecialTokens, check_settings, end_ids, token_id

COLUMN_SHIFT = 1
LAYERS_KEY, LAYERS_PREFIX = "num_hidden_layers", "model.layers."
KEY_MAPPING: dict[str, str] = {}


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


def transformers_config(raw: dict[str, Any]) -> Any:
    """A Qwen2-shaped config.json (`raw`) as a Qwen2Config.

    Raises GoodpartError for a value that is not implemented.
    """
    from transformers import Qwen2Config

    if raw.get("use_sliding_window"):
        raise GoodpartError("config.json: use_sliding_window = true is not implemented (only false)")
    if raw.get("rope_scaling"):
        raise GoodpartError(f"config.json: rope_scaling = {raw['rope_scaling']!r} is not implemented")
    skipped = {
        "model_type",
        "architectures",
        "auto_map",
        "torch_dtype",
        "dtype",
        "transformers_version",
    }
    kept = {key: value for key, value in raw.items() if key not in skipped}
    if "rope_theta" in kept:  # older files carry it at the top level
        theta = kept.pop("rope_theta")
        kept["rope_parameters"] = {"rope_type": "default", "rope_theta": theta}
    return Qwen2Config(**kept)


def MODEL_CLASS() -> type:
    """transformers' Qwen2ForCausalLM."""
    from transformers.models.qwen2.modeling_qwen2 import Qwen2ForCausalLM

    return Qwen2ForCausalLM


def rotate(q: Any, k: Any, cos: Any, sin: Any) -> tuple[Any, Any]:
    """Rotate q and k [B, heads, T, head width] in their own dtype, as transformers does."""
    from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

    return apply_rotary_pos_emb(q, k, cos, sin)


def special_tokens(raw: dict[str, Any], tokenizer: Any) -> SpecialTokens:
    """No mask; what ends a completion: every eos, `<|im_end|>` and `<|endoftext|>` where there are such."""
    own = end_ids(raw)
    eos = own[0]
    marks = ("<|endoftext|>", "<|im_end|>")
    named = [token_id(tokenizer, mark) for mark in marks] if tokenizer else []
    ends = frozenset(i for i in [*own, *named] if i is not None)
    pad = raw.get("pad_token_id")
    if pad is None:
        pad = tokenizer.pad_token_id if tokenizer and tokenizer.pad_token_id is not None else eos
    return SpecialTokens(None, pad, eos, None, ends)
