"""LLaDA and Dream against the official code's own outputs, and the command that a user checks them with."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import verify
from goodpart.decoding.decode import decode, settings_for
from goodpart.errors import GoodpartError
from goodpart.models.loading import load
from goodpart.models.skipping import skipping
from goodpart_tools.verify import Golden, Mismatch, parity_cases

FOLDERS = sorted(
    path.parent for path in (Path(__file__).parents[1] / "data" / "parity").glob("*/golden.json")
)
each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)


@pytest.fixture(scope="module")
def models():
    """Every golden checkpoint, loaded as a user's would be."""
    return {folder: load(str(folder), dtype="float32", device="cpu") for folder in FOLDERS}


@each_folder
def test_everything_agrees_with_the_official_code(models, folder):
    """Forward passes, states, rotations, generations, caches, likelihoods, removals: nothing left over."""
    failed, names = [], []
    for case in parity_cases(models[folder], Golden(folder)):
        names.append(case.name)
        try:
            case.check()
        except Mismatch as error:
            failed.append(f"{case.name}: {error}")
    assert not failed
    kinds = {name.split(".")[0] for name in names}
    assert kinds >= {"forward", "rope", "skip", "generate", "all golden tensors compared"}
    assert len([name for name in names if name.startswith("generate.")]) > 15
    assert ("fastdllm" in kinds) == ("loglik" in kinds) == folder.name.startswith("llada")


