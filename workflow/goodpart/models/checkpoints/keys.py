"""What each architecture's config.json may hold: keys that are read, keys without effect here, fixed ones.

Everything else is refused by name. Defaults are those of the architecture's own configuration class
(transformers' Qwen2Config; LLaDA's ModelConfig), since `save_pretrained` leaves out what equals a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.models.architectures import STANDARD, Kind, architecture_module, kind_of
from goodpart.models.families import autoregressive

MISSING = "a key that must be given"

# Bookkeeping, training, and settings of `generate`, whose arguments come from the run's configuration.
IRRELEVANT = frozenset(
    """
    attention_dropout attn_implementation auto_map bad_words_ids begin_suppress_tokens bos_token_id
    cls_token_id decoder_start_token_id diversity_penalty do_sample early_stopping
    encoder_no_repeat_ngram_size exponential_decay_length_penalty finetuning_task forced_bos_token_id
    forced_eos_token_id
    gradient_checkpointing id2label initializer_range label2id length_penalty max_length max_new_tokens
    max_window_layers min_length model_name name_or_path no_repeat_ngram_size num_beam_groups num_beams
    num_return_sequences output_attentions output_hidden_states output_scores prefix problem_type
    remove_invalid_values repetition_penalty return_dict return_dict_in_generate sep_token_id
    sliding_window suppress_tokens task_specific_params temperature tf_legacy_loss tokenizer_class top_k
    top_p torchscript transformers_version typical_p unsloth_fixed unsloth_version use_bfloat16
    transformers.js_config use_cache use_reentrant use_return_dict
    """.split()
)
COMMON_FIXED: dict[str, tuple[Any, ...]] = {
    "add_cross_attention": (False,),
    "chunk_size_feed_forward": (0,),
    "cross_attention_hidden_size": (None,),
    "is_decoder": (False, True),
    "is_encoder_decoder": (False,),
    "pretraining_tp": (1,),
    "pruned_heads": ({},),
    "quantization_config": (None,),
    "tie_encoder_decoder": (False,),
}
READ_BY_ALL = frozenset(
    "architectures dtype eos_token_id model_type pad_token_id rms_norm_eps rope_parameters rope_scaling "
    "rope_theta torch_dtype vocab_size".split()
)


@dataclass(frozen=True)
class Keys:
    """One architecture's keys; `fixed`: the values that are implemented, the default first (or `MISSING`)."""

    read: frozenset[str]
    fixed: Mapping[str, tuple[Any, ...]]
    irrelevant: frozenset[str] = IRRELEVANT


_QWEN2_READ = READ_BY_ALL | frozenset(
    "head_dim hidden_size intermediate_size layer_types max_position_embeddings num_attention_heads "
    "num_hidden_layers num_key_value_heads tie_word_embeddings".split()
)
_QWEN2_FIXED: dict[str, tuple[Any, ...]] = {
    **COMMON_FIXED,
    "attention_bias": (True,),
    "hidden_act": ("silu",),
    "mlp_bias": (False,),
    "partial_rotary_factor": (1.0, 1),
    "use_mrope": (False,),
    "use_sliding_window": (False,),
}
KEYS = {
    "qwen2": Keys(_QWEN2_READ, _QWEN2_FIXED),
    "llada": Keys(
        READ_BY_ALL
        | frozenset(
            "d_model embedding_size mask_token_id max_sequence_length mlp_hidden_size mlp_ratio n_heads "
            "n_kv_heads n_layers".split()
        ),
        {
            **COMMON_FIXED,
            "activation_type": (MISSING, "silu"),
            "alibi": (False,),
            "attention_layer_norm": (False,),
            "bias_for_layer_norm": (MISSING, False),
            "block_group_size": (1,),
            "block_type": (MISSING, "llama"),
            "include_bias": (MISSING, False),
            "include_qkv_bias": (False,),
            "input_emb_norm": (False,),
            "layer_norm_type": (MISSING, "rms"),
            "layer_norm_with_affine": (True,),
            "multi_query_attention": (None, False),
            "rope": (MISSING, True),
            "rope_full_precision": (True,),
            "scale_logits": (False,),
            "tie_word_embeddings": (False,),
            "weight_tying": (MISSING, False),
        },
        IRRELEVANT
        | frozenset(
            "alibi_bias_max attention_layer_norm_with_affine embedding_dropout flash_attention "
            "init_cutoff_factor init_device init_fn init_std precision residual_dropout".split()
        ),
    ),
}


