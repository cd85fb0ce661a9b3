"""config.json of the tiny checkpoints, with the public models' keys, and their initial weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from goodpart.models.architectures import architecture_module
from goodpart.models.checkpoints.architecture import architecture
from goodpart.models.checkpoints.names import public_name
from goodpart_tools.tiny.tokenizer import SPECIAL, VOCABULARY

# Tokenizer ids follow the order of SPECIAL.
ID = {name: i for i, name in enumerate(SPECIAL)}


def public_config(family: str, shape: dict[str, int]) -> dict[str, Any]:
    """config.json in the family's public format; `shape`: width, layers, heads, kv_heads, mlp."""
    return _llada_config(shape) if family == "llada" else _qwen2_config(family, shape)


def _llada_config(shape: dict[str, int]) -> dict[str, Any]:
    return {
        "activation_type": "silu",
        "alibi": False,
        "architectures": ["LLaDAModelLM"],
        "attention_dropout": 0.0,
        "attention_layer_norm": False,
        "bias_for_layer_norm": False,
        "block_group_size": 1,
        "block_type": "llama",
        "d_model": shape["width"],
        "embedding_dropout": 0.0,
        "embedding_size": VOCABULARY,
        "eos_token_id": ID["eos"],
        "include_bias": False,
        "include_qkv_bias": False,
        "input_emb_norm": False,
        "layer_norm_type": "rms",
        "layer_norm_with_affine": True,
        "mask_token_id": ID["mask"],
        "max_sequence_length": 512,
        "mlp_hidden_size": shape["mlp"],
        "model_type": "llada",
        "multi_query_attention": None,
        "n_heads": shape["heads"],
        "n_kv_heads": shape["heads"],
        "n_layers": shape["layers"],
        "pad_token_id": ID["eos"],
        "rms_norm_eps": 1e-05,
        "rope": True,
        "rope_full_precision": True,
        "rope_theta": 500000.0,
        "scale_logits": False,
        "vocab_size": VOCABULARY,
        "weight_tying": False,
    }


def _qwen2_config(family: str, shape: dict[str, int]) -> dict[str, Any]:
    """Dream's format is Qwen2's with a mask token."""
    config = {
        "architectures": ["DreamModel" if family == "dream" else "Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": ID["eos"],
        "eos_token_id": ID["eos"],
        "hidden_act": "silu",
        "hidden_size": shape["width"],
        "initializer_range": 0.02,
        "intermediate_size": shape["mlp"],
        "max_position_embeddings": 512,
        "max_window_layers": shape["layers"],
        "model_type": "Dream" if family == "dream" else "qwen2",
        "num_attention_heads": shape["heads"],
        "num_hidden_layers": shape["layers"],
        "num_key_value_heads": shape["kv_heads"],
        "pad_token_id": ID["eos"],
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "use_cache": family == "qwen2",
        "use_sliding_window": False,
        "vocab_size": VOCABULARY,
    }
    return config | ({"mask_token_id": ID["mask"]} if family == "dream" else {})


def initial_model(family: str, config: dict[str, Any], seed: int, embedding_std: float = 0.02) -> Any:
    """A float32 model with random weights, its residual branches scaled by 1/sqrt(2 L).

    Without the scaling, 28 and 32 layers of this width start too far from the identity to train.
    """
    import torch

    shape = architecture(config)
    module = architecture_module(shape.module)
    torch.manual_seed(seed)
    model = module.model_class()(module.transformers_config(shape))
    layers = model.config.num_hidden_layers
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                std = parameter.shape[1] ** -0.5
                if "embed" in name:
                    std = embedding_std
                elif "lm_head" in name:
                    std = 0.02
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    std /= math.sqrt(2 * layers)
                parameter.normal_(0.0, std)
    return model


def public_names(family: str, state: dict[str, Any]) -> dict[str, Any]:
    """A state dict under the names of the family's public checkpoints."""
    return {public_name(family, name): tensor for name, tensor in state.items()}


def save(model: Any, family: str, config: dict[str, Any], tokenizer_json: Path, folder: Path) -> None:
    """Write a checkpoint folder in the family's public format: bfloat16 safetensors and tokenizer."""
    import torch
    from safetensors.torch import save_file

    from goodpart_tools.tiny.tokenizer import family_tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    state = {name: t.detach().to(torch.bfloat16).contiguous() for name, t in model.state_dict().items()}
    save_file(public_names(family, state), folder / "model.safetensors", metadata={"format": "pt"})
    text = json.dumps(config | {"torch_dtype": "bfloat16"}, indent=2, sort_keys=True)
    (folder / "config.json").write_text(text + "\n")
    family_tokenizer(tokenizer_json, family).save_pretrained(folder)
