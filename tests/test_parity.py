"""LLaDA and Dream against the official code's own outputs, and the command that a user checks them with."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from goodpart.decode import decode, settings_for
from goodpart.models import load
from goodpart.skipping import skipping
from goodpart.verify import Golden, Mismatch, main, parity_cases

FOLDERS = sorted(path.parent for path in (Path(__file__).parent / "data" / "parity").glob("*/golden.json"))
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
    calls = json.loads((folder / "golden.json").read_text())["cases"]
    results = [
        name for name in tensors if not name.endswith((".attention_mask", ".prompt", ".answer", "_in"))
    ]
    for name in results[:: max(1, len(results) // 25)]:
        changed = dict(tensors)
        value = changed[name].clone()
        flat = value.view(-1)
        at = 0 if "right_padded" in name else -1  # never a padded position
        flat[at] = flat[at] + (1 if value.dtype == torch.int64 else 0.02)
        changed[name] = value
        golden = Golden(folder)
        golden._tensors = changed
        mine = [c for c in parity_cases(models[folder], golden) if touches(c.name, name)]
        with pytest.raises(Mismatch):
            for case in mine:
                case.check()
    write_folder(folder, tmp_path, {**tensors, "unheard.of": torch.zeros(1)}, calls)
    *_, last = parity_cases(models[folder], Golden(tmp_path))
    with pytest.raises(Mismatch, match=r"unheard\.of"):
        last.check()


def touches(case, tensor):
    """Whether a case reads a tensor: removals and ignored masks read those of a forward pass too."""
    return tensor.startswith(f"{case}.") or (
        case.startswith("forward.") and tensor.startswith(case.removesuffix("_mask_ignored"))
    )


def write_folder(folder, target, tensors, calls):
    for file in ("config.json", "model.safetensors"):
        (target / file).symlink_to(folder / file)
    save_file(tensors, target / "golden.safetensors")
    (target / "golden.json").write_text(json.dumps({"cases": calls}))


def test_the_command_says_what_agrees_and_fails_if_anything_does_not(tmp_path, capsys):
    folder = FOLDERS[-1]
    calls = [c for c in json.loads((folder / "golden.json").read_text())["cases"] if "cache" in c["name"]]
    tensors = load_file(folder / "golden.safetensors")
    tensors = {n: t for n, t in tensors.items() if n.startswith(("fastdllm", "forward.unpadded"))}
    write_folder(folder, tmp_path, tensors, calls)
    assert main(["parity", str(tmp_path), "--device", "cpu"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"ok   {tmp_path.name} forward.unpadded: within ")
    assert said[-1] == f"{len(said) - 1} of {len(said) - 1} cases agree with the official code, 0 do not"
    tensors["fastdllm.dual_cache.output"][0, -1] += 1
    save_file(tensors, tmp_path / "golden.safetensors")
    assert main(["parity", str(tmp_path), "--device", "cpu"]) == 1
    said = capsys.readouterr().out
    assert "FAIL" in said
    assert "fastdllm.dual_cache: output: other ids" in said
    assert main(["parity", str(tmp_path / "nowhere")]) == 2
    assert "golden.json, golden.safetensors is missing" in capsys.readouterr().err


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
