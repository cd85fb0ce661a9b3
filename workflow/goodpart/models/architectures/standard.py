"""Decoders of transformers as they are: any whose layers are a list of uniform residual blocks.

transformers' own configuration class reads config.json, and its own class is the module. Run
bidirectionally, the same classes are the AR-to-diffusion conversions (`a2d-*`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from goodpart.errors import GoodpartError

if TYPE_CHECKING:
    from goodpart.models.checkpoints.architecture import Architecture

LAYERS_KEY = "num_hidden_layers"
# Keys that the classes read under other names than those of their fields.
OTHER_KEYS = frozenset(
    "rope_theta rope_scaling rope_local_base_freq partial_rotary_factor torch_dtype sliding_window_pattern "
    "_sliding_window_pattern head_dim mask_token_id model_type layer_types hidden_act "
    # Without effect on what the classes compute:
    "unk_token_id cache_implementation is_llama_config transformers.js_config model_max_length "
    "pretraining_tp sliding_window_size".split()
)
# Keys of other code, with the values that leave transformers' classes right.
FIXED: dict[str, tuple[Any, ...]] = {
    "full_attn_mod": (1,),
    "interpolate_factor": (1,),
    "lm_head_bias": (False,),
    "rope_interleaved": (False,),
    "use_bidirectional_attention": (False, None),
}
# Keys that some classes read, with the values that leave right those that do not.
UNREAD: dict[str, tuple[Any, ...]] = {
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "sliding_window": (None,),  # transformers' cache follows it for every class
}
NO_FIELDS = ("model_type", "auto_map", "architectures", "return_dict")
# Lists with one value a layer, which follow their layers when others leave.
PER_LAYER = ("layer_types", "no_rope_layers")
GATED = ({"gate_proj", "up_proj", "down_proj"}, {"gate_up_proj", "down_proj"})  # parts of a gated MLP


@cache
def causal_class(model_type: str) -> str | None:
    """The name of transformers' class of a causal language model; None for a type that it does not know."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    found = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(model_type)
    return found[0] if isinstance(found, (tuple, list)) else found


@cache
def classes(model_type: str) -> tuple[str, ...]:
    """Names of transformers' causal class and its base class, which has no head; empty for unknown types."""
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    causal, found = causal_class(model_type), MODEL_MAPPING_NAMES.get(model_type, ())
    bare = (found,) if isinstance(found, str) else tuple(found)
    return (causal, *bare) if causal else ()


def config_class(base: str) -> Any:
    """transformers' configuration class of a model type."""
    from transformers import CONFIG_MAPPING

    return CONFIG_MAPPING[base]


def known_keys(base: str) -> frozenset[str]:
    """Keys of config.json that transformers' class of this type reads."""
    return fields(base) | OTHER_KEYS


@cache
def fields(base: str) -> frozenset[str]:
    """Fields of transformers' configuration class of a model type."""
    made = config_class(base)()
    return frozenset(made.to_dict()) | frozenset(vars(made))


def read_config(raw: Mapping[str, Any], base: str, where: str) -> Any:
    """The transformers config of a config.json (`raw`, found at `where`); GoodpartError if it refuses it."""
    given = {key: value for key, value in raw.items() if key not in NO_FIELDS}
    try:
        return config_class(base).from_dict(given)
    except Exception as error:  # transformers raises what it likes, of a value of a wrong type above all
        said = " ".join(str(error).split())[:300]
        raise GoodpartError(f"{where}: transformers refuses it as {base}: {said}; correct it") from None


def transformers_config(shape: Architecture) -> Any:
    """The transformers config of an architecture, bidirectional where its family is."""
    config = read_config(shape.standard, shape.base, "config.json")
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        with suppress(Exception):  # of classes that want a number: theirs does no harm
            setattr(config, name, None)
    if not shape.causal:
        config.is_causal = False
        config.use_cache = False
    return config


