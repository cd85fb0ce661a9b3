"""Checkpoints of other people: read right, or refused with file and key, before any job."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.errors import GoodpartError
from goodpart.models.checkpoints import files
from goodpart.models.checkpoints.files import content_state
from goodpart.models.checkpoints.reading import read_checkpoint
from goodpart.models.checkpoints.tensors import read_header
from goodpart.models.export import export
from goodpart.models.loading import load
from goodpart.models.skipping import skipping

MODELS = ROOT / "workflow" / "resources" / "models"
FAMILIES = ["qwen2.5-tiny", "dream-tiny-base", "llada-tiny-instruct"]


@pytest.fixture
def copy(tmp_path):
    def made(name, file="config.json", **keys):
        folder = tmp_path / name
        if not folder.exists():
            shutil.copytree(MODELS / name, folder)
        old = json.loads((folder / file).read_text()) if (folder / file).exists() else {}
        (folder / file).write_text(json.dumps(old | keys))
        return folder

    return made


def refused(folder, said):
    with pytest.raises(GoodpartError, match=said):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rope_scaling", {"type": "yarn", "factor": 4.0}),
        ("rope_scaling", {"rope_type": "linear", "factor": 2.0}),
        ("rope_parameters", {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}),
        ("rope_parameters", {"rope_type": "default", "rope_theta": 12345.0}),
        ("rope_parameters", {"rope_theta": 1e6, "partial_rotary_factor": 0.5}),
        ("rope_parameters", {"full_attention": {"rope_type": "default"}}),
        ("quantization_config", {"quant_method": "gptq", "bits": 4}),
        ("quantization_config", {"quant_method": "bitsandbytes", "load_in_4bit": True}),
        ("compression_config", {"quant_method": "compressed-tensors"}),
        ("layer_norm_eps_of_tomorrow", 3),
        ("logit_scale", 0.5),
        ("architectures", ["LlamaForCausalLM"]),
        ("is_encoder_decoder", True),
        ("rms_norm_eps", 0.0),
        ("rope_theta", "500000"),
    ],
)
def test_a_key_that_changes_the_mathematics_is_refused(copy, name, key, value):
    refused(copy(name, **{key: value}), f"config.json: .*{key}")


@pytest.mark.parametrize("name", ["qwen2.5-tiny", "dream-tiny-base"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("use_sliding_window", True),
        ("layer_types", ["sliding_attention"] * 28),
        ("layer_types", ["full_attention"] * 27),
        ("hidden_act", "gelu"),
        ("attention_bias", False),
        ("use_mrope", True),
        ("head_dim", 32),
        ("num_hidden_layers", 27),
    ],
)
def test_a_value_of_qwens_shape_that_is_not_implemented(copy, name, key, value):
    refused(copy(name, **{key: value}), key)


def test_bookkeeping_and_defaults_change_nothing(copy):
    folder = copy(
        "qwen2.5-tiny",
        rope_scaling=None,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        layer_types=["full_attention"] * 28,
        _name_or_path="x",
        unsloth_version="1",
        head_dim=16,
        temperature=0.3,
    )
    original = read_checkpoint(MODELS / "qwen2.5-tiny")
    assert read_checkpoint(folder).architecture == original.architecture


@pytest.mark.parametrize("name", FAMILIES)
def test_every_file_that_names_an_end_is_read(copy, name):
    """As transformers, which stops at those of generation_config.json."""
    folder = copy(name, "generation_config.json", eos_token_id=[0, 30])
    copy(name, "tokenizer_config.json", eos_token="<|im_start|>")
    found = read_checkpoint(folder).ids
    assert {0, 30, 6} <= found.tokens.ends
    origins = {end.id: end.origin for end in found.ends}
    assert origins[0] == "config.json: eos_token_id"
    assert origins[30] == "generation_config.json: eos_token_id"
    assert origins[6] == "tokenizer_config.json: eos_token"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_piece_of_text_ends_a_completion_only_where_an_id_confirms_it(copy, name):
    folder = copy(name, "tokenizer_config.json", eos_token="x")
    refused(folder, "tokenizer_config.json: eos_token = 'x' is a piece of text")
    number = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]["x"]
    copy(name, "generation_config.json", eos_token_id=[0, number])
    assert number in read_checkpoint(folder).ids.tokens.ends


@pytest.mark.parametrize("name", FAMILIES)
def test_a_diffusion_models_own_padding_ends_a_completion(copy, name):
    folder = copy(name, "tokenizer_config.json", pad_token="<|end_header_id|>")
    assert (4 in read_checkpoint(folder).ids.tokens.ends) == (name != "qwen2.5-tiny")
    copy(name, "tokenizer_config.json", pad_token="x")  # a piece of text: it only fills rows
    assert len(read_checkpoint(folder).ids.tokens.ends) == 2


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("value", [-1, 640, "0", 1.5, True, [], [0, None]])
@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
def test_an_id_that_is_none(copy, name, file, value):
    for key in ("eos_token_id", "pad_token_id"):
        folder = copy(name, file, **{key: value})
        refused(folder, f"{file}: {key}")
        copy(name, file, **{key: 0})


@pytest.mark.parametrize("name", FAMILIES[1:])
def test_a_mask_that_is_missing_contradicted_or_also_an_end(copy, name):
    refused(copy(name, mask_token_id=3), "mask_token_id = 3, but tokenizer_config.json: mask_token = 2")
    refused(copy(name, mask_token_id=2, pad_token_id=2), "also config.json: pad_token_id")
    refused(copy(name, pad_token_id=0, eos_token_id=[0, 2]), "also config.json: eos_token_id")
    folder = copy(name, eos_token_id=0, mask_token_id=None)
    assert read_checkpoint(folder).ids.tokens.mask == 2  # as the tokenizer says
    copy(name, "tokenizer_config.json", mask_token=None)
    refused(folder, "config.json: the key 'mask_token_id' is missing")


def test_tokens_that_the_embedding_lacks(copy):
    declared = {"640": {"content": "<|new|>"}}
    refused(
        copy("qwen2.5-tiny", "tokenizer_config.json", added_tokens_decoder=declared), "next free one is 608"
    )
    copy("qwen2.5-tiny", "tokenizer_config.json", added_tokens_decoder={"608": {"content": "<|new|>"}})
    found = load(str(copy("qwen2.5-tiny")), device="cpu")
    assert found.tokenizer("<|new|>")["input_ids"] == [608]
    refused(
        copy("qwen2.5-tiny", "tokenizer_config.json", eos_token="<|nowhere|>"), "eos_token = .* is not in the"
    )


@pytest.mark.parametrize(
    "names",
    [["adapter_config.json"], ["adapter_model.safetensors"], ["adapter_model.bin"], ["x.lora.safetensors"]],
)
def test_an_adapter_beside_the_weights(copy, names):
    folder = copy("qwen2.5-tiny")
    for name in names:
        (folder / name).write_text("{}")
    refused(folder, f"{names[0]}: an adapter .* merge it")


@pytest.mark.parametrize("suffix", ["qweight", "weight_scale", "weight.absmax"])
def test_tensors_of_quantized_weights(copy, suffix):
    folder = copy("qwen2.5-tiny")
    weights = load_file(folder / "model.safetensors")
    weights[f"model.layers.0.mlp.up_proj.{suffix}"] = torch.zeros(4)
    save_file(weights, folder / "model.safetensors")
    refused(folder, f"up_proj.{suffix} .* quantized")
    weights = {name: t.to(torch.int8) if "up_proj.weight" in name else t for name, t in weights.items()}
    save_file(weights, folder / "model.safetensors")
    refused(folder, "dtype 'I8' is not supported")


@pytest.mark.parametrize(("name", "prefix"), [("qwen2.5-tiny", "model."), ("llada-tiny-instruct", "model.")])
def test_a_checkpoint_of_the_base_class_is_exported_without_its_layers(copy, tmp_path, name, prefix):
    """Its names lack `model.`; the exported one has as many tensors as fewer layers have."""
    folder = copy(name, tie_word_embeddings=name.startswith("qwen"))
    weights = load_file(folder / "model.safetensors")
    if name.startswith("qwen"):
        del weights["lm_head.weight"]
    save_file({n.removeprefix(prefix): t for n, t in weights.items()}, folder / "model.safetensors")
    whole = load(str(folder), dtype="float32", device="cpu")
    export(folder, [3, 7], tmp_path / "short")
    short = load(str(tmp_path / "short"), dtype="float32", device="cpu")
    names = [tensor.name for tensor in read_header(tmp_path / "short" / "model.safetensors")[0]]
    assert len(names) == len(weights) - 2 * (len(weights) - 2) // whole.layers
    settings = settings_for(
        whole, max_new_tokens=8, **({} if name.startswith("qwen") else {"block_length": 8})
    )
    with skipping(whole, [3, 7]):
        [wanted] = decode(whole, [[20, 21, 22]], settings)
    [found] = decode(short, [[20, 21, 22]], settings)
    assert found.token_ids == wanted.token_ids


def test_a_head_that_contradicts_tied_embeddings(copy):
    with pytest.raises(GoodpartError, match="tie_word_embeddings = true, but"):
        load(str(copy("qwen2.5-tiny", tie_word_embeddings=True)), device="cpu")


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_that_are_not_finite(copy, name):
    folder = copy(name)
    weights = load_file(folder / "model.safetensors")
    part = next(n for n in weights if n.endswith(("layers.3.mlp.down_proj.weight", "blocks.3.ff_out.weight")))
    for value in (float("nan"), float("inf")):
        weights[part][0, 0] = value
        save_file(weights, folder / "model.safetensors")
        with pytest.raises(GoodpartError, match=f"not finite in float32: {part}"):
            load(str(folder), device="cpu")
    weights[part][0, 0] = 1e6  # finite in the file, and not in float16
    save_file(weights, folder / "model.safetensors")
    assert load(str(folder), device="cpu").layers
    with pytest.raises(GoodpartError, match=f"not finite in float16: {part}.*take bfloat16 or float32"):
        load(str(folder), dtype="float16", device="cpu")


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_pass_that_overflows_stops_with_layer_and_step(copy, monkeypatch, name, waits):
    """Whether the canvas is looked at after each step, or only now and then, as on a GPU."""
    folder = copy(name)
    weights = load_file(folder / "model.safetensors")
    part = next(n for n in weights if n.endswith(("layers.3.mlp.down_proj.weight", "blocks.3.ff_out.weight")))
    weights[part] = (weights[part].float() * 3e4).to(weights[part].dtype)
    save_file(weights, folder / "model.safetensors")
    model = load(str(folder), dtype="float16", device="cpu")
    monkeypatch.setattr("goodpart.decoding.samplers.common.synchronises_each_step", lambda device: waits)
    options = {"max_new_tokens": 8, **({"block_length": 4} if model.family == "llada" else {})}
    for skipped, layer in (([], 3), ([1], 3)):
        with (
            skipping(model, skipped),
            pytest.raises(
                GoodpartError, match=f"output of layer {layer} is not finite in float16, at step 0"
            ),
        ):
            decode(model, [[20, 21, 22]], settings_for(model, **options))


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (
            "chat_template.jinja",
            "{% for m in messages %}{{ m",
            "chat_template.jinja: is no valid chat template",
        ),
        (
            "chat_template.jinja",
            "{{ raise_exception('system first') }}",
            "refuses a user's turn .system first",
        ),
        ("chat_template.jinja", "hello", "leaves out the user's text"),
        (
            "tokenizer.json",
            "version https://git-lfs.github.com/spec/v1",
            "tokenizer.json: is a Git LFS pointer",
        ),
        ("tokenizer.json", None, "the tokenizer is incomplete"),
        ("config.json", '{"model_type": "qwen2", "model_type": "qwen2"}', "config.json: .* occurs twice"),
        ("config.json", '{"rms_norm_eps": NaN}', "NaN is no JSON number"),
        ("adapter_config.json", "{}", "merge it"),
    ],
)
def test_the_dry_run_names_a_checkpoints_mistake(workflow, file, content, said):
    folder = workflow.folder / "workflow" / "resources" / "models" / "qwen2.5-tiny"
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    config = {"run": {"models": ["qwen2.5-tiny"]}, "models": {"qwen2.5-tiny": {"chat": True}}}
    (workflow.folder / "mine.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-c", CHECK, "mine.yaml"]
    run = subprocess.run(command, cwd=workflow.folder, capture_output=True, text=True, check=False)
    assert "models.qwen2.5-tiny" in run.stdout
    assert re.search(said, run.stdout), run.stdout
    assert "heavy" not in run.stdout


# What Snakemake's main process does: neither torch nor transformers is imported for it.
CHECK = """
import sys, yaml
from pathlib import Path
from snakemake.utils import update_config
from goodpart import config
from goodpart.errors import GoodpartError
made = yaml.safe_load(Path("config.yaml").read_text())
update_config(made, yaml.safe_load(Path(sys.argv[1]).read_text()))
try:
    config.check(made)
