"""LLaDA and Dream against the official code's logits, hidden states and generations (float32)."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from goodpart.capture import capturing
from goodpart.decode import decode, settings_for
from goodpart.families import SpecialTokens
from goodpart.models import Model, load
from goodpart.skipping import skipping

FOLDERS = sorted((Path(__file__).parent / "data" / "parity").glob("*/golden.json"))
TOLERANCE = 1e-4


def golden(path: Path) -> dict:
    return json.loads(path.read_text())


CASES = [
    pytest.param(path.parent, case, id=f"{path.parent.name}-{case['name']}")
    for path in FOLDERS
    for case in golden(path)["cases"]
    if case["name"].startswith("generate.")
]
FORWARDS = [
    pytest.param(path.parent, name, id=f"{path.parent.name}-{name}")
    for path in FOLDERS
    for name in ("unpadded", "left_padded", "right_padded")
    if f"forward.{name}.logits" in golden(path)["tensors"]
]


@pytest.fixture(scope="module")
def models() -> dict[Path, tuple[Model, dict[str, torch.Tensor]]]:
    """Every golden checkpoint, loaded as a user's would be, with its golden tensors."""
    return {
        path.parent: (
            load(str(path.parent), dtype="float32", device="cpu"),
            load_file(path.parent / "golden.safetensors"),
        )
        for path in FOLDERS
    }


def forward(model: Model, ids: torch.Tensor, exists: torch.Tensor | None) -> torch.Tensor:
    positions = None
    if model.family == "dream" and exists is not None:
        positions = (exists.cumsum(1) - 1).masked_fill(exists == 0, 1)
    with torch.inference_mode():
        return model.module(
            input_ids=ids, attention_mask=exists, position_ids=positions, use_cache=False
        ).logits


@pytest.mark.parametrize(("folder", "name"), FORWARDS)
def test_forward_and_hidden_states(models, folder, name):
    model, tensors = models[folder]
    at = f"forward.{name}."
    exists = tensors.get(at + "attention_mask")
    with capturing(model) as captured:
        logits = forward(model, tensors[at + "input_ids"], exists)
    real = torch.ones_like(logits[..., 0], dtype=torch.bool) if exists is None else exists.bool()
    assert (logits - tensors[at + "logits"])[real].abs().max() < TOLERANCE
    expected = [*tensors[at + "hidden_states"][:-1], tensors[at + "last_block_output"]]
    assert len(captured.states) == model.layers + 1
    for state, want in zip(captured.states, expected, strict=True):
        assert (state - want)[real].abs().max() < TOLERANCE


@pytest.mark.parametrize("folder", [path.parent for path in FOLDERS], ids=lambda p: p.name)
def test_removing_layers_and_putting_them_back(models, folder):
    model, tensors = models[folder]
    ids = tensors["forward.unpadded.input_ids"]
    for name in [n for n in tensors if n.startswith("skip.")]:
        layers = [int(layer) for layer in name.split(".")[1].split("_")]
        with skipping(model, layers):
            assert (forward(model, ids, None) - tensors[name]).abs().max() < TOLERANCE
        full = forward(model, ids, None) - tensors["forward.unpadded.logits"]
        assert full.abs().max() < TOLERANCE


@pytest.mark.parametrize(("folder", "case"), CASES)
def test_generation(models, folder, case):
    model, tensors = models[folder]
    name, arguments = case["name"], dict(case["args"])
    prompt = tensors[f"{name}.prompt"]
    exists = tensors.get(f"{name}.attention_mask", torch.ones_like(prompt))
    arguments.pop("mask_id", None)
    if model.family == "llada":
        arguments["max_new_tokens"] = arguments.pop("gen_length")
        # The golden checkpoints have no tokenizer, which is where a real one's eot id comes from.
        t = model.tokens
        eot = case["eot_id_in_code"]
        tokens = SpecialTokens(t.mask, t.pad, t.eos, eot, frozenset({t.eos, eot}))
        model = Model(model.name, None, model.family, model.module, None, tokens)
    settings = settings_for(model, **arguments, stop_early=False)
    fed = []
    torch.manual_seed(case["torch_manual_seed"] or 0)
    prompts = [p[e.bool()].tolist() for p, e in zip(prompt, exists, strict=True)]
    with skipping(model, case["removed_layers"] or []):
        observe = lambda step, ids: fed.append(ids.clone())  # noqa: E731
        out = decode(model, prompts, settings, official=True, observe=observe)
    wanted = tensors[f"{name}.output"]
    for row, want, e in zip(out, wanted, exists, strict=True):
        gap = int((e == 0).sum())
        assert row.canvas.tolist() == want[gap:].tolist()
    inputs = tensors[f"{name}.model_inputs"][:, : len(prompts)]  # guidance: the conditional rows
    assert torch.equal(torch.stack(fed), inputs)

    if not case["needs_torch_rng"]:
        # One generator a row and leaving early change nothing up to the end marker.
        settings = settings_for(model, **arguments, stop_early=True)
        with skipping(model, case["removed_layers"] or []):
            early = decode(model, prompts, settings)
        assert [row.token_ids for row in early] == [row.token_ids for row in out]
        assert [row.ended for row in early] == [row.ended for row in out]
        assert all(e.forward_passes <= o.forward_passes for e, o in zip(early, out, strict=True))