@cache
def model_class(base: str) -> type:
    """transformers' class of a causal language model of this type."""
    import transformers

    name = causal_class(base)
    assert name is not None
    return getattr(transformers, name)


def tensors(raw: Mapping[str, Any], base: str, where: str) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every parameter, from the class itself without memory; a tied head among them."""
    return {
        name: tuple(tensor.shape) for name, tensor in _without_memory(raw, base, where).state_dict().items()
    }


def refuse_unknown(raw: Mapping[str, Any], base: str, where: str) -> None:
    """GoodpartError, with the reason, for a class whose layers are not a list of uniform residual blocks."""
    if why := not_uniform(_without_memory(raw, base, where)):
        raise GoodpartError(f"{where}: model_type {raw['model_type']!r} is not supported: {why}")


def _without_memory(raw: Mapping[str, Any], base: str, where: str) -> Any:
    """The module, on torch's `meta` device, built once for a config.json that is read."""
    return _built(json.dumps(raw, sort_keys=True), base, where)


@lru_cache(maxsize=1)
def _built(text: str, base: str, where: str) -> Any:
    import torch

    raw = json.loads(text)
    config = read_config(raw, base, where)
    try:
        with torch.device("meta"):
            return model_class(base)(config)
    except Exception as error:  # as above: of values that do not fit together
        said = " ".join(str(error).split())[:300]
        raise GoodpartError(f"{where}: transformers cannot build it as {base}: {said}; correct it") from None


def not_uniform(module: Any) -> str:
    """Why layers of a module cannot be skipped and counted here; empty where they can."""
    blocks = getattr(getattr(module, "model", None), "layers", None)
    if blocks is None or not hasattr(module, "lm_head") or not hasattr(module.model, "norm"):
        return "it has no list of layers at model.layers, with model.norm and lm_head after them"
    kinds = {type(block).__name__ for block in blocks}
    if not kinds:
        return "it has no layers"
    if len(kinds) > 1:
        return f"its layers are of several kinds ({', '.join(sorted(kinds))})"
    first = {name: tuple(p.shape) for name, p in blocks[0].named_parameters()}
    for number, block in enumerate(blocks):
        if {name: tuple(p.shape) for name, p in block.named_parameters()} != first:
            return f"its layers differ: layer {number} has other weights than layer 0"
        if not hasattr(getattr(block, "self_attn", None), "layer_idx"):
            return f"layer {number} has no attention of its own (self_attn)"
        if constants(block) != constants(blocks[0]):
            return f"a constant of layer {number} depends on its number, and would be wrong without others"
    parts = {name.split(".")[1] for name in first if name.startswith("mlp.")}
    if parts not in GATED:
        return "its MLP is not a gated one (gate, up and down), so its operations would be miscounted"
    return ""


def constants(block: Any) -> list[tuple[str, float]]:
    """Fractional numbers that the parts of a block keep, by name."""
    return [
        (f"{part}.{name}", value)
        for part, module in block.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, float)
    ]


def refuse_other_constants(raw: Mapping[str, Any], shorter: Mapping[str, Any], base: str, where: str) -> None:
    """GoodpartError where a number that every layer keeps depends on how many layers there are."""
    ours, theirs = (constants(_without_memory(one, base, where).model.layers[0]) for one in (raw, shorter))
    for (name, value), (_, other) in zip(ours, theirs, strict=True):
        if value != other:
            raise GoodpartError(
                f"{where}: {name} is {value:g}, and would be {other:g} in a model of fewer layers: it cannot "
                "be written without some of them; skip them when it runs"
            )


def per_layer(raw: Mapping[str, Any], base: str, where: str) -> dict[str, list[Any]]:
    """Settings with one value a layer, written out: config.json may hold only the rule that makes them."""
    config = read_config(raw, base, where)
    found = {name: getattr(config, name, None) for name in PER_LAYER}
    return {name: list(v) for name, v in found.items() if v and len(v) == config.num_hidden_layers}