except GoodpartError as error:
    print(error)
print(*("heavy " + name for name in ("torch", "transformers") if name in sys.modules))
"""


def test_the_command_says_what_was_read(copy):
    command = [sys.executable, "-m", "goodpart_tools", "check"]
    run = subprocess.run(
        [*command, MODELS / "llada-tiny-instruct"], capture_output=True, text=True, check=True
    )
    assert "mask: 2 '<|mask|>' (config.json: mask_token_id)" in run.stdout
    assert run.stdout.splitlines()[-1] == "OK"
    bad = subprocess.run([*command, copy("qwen2.5-tiny", rope_theta=None)], capture_output=True, text=True)
    assert bad.returncode == 1
    assert "config.json: the key 'rope_theta' is missing" in bad.stderr
    assert "Traceback" not in bad.stderr


def test_shards_and_their_index_agree(copy):
    folder = copy("dream-tiny-base")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    first = {n: t for n, t in weights.items() if "layers.1." in n}
    save_file(first, folder / "a.safetensors")
    save_file({n: t for n, t in weights.items() if n not in first}, folder / "b.safetensors")
    places = {n: ("a" if n in first else "b") + ".safetensors" for n in weights}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    assert len(read_checkpoint(folder).tensors) == len(weights)
    for name, shard, said in (
        (next(iter(first)), "b.safetensors", "do not agree on the tensors"),
        (next(iter(first)), "../x.safetensors", "is no file of this folder"),
        (next(iter(first)), "c.safetensors", "shards are missing: c.safetensors"),
    ):
        index.write_text(json.dumps({"weight_map": places | {name: shard}}))
        refused(folder, said)


def test_a_folder_with_an_adapter_alone(tmp_path):
    shutil.copy(MODELS / "qwen2.5-tiny" / "config.json", tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    refused(Path(tmp_path), "an adapter")


def test_the_state_of_a_checkpoint_is_its_content(tmp_path, monkeypatch):
    """Copies, times and other files in the folder do not count; one changed byte that is read does."""
    folder = shutil.copytree(MODELS / "qwen2.5-tiny", tmp_path / "model")
    before = content_state(folder)
    for name in (".DS_Store", "._model.safetensors", "notes.txt", "recipe.json", "README.md"):
        (folder / name).write_text("other")
    for file in folder.iterdir():
        os.utime(file, (0, 0))
    assert content_state(folder) == before == content_state(MODELS / "qwen2.5-tiny")
    monkeypatch.setattr(files, "WHOLE", 1000)  # as a large file is read
    sampled = content_state(folder)
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(bytes([content[0]]) + bytes(len(content) - 1))
    assert content_state(folder) != sampled
    weights.write_bytes(content)
    assert content_state(folder) == sampled
    for name in files.READ:
        if (folder / name).exists():
            text = (folder / name).read_text()
            (folder / name).write_text(text + "\n")
            assert content_state(folder) != sampled, name
            (folder / name).write_text(text)
