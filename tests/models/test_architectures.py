"""Decoders of transformers' own classes: equal to plain transformers, with layers skipped too."""

import shutil

import pytest
import torch
from torch.nn import ModuleList
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.errors import GoodpartError
from goodpart.jobs.files import read_json, write_json
from goodpart.models.architectures import TRIED
from goodpart.models.architectures.standard import model_class
from goodpart.models.checkpoints.reading import read_checkpoint
from goodpart.models.export import export
from goodpart.models.flops import Shape
from goodpart.models.hooks import capturing
from goodpart.models.loading import load
from goodpart.models.skipping import skipping

TOKENIZER = ROOT / "workflow" / "resources" / "models" / "qwen2.5-tiny"
LAYERS, SKIPPED, KEPT = 6, [2, 3], [0, 1, 4, 5]
SMALL = {
    "vocab_size": 640,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "eos_token_id": 0,
    "pad_token_id": 0,
    "bos_token_id": 1,
}
WINDOW = {"sliding_window": 8}
# What differs by layer, and factors that are 1 by default, at values that show.
SPECIAL = {
    "qwen3": {"head_dim": 16},
    "mistral": WINDOW,
    "phi3": WINDOW,
    "gemma2": {**WINDOW, "head_dim": 8, "query_pre_attn_scalar": 8},
    "gemma3_text": {**WINDOW, "head_dim": 8, "query_pre_attn_scalar": 8},
    "granite": {
        "logits_scaling": 3.0,
        "embedding_multiplier": 2.0,
        "residual_multiplier": 0.5,
        "attention_multiplier": 0.3,
    },
    "cohere": {"logit_scale": 0.25},
}


def made(kind, folder):
    """A random checkpoint of transformers' own class, and the class itself."""
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**{**SMALL, **SPECIAL.get(kind, {})})
    config._attn_implementation = "eager" if getattr(config, "attn_logit_softcapping", None) else "sdpa"
    plain = model_class(kind)(config).eval().float()
    with torch.no_grad():
        for parameter in plain.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3)
            else:
                parameter.add_(0.1 * torch.randn_like(parameter))
    plain.save_pretrained(folder)
    for file in TOKENIZER.glob("tokenizer*"):
        shutil.copy(file, folder)
    return plain


