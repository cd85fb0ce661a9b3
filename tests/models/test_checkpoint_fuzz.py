"""Damaged files of shipped checkpoints: the same tokens and states, or a message with file and key."""

import json
import random
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.errors import GoodpartError
from goodpart.models.checkpoints.reading import read_checkpoint
from goodpart.models.loading import load, loaded_tokenizer

MODELS = sorted((ROOT / "workflow" / "resources" / "models").iterdir())
WEIGHTS, GENERATION = "model.safetensors", "generation_config.json"
TEXTS = ("Solve $3x=9$.", "def f(x):")
MUTATIONS = 300  # of each kind of file, over all checkpoints
VALUES = [
    *(None, True, False, 0, -1, 1, 3, 2**31, 10**30, 1e308, 1e-300, -0.5, "", "x", "7" * 50),
    *([], {}, [0], [None], {"a": 1}),
]


def header_of(folder):
    data = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def write_header(folder, header, data):
    text = json.dumps(header).encode()
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text + data)


def mutated(value, draw):
    """A copy with one key deleted, or one value of another type or extreme; and the keys that lead to it."""
    value = json.loads(json.dumps(value))
    at, path = value, []
    while True:
        key = draw.choice(sorted(at))
        path.append(key)
        if isinstance(at[key], dict) and at[key] and draw.random() < 0.8:
            at = at[key]
            continue
        break
    if draw.random() < 0.25:
        del at[key]
    else:
        at[key] = draw.choice(
            [other for other in VALUES if other != at[key] or type(other) is not type(at[key])]
        )
    return value, path


@cache
def original_model(original):
    return load(str(original), dtype="float32", device="cpu")


def prompts_of(model):
    return [model.tokenizer(text)["input_ids"] for text in TEXTS]


def results(model):
    """Tokens of two prompts, and of their completions."""
    options = {"max_new_tokens": 4, **({"block_length": 4} if model.family == "llada" else {})}
    prompts = prompts_of(model)
    made = decode(model, prompts, settings_for(model, **options))
    return prompts, [(one.token_ids, one.ended) for one in made]


@cache
def wanted(original):
    return results(original_model(original))


def same_results(folder, original, found):
    """Whether tokens and states are those of the original; weights are loaded again where they may differ."""
    base = original_model(original)
    if meaning(found)[::2] != meaning_of(original)[::2]:
        model = load(str(folder), dtype="float32", device="cpu")
        ids = torch.tensor(prompts_of(base)[:1])
        with torch.inference_mode():
            states = [m.module.model(ids).last_hidden_state for m in (model, base)]
        assert torch.equal(*states)
    else:  # the same tensors in the same architecture
        model = replace(base, tokens=found.ids.tokens, tokenizer=loaded_tokenizer(found))
    return results(model) == wanted(original)


@cache
def meaning_of(original):
    return meaning(read_checkpoint(original))


def meaning(found):
    tensors = {t.name: (t.dtype, t.shape, t.span, t.expected) for t in found.tensors}
    return found.architecture, found.ids.tokens, tensors, vars(found.tokenizer)


def check(folder, original, file, path):
    """The outcome of one damaged checkpoint: refused by name, the same, or of the same results."""
    try:
        found = read_checkpoint(folder)
        if meaning(found) == meaning_of(original):
            return "same"
        assert same_results(folder, original, found), path
        return "harmless"
    except GoodpartError as error:
        said = str(error)
    assert file in said, (path, said)
    assert [part for part in path if part.removesuffix("_id") in said], (path, said)
    return "refused"


@pytest.mark.parametrize("file", ["config.json", GENERATION, "tokenizer_config.json", WEIGHTS])
def test_a_damaged_file_is_harmless_or_refused_by_name(tmp_path, file):
    draw = random.Random(file)
    outcomes = []
    for number in range(MUTATIONS):
        original = MODELS[number % len(MODELS)]
        folder = tmp_path / str(number) / original.name
        shutil.copytree(original, folder, ignore=shutil.ignore_patterns("*.csv", "*.md", "*.safetensors"))
        (folder / WEIGHTS).symlink_to(original / WEIGHTS)
        if file == WEIGHTS:
            header, data = header_of(folder)
            changed, path = mutated(header, draw)
            write_header(folder, changed, data)
        else:
            default = {"eos_token_id": [0, 7], "pad_token_id": 0, "bos_token_id": 1, "temperature": 0.7}
            content = json.loads((folder / file).read_text()) if (folder / file).exists() else default
            changed, path = mutated(content, draw)
            (folder / file).write_text(json.dumps(changed))
        outcomes.append(check(folder, original, file, path))
        shutil.rmtree(folder.parent)
    assert outcomes.count("refused") > MUTATIONS / 10
    assert file == WEIGHTS or outcomes.count("same") > MUTATIONS / 10


@pytest.mark.parametrize(
    "file", ["config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]
)
def test_a_file_that_is_cut_or_a_pointer_is_refused(tmp_path, file):
    for content in (
        lambda whole: whole[: len(whole) // 2],
        lambda _: b"version https://git-lfs.github.com/spec/v1\n",
    ):
        folder = tmp_path / "model"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(MODELS[0], folder)
        whole = (folder / file).read_bytes()
        (folder / file).write_bytes(content(whole))
        with pytest.raises(GoodpartError, match=file):
            read_checkpoint(folder)


def test_a_header_that_is_cut_is_refused(tmp_path):
    folder = Path(shutil.copytree(MODELS[0], tmp_path / "model"))
    whole = (folder / WEIGHTS).read_bytes()
    for length in (0, 4, 8, 100, len(whole) // 2, len(whole) - 1):
        (folder / WEIGHTS).write_bytes(whole[:length])
        with pytest.raises(GoodpartError, match=r"model.safetensors: .*cut short, or a Git LFS pointer"):
            read_checkpoint(folder)
