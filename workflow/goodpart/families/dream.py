"""Dream-v0 7B (Dream-org/Dream-v0-*): transformers' Qwen2, run bidirectionally, logits shifted by one."""

from __future__ import annotations

from typing import Any

from goodpart.families import SpecialTokens, qwen2

MODEL_TYPES = ("Dream",)
BIDIRECTIONAL = True
COLUMN_SHIFT = 1  # token i is predicted at position i - 1
KEY_MAPPING: dict[str, str] = {}


def transformers_config(raw: dict[str, Any]) -> Any:
    """Dream's config.json (`raw`) as a bidirectional Qwen2Config; GoodpartError as for Qwen2."""
    config = qwen2.transformers_config(raw)
    config.is_causal = False
    config.use_cache = False
    return config


MODEL_CLASS = qwen2.MODEL_CLASS


def special_tokens(raw: dict[str, Any], tokenizer: Any) -> SpecialTokens:
    """As Qwen2's, and the mask from config.json."""
    base = qwen2.special_tokens(raw, tokenizer)
    return SpecialTokens(raw["mask_token_id"], base.pad, base.eos, None, base.ends)


def sampler() -> Any:
    """The module of this family's sampler: `Settings` and `decode`."""
    from goodpart.samplers import dream

    return dream
