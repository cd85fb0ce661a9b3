"""Healing: its loss, what it trains on, adapters, training that resumes, and the checkpoint it writes."""

import json
import math
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from conftest import ROOT, run_script
from goodpart.benchmarks.items import SCHEMA as ITEMS
from goodpart.decoding.decode import decode, settings_for
from goodpart.errors import GoodpartError
from goodpart.jobs.files import read_json, sha256, write_json
from goodpart.jobs.parquet import provenance, write_rows
from goodpart.models.checkpoints.reading import read_checkpoint
from goodpart.models.export import export
from goodpart.models.loading import load
from goodpart.models.skipping import skipping
from goodpart.policies.healing import training
from goodpart.policies.healing.adapters import Adapters, linear_names, require_peft
from goodpart.policies.healing.checkpoint import write_healed
from goodpart.policies.healing.examples import Example, completed, orders, split, states_of, unevaluated
from goodpart.policies.healing.losses import batch_of, full_depth, row_divergences, without_layers
from goodpart.policies.healing.training import Progress, measured, schedule, train
from goodpart_tools.tiny.architectures import initial_model, public_config, save

TOKENIZER = ROOT / "workflow" / "resources" / "models" / "qwen2.5-tiny" / "tokenizer.json"
SHAPE = {"width": 16, "layers": 4, "heads": 2, "kv_heads": 1, "mlp": 24}
OPTIONS = {"llada": {"block_length": 4}, "dream": {"alg": "entropy"}, "qwen2": {}}
SKIPPED = [1, 2]
HEAL = {"rank": 2, "steps": 6, "batch": 4, "learning_rate": 0.01, "prompts": 12, "seed": 3}
EXAMPLES = [
    Example([20 + i, 21 + i, *([22] * (i % 3))], [40 + (3 * i + j) % 50 for j in range(3 + i % 4)])
    for i in range(11)
]