@each_folder
def test_every_changed_golden_value_is_noticed(models, folder, tmp_path):
    """Each golden result, changed in one place, fails a case; so does one that no case knows."""
    tensors = load_file(folder / "golden.safetensors")
    results = [
        name for name in tensors if not name.endswith((".attention_mask", ".prompt", ".answer", "_in"))
    ]
    for name in results[:: max(1, len(results) // 25)]:
        changed = dict(tensors)
        value = changed[name].clone()
        flat = value.view(-1)
        at = 0 if "right_padded" in name else -1  # never a padded position
        flat[at] = flat[at] + (1 if value.dtype == torch.int64 else 0.003 if name.endswith("value") else 0.02)
        changed[name] = value
        golden = Golden(folder)
        golden._tensors = changed
        mine = [c for c in parity_cases(models[folder], golden) if touches(c.name, name)]
        with pytest.raises(Mismatch):
            for case in mine:
                case.check()
    write_folder(folder, tmp_path, {"unheard.of": torch.zeros(1)}, [])
    *_, last = parity_cases(models[folder], Golden(tmp_path))
    with pytest.raises(Mismatch, match=r"unheard\.of"):
        last.check()


def touches(case, tensor):
    """Whether a case reads a tensor: removals and ignored masks read those of a forward pass too."""
    return tensor.startswith(f"{case}.") or (
        case.startswith("forward.") and tensor.startswith(case.removesuffix("_mask_ignored"))
    )


def write_folder(folder, target, tensors, calls):
    target.mkdir(exist_ok=True)
    for file in ("config.json", "model.safetensors"):
        if not (target / file).exists():
            (target / file).symlink_to(folder / file)
    save_file(tensors, target / "golden.safetensors")
    listed = {
        n: {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch.")} for n, t in tensors.items()
    }
    write_json(target, calls, listed)


def write_json(target, calls, listed):
    (target / "golden.json").write_text(json.dumps({"cases": calls, "tensors": listed}))


MHA = next(folder for folder in FOLDERS if folder.name == "llada-mha")
DREAM = next(folder for folder in FOLDERS if folder.name == "dream")


def part_of(folder, *names):
    """Some cases of a golden folder: their tensors and their calls."""
    tensors = load_file(folder / "golden.safetensors")
    tensors = {n: t for n, t in tensors.items() if n.startswith(tuple(f"{name}." for name in names))}
    calls = json.loads((folder / "golden.json").read_text())["cases"]
    return tensors, [call for call in calls if call["name"] in names]


def said_by(capsys, *folders):
    """The command's exit status and its lines."""
    status = verify(["parity", *map(str, folders), "--device", "cpu"])
    return status, capsys.readouterr().out.splitlines()


def test_the_command_says_what_agrees_and_fails_if_anything_does_not(tmp_path, capsys):
    tensors, calls = part_of(MHA, "forward.unpadded", "fastdllm.prefix_cache", "fastdllm.dual_cache")
    write_folder(MHA, tmp_path, tensors, calls)
    status, said = said_by(capsys, tmp_path)
    assert status == 0
    assert said[0].startswith(f"ok   {tmp_path.name} forward.unpadded: within ")
    assert said[-2] == f"ok   {tmp_path.name} all golden tensors compared: none left over"
    assert said[-1] == "3 of 3 cases agree with the official code, 0 do not"
    tensors["fastdllm.dual_cache.output"][0, -1] += 1
    write_folder(MHA, tmp_path, tensors, calls)
    status, said = said_by(capsys, tmp_path)
    assert status == 1
    assert [line for line in said if line.startswith("FAIL")] == [
        f"FAIL {tmp_path.name} fastdllm.dual_cache: output: ids differ from [0, 24] on"
    ]
    assert said[-1] == "2 of 3 cases agree with the official code, 1 do not"


def test_a_folder_that_lost_tensors_or_compares_nothing_fails(tmp_path, capsys):
    tensors, calls = part_of(MHA, "forward.unpadded", "fastdllm.prefix_cache")
    listed = json.loads((MHA / "golden.json").read_text())["tensors"]
    mine = {name: listed[name] for name in tensors}
    other = {**mine, "forward.unpadded.logits": {"shape": [2, 24, 511], "dtype": "float32"}}
    for kept, cases, names, reason in (
        (
            tensors,
            calls,
            {**mine, "skip.1.logits": listed["skip.1.logits"]},
            "not in golden.safetensors: skip",
        ),
        (tensors, calls, mine | {"forward.unpadded.logits": other}, "with another shape or dtype"),
        (tensors, calls, dict(list(mine.items())[1:]), "not in golden.json's list: fastdllm.prefix"),
        (tensors, calls, None, "golden.json has no list"),
        ({}, [], {}, "nothing was compared"),
    ):
        write_folder(MHA, tmp_path, kept, cases)
        write_json(tmp_path, cases, names)
        status, said = said_by(capsys, tmp_path)
        assert status == 1
        [line] = [line for line in said if line.startswith("FAIL")]
        assert line.startswith(f"FAIL {tmp_path.name} all golden tensors compared: ")
        assert reason in line
        count = len(cases) + bool(kept)
        assert said[-1] == (
            f"{count} of {count} cases agree with the official code, 0 do not; "
            "1 of 1 folders are damaged or incomplete"
        )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda call: call["args"].update(foo=1), "unexpected keyword argument 'foo'"),
        (lambda call: call.pop("args"), "the case has no args"),
        (lambda call: call.update(args=[1]), "AttributeError: "),
        (lambda call: call.pop("removed_layers"), "the case has no removed_layers"),
        (lambda call: call.pop("torch_manual_seed"), "the case has no torch_manual_seed"),
        (lambda call: call.update(torch_manual_seed=None), "has no torch_manual_seed"),
        (lambda call: call.update(attention_mask="tensor"), "attention_mask is tensor"),
        (lambda call: call["args"].update(mask_id=7), "output: ids differ"),
    ],
)
def test_a_bad_case_is_one_failure_with_its_reason(tmp_path, capsys, change, reason):
    bad = "generate.seeded_random_remasking"
    tensors, calls = part_of(MHA, bad, "generate.full_block")
    change(next(call for call in calls if call["name"] == bad))
    write_folder(MHA, tmp_path, tensors, calls)
    status, said = said_by(capsys, tmp_path)
    assert status == 1
    [line] = [line for line in said if line.startswith("FAIL")]
    assert line.startswith(f"FAIL {tmp_path.name} {bad}: ")
    assert reason in line
    assert said[-1] == "1 of 2 cases agree with the official code, 1 do not"


def test_no_case_stops_the_others(tmp_path, capsys):
    tensors, calls = part_of(MHA, "generate.full_block", "loglik.cfg0.0", "forward.unpadded")
    next(call for call in calls if call["name"] == "loglik.cfg0.0")["torch_manual_seed"] = None
    empty = {
        f"forward.empty.{name.rsplit('.')[-1]}": t[:, :0] if "hidden" in name else t[:0]
        for name, t in tensors.items()
        if name.startswith("forward")
    }
    odd = {
        "skip.none.logits": torch.zeros(1),
        "skip.1_9.logits": torch.zeros(1),
        "forward.logits": torch.ones(1),
    }
    write_folder(MHA, tmp_path, tensors | empty | odd, [{}, None, {"name": 7, "args": {}}, *calls])
    status, said = said_by(capsys, tmp_path)
    assert status == 1
    assert [line.split(": ")[0].split(" ", 2)[2] for line in said if line.startswith("FAIL")] == [
        "forward.",
        "forward.empty",
        "skip.1_9",
        "skip.none",
        "case 0",
        "case 1",
        "7",
        "loglik.cfg0.0",
        "all golden tensors compared",
    ]
    assert said[-1].startswith("2 of 10 cases agree")