def same(a: Any, b: Any) -> bool:
    """Whether two values of JSON are equal and of one type: false is not 0, 1 is not 1.0."""
    return type(a) is type(b) and a == b


def implemented(value: Any, allowed: tuple[Any, ...]) -> bool:
    """Whether `allowed` holds the value; null stands for a false one."""
    return any(same(value, one) or (value is None and one is False) for one in allowed)


def keys_of(raw: Mapping[str, Any], kind: Kind) -> Keys:
    """The keys that config.json may hold."""
    if kind.architecture != STANDARD:
        keys = KEYS.get(raw["model_type"], KEYS[kind.architecture])
        return keys if autoregressive(kind.family) else replace(keys, read=keys.read | {"mask_token_id"})
    standard = architecture_module(STANDARD)
    unread = {key: value for key, value in standard.UNREAD.items() if key not in standard.fields(kind.base)}
    fixed = {**COMMON_FIXED, **standard.FIXED, **unread}
    del fixed["pretraining_tp"]  # which transformers' classes do not read
    return Keys(standard.known_keys(kind.base) - set(fixed), fixed, IRRELEVANT - {"sliding_window"})


def check_keys(raw: Mapping[str, Any], where: str, complete: bool = True) -> Kind:
    """What reads a config.json (`raw`, found at `where`), every key of which is understood.

    `complete` False: keys that must be given may be missing, as in a description of a shape. Raises
    GoodpartError that names the key.
    """
    kind = kind_of(raw, where)
    keys = keys_of(raw, kind)
    check_quantized(raw, where)
    names = raw.get("architectures")
    if names is not None and not (
        isinstance(names, list) and names and all(name in kind.classes for name in names)
    ):
        raise GoodpartError(
            f"{where}: architectures = {names!r} is not implemented; for this model_type it is "
            f"{kind.classes[0]!r}"
        )
    for key, allowed in keys.fixed.items():
        values = tuple(value for value in allowed if value is not MISSING)
        if key not in raw:
            if complete and allowed[0] is MISSING:
                raise GoodpartError(
                    f"{where}: the key {key!r} is missing, and its default is not implemented; only "
                    f"{values[0]!r} is: add it if that is right"
                )
        elif not implemented(raw[key], values):
            only = " or ".join(map(repr, values))
            raise GoodpartError(
                f"{where}: {key} = {raw[key]!r} is not implemented (only {only}); take another checkpoint"
            )
    known = keys.read | keys.irrelevant | set(keys.fixed)
    for key, value in raw.items():
        if (
            key not in known and value is not None and not key.startswith("_")
        ):  # which libraries keep for themselves
            raise GoodpartError(
                f"{where}: the key {key!r} ({_short(value)}) is unknown for {raw['model_type']}, and may "
                "change what the model computes; remove it if it does not, or take another checkpoint"
            )
    return kind


def check_quantized(raw: Mapping[str, Any], where: str) -> None:
    """GoodpartError for a quantized checkpoint, which names the method."""
    for key in ("quantization_config", "compression_config", "quantization"):
        given = raw.get(key)
        if given is not None:
            method = given.get("quant_method", given.get("method")) if isinstance(given, dict) else given
            raise GoodpartError(
                f"{where}: {key}: quantized weights ({method or 'of an unnamed method'}) are not supported; "
                "take the checkpoint before quantization, or dequantize it to bfloat16"
            )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
