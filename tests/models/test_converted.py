"""AR-to-diffusion conversions (a2d-*): the same states, logits and tokens as their public modelling files.

The golden data of tests/data/parity/a2d-* come from those files, on random weights and right-padded rows.
"""

import pytest
import torch
from safetensors.torch import load_file

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.likelihoods import final_hidden
from goodpart.models.export import export
from goodpart.models.hooks import capturing
from goodpart.models.loading import load
from goodpart.models.skipping import skipping

PARITY = ROOT / "tests" / "data" / "parity"
BASES = ["llama", "qwen2", "qwen3"]


@pytest.fixture(scope="module", params=BASES)
def case(request):
    folder = PARITY / f"a2d-{request.param}"
    return load(str(folder), dtype="float32", device="cpu"), load_file(folder / "golden.safetensors"), folder


def test_states_and_logits_of_padded_rows(case):
    model, golden, _ = case
    exists = golden["mask"].bool()
    with capturing(model) as captured:
        hidden = final_hidden(model, golden["ids"], exists)
    for row in range(len(exists)):
        there = exists[row]
        found = model.logits(hidden[row, there])
        assert torch.allclose(found, golden["logits"][row, there], rtol=1e-4, atol=1e-4)
        for depth, expected in enumerate(golden["hidden"], 1):
            state = captured.states[depth][row, there]
            assert torch.allclose(state, expected[row, there], rtol=1e-4, atol=1e-4)


def test_a_position_sees_what_is_behind_it(case):
    model, golden, _ = case
    ids = golden["ids"][:1].clone()
    before = final_hidden(model, ids)
    ids[0, -1] = 11
    assert not torch.allclose(before[0, 0], final_hidden(model, ids)[0, 0])


@pytest.mark.parametrize(("name", "block", "steps"), [("one", 16, 16), ("blocks", 8, 8)])
def test_tokens_of_the_public_sampler(case, name, block, steps):
    model, golden, _ = case
    prompts = [[t for t in row.tolist() if t >= 0] for row in golden["prompts"]]
    settings = settings_for(model, max_new_tokens=16, block_length=block, steps=steps, stop_early=False)
    for row, made in enumerate(decode(model, prompts, settings)):
        assert made.canvas[len(prompts[row]) :].tolist() == golden[f"sample.{name}"][row].tolist()


def test_the_mask_comes_with_the_tokenizer_and_decoding_is_lladas(case):
    model, _, _ = case
    assert model.family == "llada"
    assert model.tokens.mask == model.tokenizer.mask_token_id == 2


def test_skipping_is_the_exported_checkpoint(case, tmp_path):
    model, golden, folder = case
    export(folder, [1, 2], tmp_path / "short")
    short = load(str(tmp_path / "short"), dtype="float32", device="cpu")
    with skipping(model, [1, 2]):
        expected = final_hidden(model, golden["ids"])
    assert torch.equal(final_hidden(short, golden["ids"]), expected)
