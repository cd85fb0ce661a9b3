"""A skipped model written as an ordinary checkpoint gives the tokens that skipping gives."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.errors import GoodpartError
from goodpart.models.checkpoints.reading import read_checkpoint
from goodpart.models.export import export, shorter_config
from goodpart.models.loading import load
from goodpart.models.skipping import skipping

MODELS = ROOT / "workflow" / "resources" / "models"
PROMPTS = [[20, 21, 22, 23, 24, 25], [30, 31, 32]]


def folder_of(name):
    return (
        Path(__file__).parents[1] / "data" / "parity" / name
        if name.startswith(("dream", "llada-"))
        else MODELS / name
    )


@pytest.mark.parametrize("name", ["llada-gqa", "llada-mha", "dream", "qwen2.5-tiny"])
@pytest.mark.parametrize("layers", [[1], [0, 2]])
def test_an_exported_model_is_the_skipped_one(tmp_path, name, layers):
    folder = folder_of(name)
    export(folder, layers, tmp_path / "short")
    whole, short = (load(str(f), dtype="float32", device="cpu") for f in (folder, tmp_path / "short"))
    assert short.layers == whole.layers - len(layers)
    options = {"max_new_tokens": 16, **({"block_length": 8} if whole.family == "llada" else {})}
    found = decode(short, PROMPTS, settings_for(short, **options))
    with skipping(whole, layers):
        wanted = decode(whole, PROMPTS, settings_for(whole, **options))
    assert [row.token_ids for row in found] == [row.token_ids for row in wanted]
    # No bit of a weight has changed.
    before, after = (
        load_file(folder / "model.safetensors"),
        load_file(tmp_path / "short" / "model.safetensors"),
    )
    prefix = "model.transformer.blocks." if whole.family == "llada" else "model.layers."
    kept = [i for i in range(whole.layers) if i not in layers]
    for old, new in ((kept[-1], len(kept) - 1), (kept[0], 0)):
        names = [n.removeprefix(f"{prefix}{old}.") for n in before if n.startswith(f"{prefix}{old}.")]
        assert names
        assert all(torch.equal(before[f"{prefix}{old}.{n}"], after[f"{prefix}{new}.{n}"]) for n in names)
    assert not [n for n in after if n.startswith(f"{prefix}{len(kept)}.")]


def test_plain_transformers_loads_an_exported_qwen(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, target = MODELS / "qwen2.5-tiny", tmp_path / "short"
    command = [
        sys.executable,
        "-m",
        "goodpart_tools",
        "export",
        str(source),
        "--layers",
        "3",
        "7",
        "--output",
        str(target),
    ]
    subprocess.run(command, check=True)
    model = AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(target)
    prompt = tokenizer("Solve $3x=9$.")["input_ids"]
    out = model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False)[
        0, len(prompt) :
    ].tolist()
    ours = load(str(source), dtype="float32", device="cpu")
    with skipping(ours, [3, 7]):
        [made] = decode(ours, [prompt], settings_for(ours, max_new_tokens=12))
    assert out[: len(made.token_ids)] == made.token_ids


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shard", ["1GB", "300KB"])
def test_what_transformers_saves_loads_and_is_exported(tmp_path, tied, dtype, shard):
    """In one file or in shards, in any dtype, with a head of its own or the embedding's, and back."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    plain = AutoModelForCausalLM.from_pretrained(MODELS / "qwen2.5-tiny", dtype=dtype)
    if tied:
        plain.config.tie_word_embeddings = True
        plain.lm_head.weight = plain.model.embed_tokens.weight
    plain.save_pretrained(tmp_path / "saved", max_shard_size=shard)
    AutoTokenizer.from_pretrained(MODELS / "qwen2.5-tiny").save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "model.safetensors.index.json").exists() == (shard == "300KB")
    ours = load(str(tmp_path / "saved"), dtype="float32", device="cpu")
    ids = torch.tensor(PROMPTS[:1])
    with torch.inference_mode():
        torch.testing.assert_close(
            ours.logits(ours.module.model(ids).last_hidden_state), plain.float().eval()(ids).logits
        )
    export(tmp_path / "saved", [3, 7], tmp_path / "short")
    short = AutoModelForCausalLM.from_pretrained(tmp_path / "short", dtype=torch.float32).eval()
    with torch.inference_mode(), skipping(ours, [3, 7]):
        torch.testing.assert_close(
            short(ids).logits, ours.logits(ours.module.model(ids).last_hidden_state), rtol=1e-4, atol=1e-4
        )
    assert read_checkpoint(tmp_path / "short").architecture.tied == tied


def test_shards_stay_shards(tmp_path):
    """A checkpoint in three shards, of which one holds nothing but a layer that goes."""
    source = folder_of("dream")
    folder = tmp_path / "sharded"
    folder.mkdir()
    shutil.copy(source / "config.json", folder)
    tensors = load_file(source / "model.safetensors")
    place = {n: "a" if n.startswith("model.layers.0.") else "b" if "layers.1." in n else "c" for n in tensors}
    for shard in "abc":
        save_file({n: t for n, t in tensors.items() if place[n] == shard}, folder / f"{shard}.safetensors")
    index = {"metadata": {}, "weight_map": {n: f"{s}.safetensors" for n, s in place.items()}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    export(folder, [1], tmp_path / "short")
    assert not (tmp_path / "short" / "b.safetensors").exists()
    short, whole = (load(str(f), dtype="float32", device="cpu") for f in (tmp_path / "short", source))
    found = decode(short, PROMPTS, settings_for(short, max_new_tokens=8))
    with skipping(whole, [1]):
        wanted = decode(whole, PROMPTS, settings_for(whole, max_new_tokens=8))
    assert [row.token_ids for row in found] == [row.token_ids for row in wanted]


def test_what_is_true_of_the_original_alone_stays_behind(tmp_path):
    folder = tmp_path / "original"
    shutil.copytree(MODELS / "qwen2.5-tiny", folder)
    (folder / "download.json").write_text("{}")
    export(folder, [1], tmp_path / "short")
    copied = {file.name for file in (tmp_path / "short").iterdir()}
    assert {"tokenizer.json", "config.json", "model.safetensors"} <= copied
    assert not {"download.json", "recipe.json", "evaluation.json"} & copied


def test_lists_of_layers_follow():
    raw = {"n": 3, "layer_types": ["a", "b", "c"], "max_window_layers": 3}
    assert shorter_config(raw, "n", [0, 2]) == {"n": 2, "layer_types": ["a", "c"], "max_window_layers": 2}
    assert shorter_config(raw | {"max_window_layers": 1}, "n", [0, 2])["max_window_layers"] == 1


def test_what_cannot_be_exported_is_refused(tmp_path):
    with pytest.raises(GoodpartError, match="layers \\[9\\] do not exist"):
        export(folder_of("dream"), [9], tmp_path / "short")
    assert not (tmp_path / "short").exists()
    with pytest.raises(GoodpartError, match="exists; name a new folder"):
        export(folder_of("dream"), [1], tmp_path)