def test_a_bad_folder_is_one_failure_and_the_others_go_on(tmp_path, capsys):
    tensors, calls = part_of(MHA, "generate.full_block")
    reasons = {}
    for name, text, reason in (
        ("list", "[]", "no list of cases"),
        ("null", '{"cases": null}', "no list of cases"),
        ("cut", '{"cases": ', "not valid JSON"),
    ):
        write_folder(MHA, tmp_path / name, tensors, calls)
        (tmp_path / name / "golden.json").write_text(text)
        reasons[name] = reason
    for name, file, reason in (
        ("short", "golden.safetensors", "incomplete or damaged"),
        ("weights", "model.safetensors", "the weights are"),
    ):
        write_folder(MHA, tmp_path / name, tensors, calls)
        whole = (tmp_path / name / file).read_bytes()
        (tmp_path / name / file).unlink()
        (tmp_path / name / file).write_bytes(whole[: len(whole) // 2])
        reasons[name] = reason
    reasons["nowhere"] = "golden.json, golden.safetensors is missing"
    write_folder(MHA, tmp_path / "good", tensors, calls)
    status, said = said_by(capsys, *[tmp_path / name for name in reasons], tmp_path / "good")
    assert status == 1
    for line, (name, reason) in zip(said, reasons.items(), strict=False):
        assert line.startswith(f"FAIL {name}: ")
        assert reason in line
    assert said[len(reasons)] == "ok   good generate.full_block: 16 steps, ids exact"
    assert said[-1] == (
        "1 of 1 cases agree with the official code, 0 do not; 6 of 7 folders are damaged or incomplete"
    )


def fails(models, folder, tmp_path, tensors, calls):
    """The cases of a folder that do not agree, and why."""
    write_folder(folder, tmp_path, tensors, calls)
    found = {}
    for case in parity_cases(models[folder], Golden(tmp_path)):
        try:
            case.check()
        except (Mismatch, GoodpartError) as error:
            found[case.name] = str(error)
    return found


def test_padding_is_compared_except_where_dreams_means_nothing(models, tmp_path):
    for folder, noticed in ((MHA, True), (DREAM, False)):
        tensors, _ = part_of(folder, "forward.left_padded")
        row, column = (tensors["forward.left_padded.attention_mask"] == 0).nonzero()[0].tolist()
        for name, at, fail in (
            ("logits", (row, column, 0), noticed),
            ("last_block_output", (row, column, 0), noticed),
            ("hidden_states", (-1, row, column, 0), noticed),
            ("hidden_states", (1, row, column, 0), noticed),
            ("hidden_states", (0, row, column, 0), True),  # the embedding
        ):
            changed = {n: t.clone() for n, t in tensors.items()}
            changed[f"forward.left_padded.{name}"][at] += 0.01
            assert bool(fails(models, folder, tmp_path / folder.name, changed, [])) == fail, (name, at)


def test_position_ids_and_counts_are_compared(models, tmp_path):
    tensors, calls = part_of(DREAM, "generate.origin_T16_L16_batch_padded", "forward.unpadded")
    positions = torch.arange(24).expand(2, -1).clone()
    tensors["forward.unpadded.position_ids"] = positions
    assert not fails(models, DREAM, tmp_path / "dream", tensors, calls)
    positions[1, 3] = 0
    calls[0]["masked_after_step"][4] += 1
    found = fails(models, DREAM, tmp_path / "dream", tensors, calls)
    assert found["forward.unpadded"].startswith("position ids")
    assert found["generate.origin_T16_L16_batch_padded"].startswith("masked after each step")
    tensors, calls = part_of(MHA, "fastdllm.prefix_cache")
    calls[0]["nfe"] += 1
    found = fails(models, MHA, tmp_path / "mha", tensors, calls)
    assert found == {"fastdllm.prefix_cache": "16 forward passes, golden 17"}


def test_a_likelihood_is_compared_as_closely_as_float32_allows(models, tmp_path):
    tensors, calls = part_of(MHA, "loglik.cfg0.5")
    value = tensors["loglik.cfg0.5.value"]
    for change, fail in ((5e-4, False), (2e-3, True)):
        changed = {**tensors, "loglik.cfg0.5.value": value + change}
        assert bool(fails(models, MHA, tmp_path, changed, calls)) == fail


def test_a_call_with_fewer_draws_than_whole_batches(models, tmp_path):
    """The official code leaves the rest out: ten draws in batches of four are eight."""
    tensors, calls = part_of(MHA, "loglik.cfg0.0")
    calls[0]["args"]["mc_num"] = 10
    assert not fails(models, MHA, tmp_path, tensors, calls)


@pytest.mark.parametrize("cache", ["prefix", "dual"])
def test_the_cache_is_that_of_the_function_not_of_the_name(models, tmp_path, cache):
    tensors, calls = part_of(MHA, f"fastdllm.{cache}_cache")
    tensors = {n.replace(f"{cache}_cache", "other_cache_two"): t for n, t in tensors.items()}
    calls[0]["name"] = "fastdllm.other_cache_two"
    assert not fails(models, MHA, tmp_path, tensors, calls)
    calls[0]["function"] = "somewhere: something(model)"
    said = fails(models, MHA, tmp_path, tensors, calls)["fastdllm.other_cache_two"]
    assert "cache 'other_cache_two' is unknown" in said


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (MHA, "generate.batch_padded"),
        (MHA, "generate.cfg_batch_padded"),
        (DREAM, "generate.seeded_origin_temperature_batch_padded"),
    ],
)
def test_a_batch_may_be_padded_beyond_its_longest_prompt(models, tmp_path, folder, name):
    """Positions are relative in LLaDA and count no padding in Dream: the completions are the same."""
    tensors, calls = part_of(folder, name)
    tokens = models[folder].tokens
    wide = {}
    for what, fill in (("prompt", tokens.pad), ("attention_mask", 0), ("output", tokens.pad)):
        value = tensors[f"{name}.{what}"]
        wide[f"{name}.{what}"] = torch.nn.functional.pad(value, (3, 0), value=fill)
    fed = tensors[f"{name}.model_inputs"]
    rows = len(wide[f"{name}.prompt"])
    left = [
        torch.full((*part.shape[:2], 3), fill)
        for part, fill in zip(fed.split(rows, 1), (tokens.pad, tokens.mask), strict=False)
    ]
    wide[f"{name}.model_inputs"] = torch.cat([torch.cat(left, 1), fed], 2)
    assert not fails(models, folder, tmp_path, wide, calls)
    wide[f"{name}.output"][0, 0] += 1
    assert fails(models, folder, tmp_path, wide, calls)
    if folder == MHA:  # a drawn one would be another batch
        calls[0] |= {"needs_torch_rng": True, "torch_manual_seed": 1}
        assert "LLaDA draws random numbers at padding" in fails(models, folder, tmp_path, wide, calls)[name]