@pytest.fixture(scope="module", params=[*TRIED, "cohere"])
def pair(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints") / request.param
    plain = made(request.param, folder)
    return plain, load(str(folder), dtype="float32", device="cpu"), folder


@pytest.fixture
def ids():
    return torch.randint(8, 640, (2, 30), generator=torch.Generator().manual_seed(1))


def without_layers(plain):
    """The plain model with blocks deleted by hand, together with their settings in the config."""
    plain.model.layers = ModuleList(plain.model.layers[i] for i in KEPT)
    for number, block in enumerate(plain.model.layers):
        block.self_attn.layer_idx = number
    plain.config.num_hidden_layers = len(KEPT)
    if getattr(plain.config, "layer_types", None):
        plain.config.layer_types = [plain.config.layer_types[i] for i in KEPT]
    return plain


def test_states_logits_and_tokens_are_those_of_transformers(pair, ids):
    plain, model, _ = pair
    with torch.no_grad(), capturing(model) as captured:
        expected = plain(input_ids=ids, output_hidden_states=True)
        hidden = model.module.model(input_ids=ids).last_hidden_state
        assert torch.equal(model.logits(hidden), expected.logits)
    # transformers applies the final norm to its last state.
    for here, there in zip(captured.states[:-1], expected.hidden_states, strict=False):
        assert torch.equal(here, there)
    prompts = [ids[0, :12].tolist(), ids[1, :7].tolist()]
    for prompt, found in zip(
        prompts, decode(model, prompts, settings_for(model, max_new_tokens=16)), strict=True
    ):
        alone = plain.generate(
            torch.tensor([prompt]), max_new_tokens=16, do_sample=False, eos_token_id=0, pad_token_id=0
        )
        # Here every marker that ends a turn ends a completion.
        assert alone[0, len(prompt) :].tolist()[: len(found.token_ids)] == found.token_ids


def test_skipping_is_deletion_by_hand_and_the_export(pair, ids, tmp_path):
    plain, model, folder = pair
    with torch.no_grad(), skipping(model, SKIPPED):
        found = model.logits(model.module.model(input_ids=ids).last_hidden_state)
        settings = settings_for(model, max_new_tokens=16)
        tokens = decode(model, [ids[0, :12].tolist()], settings)[0].token_ids
    export(folder, SKIPPED, tmp_path / "short")
    attention = plain.config._attn_implementation
    short = AutoModelForCausalLM.from_pretrained(
        tmp_path / "short", dtype=torch.float32, attn_implementation=attention
    )
    again = made(plain.config.model_type, tmp_path / "again")
    with torch.no_grad():
        assert torch.equal(short(input_ids=ids).logits, found)
        assert torch.equal(without_layers(again)(input_ids=ids).logits, found)
        out = short.generate(ids[:1, :12], max_new_tokens=16, do_sample=False, eos_token_id=0, pad_token_id=0)
    assert out[0, 12:].tolist()[: len(tokens)] == tokens
    exported = load(str(tmp_path / "short"), dtype="float32", device="cpu")
    assert decode(exported, [ids[0, :12].tolist()], settings)[0].token_ids == tokens


def test_settings_of_a_layer_follow_it(tmp_path):
    """With layers 0 to 4 gone, Gemma 3's one layer of full attention is the first that is left."""
    made("gemma3_text", tmp_path / "whole")
    export(tmp_path / "whole", [0, 1, 2, 3], tmp_path / "short")
    config = read_json(tmp_path / "short" / "config.json")
    assert config["layer_types"] == ["sliding_attention", "full_attention"]


def test_operations_are_counted_from_its_shape(pair):
    _, model, folder = pair
    assert Shape.of(read_json(folder / "config.json")) == Shape.of_module(model.module.config)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("mixtral", "its MLP is not a gated one"),
        ("starcoder2", "its MLP is not a gated one"),
        ("gpt2", "it has no list of layers at model.layers"),
        ("phi", "it has no list of layers at model.layers"),
        ("diffllama", "a constant of layer 1 depends on its number"),
        ("vit", "model_type 'vit' is not supported; supported are llada, Dream, qwen2,"),
    ],
)
def test_blocks_that_are_not_uniform_residual_ones_are_refused(kind, reason, tmp_path):
    write_json(tmp_path / "config.json", {**SMALL, "model_type": kind})
    with pytest.raises(GoodpartError, match=reason):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hidden_sise": 32}, "the key 'hidden_sise'"),
        ({"hidden_size": "wide"}, "transformers refuses it as llama|is not a whole number"),
        ({"num_attention_heads": 5}, "transformers refuses it as llama|divisor"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantized weights"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "is not implemented; for this model_type"),
    ],
)
def test_a_config_that_is_not_understood_is_refused(change, reason, tmp_path):
    made("llama", tmp_path)
    config = read_json(tmp_path / "config.json")
    write_json(tmp_path / "config.json", config | change)
    with pytest.raises(GoodpartError, match=reason):
        read_checkpoint(tmp_path)


def test_a_missing_tensor_is_named(tmp_path):
    made("qwen3", tmp_path)
    config = read_json(tmp_path / "config.json")
    config |= {"num_hidden_layers": LAYERS + 1, "layer_types": ["full_attention"] * (LAYERS + 1)}
    write_json(tmp_path / "config.json", config)
    with pytest.raises(GoodpartError, match=r"tensors are missing .*model\.layers\.6\."):
        read_checkpoint(tmp_path)


def test_keys_of_other_code_are_known_with_the_values_that_change_nothing(tmp_path):
    made("llama", tmp_path)
    config = read_json(tmp_path / "config.json")
    harmless = {"is_llama_config": True, "transformers.js_config": {}, "rope_interleaved": False}
    write_json(tmp_path / "config.json", config | harmless)
    assert read_checkpoint(tmp_path).architecture.layers == LAYERS
    write_json(tmp_path / "config.json", config | {"rope_interleaved": True})
    with pytest.raises(GoodpartError, match="rope_interleaved = True is not implemented"):
        read_checkpoint(tmp_path)