@pytest.fixture
def peft():
    return pytest.importorskip("peft", reason="peft is not installed (the extra heal)")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A checkpoint of random weights of each family."""
    made = {}
    for family in OPTIONS:
        made[family] = tmp_path_factory.mktemp("random") / family
        config = public_config(family, SHAPE)
        save(initial_model(family, config, 5, 1.0), family, config, TOKENIZER, made[family])
    return made


@pytest.fixture(params=OPTIONS)
def folder(request, folders):
    return folders[request.param]


def model_of(folder):
    return load(str(folder), dtype="float32", device="cpu")


def logits_one_by_one(model, ids, positions):
    """Log-probabilities at `positions` of one unpadded row, by transformers' own forward."""
    shift = 0 if model.family == "llada" else 1
    with torch.no_grad():
        logits = model.module(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double()
    return [logits[at - shift].log_softmax(-1) for at in positions]


def test_the_loss_is_the_slow_statement(folder):
    model = model_of(folder)
    states = states_of(EXAMPLES[:5], model.tokens.mask, torch.Generator().manual_seed(1))
    batch = batch_of(model, states)
    found = row_divergences(full_depth(model, batch), without_layers(model, batch, SKIPPED), batch.row)
    for state, value in zip(states, found.tolist(), strict=True):
        full = logits_one_by_one(model, state.ids, state.where)
        with skipping(model, SKIPPED):
            short = logits_one_by_one(model, state.ids, state.where)
        each = [
            sum(math.exp(p) * (p - q) for p, q in zip(a.tolist(), b.tolist(), strict=True))
            for a, b in zip(full, short, strict=True)
        ]
        assert value == pytest.approx(sum(each) / len(each), rel=1e-3, abs=1e-6)
        assert value > 1e-6


def test_autoregressive_states_are_the_whole_completions():
    for state, example in zip(states_of(EXAMPLES, None, torch.Generator()), EXAMPLES, strict=True):
        assert state.ids == [*example.prompt, *example.answer]
        assert state.where == list(range(len(example.prompt), len(state.ids)))


def test_diffusion_states_are_masked_at_ratios_spread_over_the_batch():
    mask, rows = 7, 40
    examples = [Example([1, 2], [*range(100, 200), mask, mask])] * rows
    states = states_of(examples, mask, torch.Generator().manual_seed(0))
    shares = sorted(len(state.where) / 100 for state in states)
    for i, share in enumerate(shares):  # one ratio in each of 40 equal parts of (0, 1]
        assert share == pytest.approx((i + 0.5) / rows, abs=0.17)
    for state in states:
        assert state.where
        assert all(2 <= at < 102 for at in state.where)  # what the completion left masked is not compared
        assert state.ids[102:] == [mask, mask]
        assert [state.ids[at] for at in state.where] == [mask] * len(state.where)
        kept = set(range(102)) - set(state.where)
        assert all(state.ids[at] == [1, 2, *range(100, 200)][at] for at in kept)


def test_every_example_comes_once_an_epoch():
    stream = orders(10, 4, 0)
    seen = [i for _ in range(5) for i in next(stream)]
    assert sorted(seen[:10]) == sorted(seen[10:20]) == list(range(10))
    assert seen[:10] != seen[10:20]


def test_evaluated_prompts_and_held_out_ones_are_never_trained_on():
    items = [{"item_id": str(i), "prompt": f"Question {i}?"} for i in range(20)]
    chosen = unevaluated(items, {"Question 3?\n", " Question 5?"}, 16)
    assert [item["item_id"] for item in chosen] == [str(i) for i in range(18) if i not in (3, 5)]
    trained, held = split(EXAMPLES)
    assert held == [EXAMPLES[7]]
    assert trained == [*EXAMPLES[:7], *EXAMPLES[8:]]


def test_completions_are_the_full_depth_models_own(folder):
    model = model_of(folder)
    settings = settings_for(model, max_new_tokens=8, **OPTIONS[model.family])
    items = [{"item_id": str(i), "prompt": f"Solve ${i}+x=9$."} for i in range(8)]
    found = completed(model, items, settings, chat=False, seed=0, batch_size=3)
    for example in found:
        [one] = decode(model, [example.prompt], settings)
        whole = one.canvas[len(example.prompt) :].tolist()
        if model.tokens.mask is None and one.ended:
            assert example.answer == [*one.token_ids, example.answer[-1]]
            assert example.answer[-1] in model.tokens.ends
        else:
            assert example.answer == whole
    with pytest.raises(GoodpartError, match="healing needs 8 or more"):
        completed(model, items[:3], settings, chat=False, seed=0, batch_size=3)


def test_adapters_are_on_the_linear_layers_that_stay_and_change_nothing_at_first(peft, folder):
    model = model_of(folder)
    names = linear_names(model, SKIPPED)
    assert len(names) == 2 * 7
    assert {name.split(".")[2] for name in names} == {"0", "3"}
    batch = batch_of(model, states_of(EXAMPLES, model.tokens.mask, torch.Generator().manual_seed(1)))
    before = without_layers(model, batch, SKIPPED)
    adapters = Adapters(model, SKIPPED, 2, 0)
    assert torch.equal(before, without_layers(model, batch, SKIPPED).detach())
    assert len(adapters.weights) == 2 * len(names)
    trained = {name for name, value in model.module.named_parameters() if value.requires_grad}
    assert len(trained) == len(adapters.weights)
    assert all("lora_" in name for name in trained)


def test_merged_weights_give_the_logits_of_the_adapters(peft, folder, tmp_path):
    model = model_of(folder)
    batch = batch_of(model, states_of(EXAMPLES, model.tokens.mask, torch.Generator().manual_seed(1)))
    full, untrained = full_depth(model, batch), without_layers(model, batch, SKIPPED)
    adapters = Adapters(model, SKIPPED, 2, 0)
    generator = torch.Generator().manual_seed(0)
    for value in adapters.weights.values():
        value.data.normal_(0, 0.1, generator=generator)
    with adapters.off():
        assert torch.equal(full, full_depth(model, batch))
    unmerged = without_layers(model, batch, SKIPPED).detach()
    assert not torch.allclose(unmerged, untrained, atol=1e-2)
    changed = adapters.merged()
    assert torch.allclose(without_layers(model, batch, SKIPPED), unmerged, atol=1e-5)
    # The same from the checkpoint, of all layers and of those that stay.
    write_healed(read_checkpoint(folder), changed, {"k": 2}, tmp_path / "healed")
    healed = model_of(tmp_path / "healed")
    assert healed.layers == 4
    assert torch.allclose(without_layers(healed, batch, SKIPPED), unmerged, atol=1e-5)
    export(tmp_path / "healed", SKIPPED, tmp_path / "short")
    short = model_of(tmp_path / "short")
    assert short.layers == 2
    assert torch.allclose(full_depth(short, batch), unmerged, atol=1e-5)
    # Layers that are skipped, and all but the linear layers, are the original's.
    other = model_of(folder)
    for name, value in other.module.named_parameters():
        same = torch.equal(value, dict(healed.module.named_parameters())[name])
        assert same != (name in changed), name


def test_a_healed_model_computes_as_much_as_the_skipped_one(peft, folder, tmp_path):
    model = model_of(folder)
    batch = batch_of(model, states_of(EXAMPLES, model.tokens.mask, torch.Generator().manual_seed(1)))
    write_healed(read_checkpoint(folder), Adapters(model, SKIPPED, 2, 0).merged(), {}, tmp_path / "healed")
    counted = []
    for place in (folder, tmp_path / "healed"):
        own = model_of(place)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            without_layers(own, batch, SKIPPED)
        counted.append(counter.get_total_flops())
    assert counted[0] == counted[1] > 0


def healed_weights(folder, state, key="key", stop=None):
    """Adapters after training, the losses, and the cost; `stop` ends it with KeyboardInterrupt."""
    model = model_of(folder)
    adapters = Adapters(model, SKIPPED, HEAL["rank"], HEAL["seed"])

    def report(step, loss):
        if step == stop:
            raise KeyboardInterrupt

    progress = train(model, adapters, SKIPPED, EXAMPLES, HEAL, state, key, report)
    return {name: value.detach().clone() for name, value in adapters.weights.items()}, progress


def same(first, second):
    return vars(first[1]) == vars(second[1]) and all(torch.equal(first[0][n], second[0][n]) for n in first[0])


def test_training_repeats_itself_and_goes_on_after_a_kill(peft, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 2)
    once, twice = (healed_weights(folder, tmp_path / name) for name in ("a", "b"))
    assert same(once, twice)
    assert any(value.abs().max() > 0 for name, value in once[0].items() if "lora_B" in name)
    assert once[1].losses[-1] < once[1].losses[0]
    with pytest.raises(KeyboardInterrupt):
        healed_weights(folder, tmp_path / "c", stop=5)
    done = []
    monkeypatch.setattr(training, "schedule", lambda step, steps: done.append(step) or schedule(step, steps))
    assert same(once, healed_weights(folder, tmp_path / "c"))
    assert done == [4, 5]  # the last state that was saved had four steps
    # Another key, or a damaged file, starts again.
    done.clear()
    assert same(once, healed_weights(folder, tmp_path / "c", key="other"))
    (tmp_path / "c").write_bytes(b"cut")
    assert same(once, healed_weights(folder, tmp_path / "c"))
    assert done == [*range(6), *range(6)]


def test_another_seed_is_another_training(peft, folders, tmp_path, monkeypatch):
    first = healed_weights(folders["dream"], tmp_path / "a")
    monkeypatch.setitem(HEAL, "seed", 4)
    assert not same(first, healed_weights(folders["dream"], tmp_path / "b"))


def test_training_lowers_the_divergence_and_measuring_repeats_itself(peft, folders, tmp_path):
    model = model_of(folders["qwen2"])
    adapters = Adapters(model, SKIPPED, 4, 0)
    before = measured(model, adapters, SKIPPED, EXAMPLES, 0, 4)
    assert before == measured(model, adapters, SKIPPED, EXAMPLES, 0, 4)
    train(model, adapters, SKIPPED, EXAMPLES, {**HEAL, "steps": 40}, tmp_path / "state", "key")
    after = measured(model, adapters, SKIPPED, EXAMPLES, 0, 4)
    assert sum(after) < 0.9 * sum(before)


def test_a_step_costs_a_full_pass_and_two_short_ones(folders):
    model = model_of(folders["qwen2"])
    shape = training.Shape.of_module(model.module.config)
    batch = batch_of(model, states_of(EXAMPLES[:2], None, torch.Generator()))
    wanted = sum(
        (4 + 2 * (4 - 2)) * shape.layer(n, n) for n in (len(e.prompt) + len(e.answer) for e in EXAMPLES[:2])
    )
    answers = sum(len(e.answer) for e in EXAMPLES[:2])
    assert training.batch_flops(shape, batch, 2) == wanted + 3 * shape.head(answers)


def test_the_learning_rate_warms_up_and_decays_to_its_end():
    found = [schedule(step, 100) for step in range(100)]
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found == sorted(found[:5]) + sorted(found[5:], reverse=True)
    assert 0 < found[-1] < 0.02
    assert Progress() == Progress([], 0)


def items_file(path, prompts, split_name):
    made = [
        {"item_id": f"{split_name}/{i}", "benchmark": "b", "split": split_name, "prompt": prompt,
         "reference": "{}", "solution": None}
        for i, prompt in enumerate(prompts)
    ]  # fmt: skip
    write_rows(path, made, ITEMS, provenance())
    return path


def heal(folder, tmp_path, output, evaluated=("Solve $0+x=9$.",)):
    """Run the rule on a random checkpoint."""
    family = folder.name
    prompts = [f"Solve ${i}+x=9$." for i in range(20)]
    skip_set = tmp_path / "k2.json"
    write_json(skip_set, {"layers": SKIPPED, "index_base": 0})
    run_script(
        "healed",
        output,
        inputs={
            "item_files": [items_file(tmp_path / "healing.parquet", prompts, "healing")],
            "evaluated": [items_file(tmp_path / "evaluation.parquet", evaluated, "evaluation")],
            "skip_set": skip_set,
        },
        model={"name": str(folder), "revision": None, "dtype": None, "device": "cpu", "layers": 4,
               "cuda_graphs": False, "chat": False, "content": None},
        settings=[{"max_new_tokens": 8, **OPTIONS[family]}],
        heal=HEAL,
        seed=0,
        batch_size=8,
    )  # fmt: skip
    return output


def test_the_rule_writes_a_healed_checkpoint(peft, folder, tmp_path, monkeypatch):
    seen = []
    own = training.states_of
    monkeypatch.setattr(training, "states_of", lambda part, *rest: seen.extend(part) or own(part, *rest))
    output = heal(folder, tmp_path, tmp_path / "healed" / "k2")
    facts = read_json(output / "healing.json")
    assert facts["layers_skipped"] == SKIPPED
    assert facts["prompts"] == [11, 1]
    assert len(facts["losses"]) == HEAL["steps"]
    assert len(facts["kl_before"]) == len(facts["kl_after"]) == 1
    assert facts["flops"]["completions"] > 0
    assert facts["flops"]["training"] > 0
    assert [f.name for f in output.parent.iterdir()] == ["k2"]  # nothing of the training is left
    healed, other = model_of(output), model_of(folder)
    assert healed.tokenizer("12")["input_ids"] == other.tokenizer("12")["input_ids"]
    # The evaluated prompt was fed in no step.
    evaluated = other.tokenizer("Solve $0+x=9$.\n")["input_ids"]
    assert seen
    assert evaluated not in [example.prompt for example in seen]
    assert other.tokenizer("Solve $1+x=9$.\n")["input_ids"] in [example.prompt for example in seen]
    again = heal(folder, tmp_path, tmp_path / "again" / "k2")
    assert sha256(output / "model.safetensors") == sha256(again / "model.safetensors")
    for key in set(facts) - {"seconds"}:
        assert read_json(again / "healing.json")[key] == facts[key], key


def test_only_evaluated_prompts_are_nothing_to_train_on(peft, folders, tmp_path):
    prompts = [f"Solve ${i}+x=9$." for i in range(20)]
    with pytest.raises(GoodpartError, match="every prompt is an evaluated one"):
        heal(folders["qwen2"], tmp_path, tmp_path / "k2", prompts)


def test_without_peft_it_says_how_to_install_it(monkeypatch, folders, tmp_path):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(GoodpartError, match=r"pip install -c envs/lock.txt -e '\.\[heal\]'"):
        require_peft()
    with pytest.raises(GoodpartError, match="healing needs peft, which is not installed"):
        heal(folders["qwen2"], tmp_path, tmp_path / "k2")


def test_a_weight_that_is_not_finite_is_no_checkpoint(peft, folders):
    model = model_of(folders["qwen2"])
    adapters = Adapters(model, SKIPPED, 2, 0)
    next(iter(adapters.weights.values())).data.fill_(math.inf)
    with pytest.raises(GoodpartError, match="not finite after healing; lower"):
        adapters.merged()


def test_facts_of_the_original_stay_behind(peft, folders, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for file in folders["qwen2"].iterdir():
        (source / file.name).write_bytes(file.read_bytes())
    (source / "evaluation.json").write_text(json.dumps({"gsm8k": 1.0}))
    write_healed(read_checkpoint(source), {}, {"seconds": 1.0}, tmp_path / "healed")
    names = {file.name for file in (tmp_path / "healed").iterdir()}
    assert names == {file.name for file in folders["qwen2"].iterdir()} | {"healing.json"}
    assert read_json(tmp_path / "healed" / "healing.json") == {"seconds": 1.0}