@each_folder
def test_leaving_early_changes_nothing_up_to_the_end_marker(models, folder):
    """One generator a row and rows that leave the batch: the golden completions all the same."""
    golden = Golden(folder)
    checked = 0
    for call in golden.calls:
        if not call["name"].startswith("generate.") or call["needs_torch_rng"]:
            continue
        model, arguments = models[folder], {k: v for k, v in call["args"].items() if k != "mask_id"}
        if model.family == "llada":
            arguments["max_new_tokens"] = arguments.pop("gen_length")
            ends = frozenset({model.tokens.eos, call["eot_id_in_code"]})
            model = replace(model, tokens=replace(model.tokens, eot=call["eot_id_in_code"], ends=ends))
        prompt = golden(f"{call['name']}.prompt")
        exists = golden.find(f"{call['name']}.attention_mask")
        exists = torch.ones_like(prompt) if exists is None else exists
        prompts = [p[e.bool()].tolist() for p, e in zip(prompt, exists, strict=True)]
        with skipping(model, call["removed_layers"] or []):
            whole = decode(model, prompts, settings_for(model, **arguments, stop_early=False), official=True)
            early = decode(model, prompts, settings_for(model, **arguments))
        assert [row.token_ids for row in early] == [row.token_ids for row in whole]
        assert [row.ended for row in early] == [row.ended for row in whole]
        assert all(e.forward_passes <= w.forward_passes for e, w in zip(early, whole, strict=True))
        checked += 1
    assert checked > 10
