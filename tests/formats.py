"""Checkpoints of random weights in the public formats of LLaDA-8B and Dream-7B, at any width, in shards."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from conftest import ROOT

TINY = ROOT / "workflow" / "resources" / "models"
PARITY = ROOT / "tests" / "data" / "parity"
SHAPES = ROOT / "workflow" / "resources" / "shapes"
# name -> the parity folder with a config.json of that format
FORMATS = {
    "llada-8b": "llada-mha",
    "dream-7b": "dream",
}
STD = 0.02


def public_config(name, width):
    """The public config.json with `width` of the hidden size and the heads, and of the MLP."""
    raw = json.loads((PARITY / FORMATS[name] / "config.json").read_text())
    raw.update(json.loads((SHAPES / f"{name}.json").read_text()))
    scaled = (
        ("d_model", "n_heads", "n_kv_heads", "mlp_hidden_size")
        if name == "llada-8b"
        else ("hidden_size", "num_attention_heads", "num_key_value_heads", "intermediate_size")
    )
    for key in scaled:
        raw[key] = max(1, round(raw[key] * width))
    return raw


def tensors(name, raw):
    """(tensor name in the public file, shape), in the order of the file."""
    if name == "llada-8b":
        width, mlp, vocabulary = raw["d_model"], raw["mlp_hidden_size"], raw["embedding_size"]
        kv = width // raw["n_heads"] * raw["n_kv_heads"]
        yield "model.transformer.wte.weight", (vocabulary, width)
        for i in range(raw["n_layers"]):
            at = f"model.transformer.blocks.{i}"
            for part in ("attn_norm", "ff_norm"):
                yield f"{at}.{part}.weight", (width,)
            for part, rows in (("q_proj", width), ("k_proj", kv), ("v_proj", kv), ("attn_out", width)):
                yield f"{at}.{part}.weight", (rows, width)
            for part in ("ff_proj", "up_proj"):
                yield f"{at}.{part}.weight", (mlp, width)
            yield f"{at}.ff_out.weight", (width, mlp)
        yield "model.transformer.ln_f.weight", (width,)
        yield "model.transformer.ff_out.weight", (vocabulary, width)
        return
    width, mlp, vocabulary = raw["hidden_size"], raw["intermediate_size"], raw["vocab_size"]
    kv = width // raw["num_attention_heads"] * raw["num_key_value_heads"]
    yield "model.embed_tokens.weight", (vocabulary, width)
    for i in range(raw["num_hidden_layers"]):
        at = f"model.layers.{i}"
        for part in ("input_layernorm", "post_attention_layernorm"):
            yield f"{at}.{part}.weight", (width,)
        for part, rows in (("q_proj", width), ("k_proj", kv), ("v_proj", kv)):
            yield f"{at}.self_attn.{part}.weight", (rows, width)
            yield f"{at}.self_attn.{part}.bias", (rows,)
        yield f"{at}.self_attn.o_proj.weight", (width, width)
        for part in ("gate_proj", "up_proj"):
            yield f"{at}.mlp.{part}.weight", (mlp, width)
        yield f"{at}.mlp.down_proj.weight", (width, mlp)
    yield "model.norm.weight", (width,)
    yield "lm_head.weight", (vocabulary, width)


def write_checkpoint(folder: Path, name: str, width: float = 1.0, shard_bytes: int = 5 << 30, seed: int = 0):
    """Write config.json, shards with their index, and a tokenizer; returns the number of parameters.

    Weights are drawn a shard at a time, so that memory stays at one shard.
    """
    folder.mkdir(parents=True)
    raw = public_config(name, width)
    generator = torch.Generator().manual_seed(seed)
    shards, size = [{}], 0
    for tensor, shape in tensors(name, raw):
        bytes_ = 2 * torch.Size(shape).numel()
        if size + bytes_ > shard_bytes and shards[-1]:
            shards.append({})
            size = 0
        shards[-1][tensor] = shape
        size += bytes_
    where, total = {}, 0
    for number, members in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        weights = {}
        for tensor, shape in members.items():
            norm = tensor.rsplit(".", 2)[-2].endswith(("norm", "ln_f", "layernorm"))
            made = torch.empty(shape, dtype=torch.bfloat16)
            weights[tensor] = made.fill_(1) if norm else made.normal_(0, STD, generator=generator)
            where[tensor] = file
            total += made.numel()
        save_file(weights, folder / file, metadata={"format": "pt"})
    index = {"metadata": {"total_size": 2 * total}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps(raw, indent=2))
    source = TINY / ("llada-tiny-instruct" if name == "llada-8b" else "dream-tiny-base")
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (source / file).exists():
            shutil.copy(source / file, folder / file)
    # The tiny tokenizer's mask is no token of this vocabulary, which config.json names alone.
    words = json.loads((folder / "tokenizer_config.json").read_text())
    words.pop("mask_token", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(words))
    return total
