"""The tiny corpus: answers are right, held-out items are held out, training repeats itself."""

import json
import random
import re
from itertools import islice

import pytest
import torch

from conftest import ROOT
from goodpart.benchmarks import benchmark_module
from goodpart.files import read_json, read_jsonl, sha256
from goodpart.tiny.architectures import initial_model, public_config
from goodpart.tiny.batches import batches
from goodpart.tiny.corpus import PROMPT_FIELD, held_out, held_out_prompts, rows, training_tasks
from goodpart.tiny.tasks import GENERATORS
from goodpart.tiny.tokenizer import family_tokenizer
from goodpart.tiny.train import train

RESOURCES = ROOT / "workflow" / "resources"
SHAPE = {"width": 16, "layers": 2, "heads": 2, "kv_heads": 1, "mlp": 16}


def tasks(name, n=300):
    rng = random.Random(0)
    return [GENERATORS[name](rng) for _ in range(n)]


def test_word_problems_are_right_by_an_independent_reading():
    for task in tasks("gsm8k"):
        story = task.row["question"]
        n = [int(x) for x in re.findall(r"\d+", story)]
        gains = re.search(r"more|buys|finds|gets", story) is not None
        if "each" in story:
            value = n[0] * n[1] + (n[2] if len(n) > 2 else 0)
        elif len(n) == 3:
            value = n[0] + n[1] - n[2]
        else:
            value = n[0] + n[1] if gains else n[0] - n[1]
        assert task.row["answer"].endswith(f"#### {value}")
        assert value >= 0


def test_equations_hold_when_the_answer_is_put_in():
    for task in tasks("math500"):
        left, right, v = re.fullmatch(r"Solve \$(.+) = (\d+)\$ for \$(\w)\$\.", task.row["problem"]).groups()
        left = re.sub(rf"(\d){v}", rf"\1 * {v}", left)
        assert eval(left, {v: int(task.row["answer"])}) == int(right)


@pytest.mark.parametrize("name", ["gsm8k", "math500"])
def test_the_training_response_is_scored_right(name):
    module = benchmark_module(name)
    for task in tasks(name, 100):
        assert module.score(module.reference(task.row), task.response).correct


@pytest.mark.parametrize("name", ["humaneval", "mbpp"])
def test_reference_functions_pass_their_tests(name):
    for task in tasks(name, 200):
        scope = {}
        if name == "humaneval":
            exec(task.row["prompt"] + task.response + "\n" + task.row["test"], scope)
            scope["check"](scope[task.row["entry_point"]])
        else:
            exec("\n".join([task.response, *task.row["test_list"]]), scope)


def test_training_never_sees_a_held_out_item():
    files = {p.name: read_jsonl(p) for p in sorted((RESOURCES / "benchmarks").glob("*.jsonl"))}
    excluded = held_out_prompts(files)
    assert len(excluded) == sum(map(len, files.values()))  # and none of them twice
    assert not excluded & {task.prompt for task in islice(training_tasks(7, excluded), 5000)}
    # Without the exclusion some would come up: the check can fail.
    assert excluded & {task.prompt for task in islice(training_tasks(7, set()), 5000)}


@pytest.mark.parametrize("name", GENERATORS)
def test_the_shipped_files_come_from_the_seed(name):
    drawn = held_out(name, 0, 256, 64)
    for split, made in drawn.items():
        shipped = read_jsonl(RESOURCES / "benchmarks" / f"{name}-{split}.jsonl")
        assert shipped == json.loads(json.dumps(rows(name, split, made)))
        assert len({row[PROMPT_FIELD[name]] for row in shipped}) == len(shipped)


@pytest.mark.parametrize("folder", sorted((RESOURCES / "models").iterdir()), ids=lambda p: p.name)
def test_shipped_checkpoints_are_those_of_their_cards(folder):
    weights = folder / "model.safetensors"
    assert weights.stat().st_size <= 4_000_000
    assert sha256(weights) in (folder / "README.md").read_text()
    recipe = read_json(folder / "recipe.json")
    assert public_config(recipe["family"], recipe["shape"]) | {"torch_dtype": "bfloat16"} == read_json(
        folder / "config.json"
    )


def small_recipe(**changes):
    return {
        "family": "llada",
        "objective": "diffusion",
        "shape": SHAPE,
        "steps": 6,
        "batch": 4,
        "learning_rate": 0.01,
        "seed": 5,
        "chat_fraction": 1.0,
        "canvas": 24,
    } | changes


def trained(folder, recipe, **options):
    tokenizer = family_tokenizer(
        RESOURCES / "models" / "llada-tiny-instruct" / "tokenizer.json", recipe["family"]
    )
    model = initial_model(recipe["family"], public_config(recipe["family"], SHAPE), recipe["seed"])
    curve = train(model, recipe["family"], tokenizer, set(), recipe, folder / "state.safetensors", **options)
    return model.state_dict(), curve


@pytest.mark.parametrize("family", ["llada", "dream", "qwen2"])
def test_training_again_gives_the_same_weights(tmp_path, family):
    objective = "next_token" if family == "qwen2" else "diffusion"
    recipe = small_recipe(family=family, objective=objective)
    first, second = (trained(tmp_path / name, recipe)[0] for name in "ab")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_killed_training_goes_on_where_it_was(tmp_path, monkeypatch):
    from goodpart.tiny import train as module

    monkeypatch.setattr(module, "SAVE_EVERY", 2)
    monkeypatch.setattr(module, "REPORT_EVERY", 1)
    recipe = small_recipe(easy=["mbpp"], easy_steps=3)
    whole, curve = trained(tmp_path / "whole", recipe)

    class Killed(Exception):
        pass

    def kill(row):
        if row["step"] == 5:
            raise Killed

    with pytest.raises(Killed):
        trained(tmp_path / "cut", recipe, report=kill)
    rest, again = trained(tmp_path / "cut", recipe)
    assert [row["step"] for row in again] == [row["step"] for row in curve]
    assert all(torch.equal(whole[name], rest[name]) for name in whole)


def test_easy_batches_come_first():
    tokenizer = family_tokenizer(RESOURCES / "models" / "llada-tiny-instruct" / "tokenizer.json", "llada")
    options = {"seed": 0, "size": 2, "chat_fraction": 1.0, "canvas": 24}
    stream = batches(tokenizer, "llada", set(), easy=["math500"], easy_steps=32, **options)
    texts = [tokenizer.decode(row) for batch in islice(stream, 64) for row in batch.ids]
    assert all("Solve" in text for text in texts[:64])
    assert not all("Solve" in text for text in texts[64:])
