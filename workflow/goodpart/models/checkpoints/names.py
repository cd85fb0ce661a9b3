"""Names and shapes of an architecture's tensors: in the public files, and in transformers' classes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from goodpart.models.architectures import architecture_module
from goodpart.models.checkpoints.architecture import Architecture

# Parts of a name in transformers' Llama and Qwen2 classes -> in LLaDA's files. Dream's are Qwen2's.
LLADA = {
    "model.embed_tokens": "model.transformer.wte",
    "model.norm": "model.transformer.ln_f",
    "lm_head": "model.transformer.ff_out",
    "model.layers": "model.transformer.blocks",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ff_norm",
    "self_attn.q_proj": "q_proj",
    "self_attn.k_proj": "k_proj",
    "self_attn.v_proj": "v_proj",
    "self_attn.o_proj": "attn_out",
    "mlp.gate_proj": "ff_proj",
    "mlp.up_proj": "up_proj",
    "mlp.down_proj": "ff_out",
}
LAYERS_KEYS = ("num_hidden_layers", "n_layers")  # in Qwen2's files (and Dream's), and in LLaDA's
# config.json's keys of the sizes below: in Qwen2's files (and Dream's), and in LLaDA's.
SIZE_KEYS = {
    "vocabulary": ("vocab_size", "embedding_size"),
    "width": ("hidden_size", "d_model"),
    "mlp": ("intermediate_size", "mlp_hidden_size"),
    "queries": ("num_attention_heads x head_dim", "n_heads"),
    "keys": ("num_key_value_heads x head_dim", "n_kv_heads"),
}


@dataclass(frozen=True)
class Expected:
    """A tensor of an architecture: its name in transformers' class, its shape, and its layer or None."""

    target: str
    shape: tuple[int, ...]
    keys: tuple[str, ...]  # of config.json, that give the sizes; empty where that is not known
    layer: int | None = None


def public_name(architecture: str, target: str) -> str:
    """The name in an architecture's public files of a tensor that transformers' class calls `target`."""
    if architecture != "llada":
        return target
    body, kind = target.rsplit(".", 1)
    if body in LLADA:
        return f"{LLADA[body]}.{kind}"
    start, layer, part = _layer_parts(body)
    return f"{LLADA[start]}.{layer}.{LLADA[part]}.{kind}"


def _layer_parts(body: str) -> tuple[str, str, str]:
    start = "model.layers"
    layer, part = body.removeprefix(f"{start}.").split(".", 1)
    return start, layer, part


def _layer_of(name: str) -> int | None:
    found = re.match(r"model\.layers\.(\d+)\.", name)
    return int(found[1]) if found else None


def expected_tensors(shape: Architecture, where: str) -> dict[str, Expected]:
    """Every tensor of an architecture, read at `where`, by its public name; an untied head among them."""
    if shape.base:
        made = architecture_module(shape.module).tensors(shape.standard, shape.base, where)
        return {name: Expected(name, size, (), _layer_of(name)) for name, size in made.items()}
    sizes = {
        "vocabulary": shape.vocabulary,
        "width": shape.width,
        "mlp": shape.mlp,
        "queries": shape.heads * shape.head_width,
        "keys": shape.kv_heads * shape.head_width,
    }
    found: dict[str, Expected] = {}

    def add(target: str, *axes: str, layer: int | None = None) -> None:
        keys = tuple(SIZE_KEYS[axis][shape.module == "llada"] for axis in axes)
        one = Expected(target, tuple(sizes[axis] for axis in axes), keys, layer)
        found[public_name(shape.module, target)] = one

    add("model.embed_tokens.weight", "vocabulary", "width")
    for i in range(shape.layers):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            add(f"model.layers.{i}.{norm}.weight", "width", layer=i)
        for part, rows in (("q_proj", "queries"), ("k_proj", "keys"), ("v_proj", "keys")):
            add(f"model.layers.{i}.self_attn.{part}.weight", rows, "width", layer=i)
            if shape.module != "llada":
                add(f"model.layers.{i}.self_attn.{part}.bias", rows, layer=i)
        add(f"model.layers.{i}.self_attn.o_proj.weight", "width", "queries", layer=i)
        for part in ("gate_proj", "up_proj"):
            add(f"model.layers.{i}.mlp.{part}.weight", "mlp", "width", layer=i)
        add(f"model.layers.{i}.mlp.down_proj.weight", "width", "mlp", layer=i)
    add("model.norm.weight", "width")
    add("lm_head.weight", "vocabulary", "width")
    return found
