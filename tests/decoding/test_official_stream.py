"""The official stream: drawn from as often as the official code does, and always the CPU's."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.samplers.common import Draws
from goodpart.models.loading import load

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture(scope="module")
def dream():
    return load(str(PARITY / "dream"), dtype="float32", device="cpu")


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_origin_draws_at_every_step_the_last_included(dream, steps):
    masks = []
    torch.manual_seed(5)
    settings = settings_for(dream, max_new_tokens=8, steps=steps, alg="origin", stop_early=False)
    decode(
        dream,
        [[5, 9, 30], [44, 3, 210]],
        settings,
        official=True,
        observe=lambda step, ids: masks.append(int((ids == dream.tokens.mask).sum())),
    )
    after = torch.rand(4)
    assert len(masks) == steps
    torch.manual_seed(5)
    for number in masks:
        torch.rand(number)
    assert torch.equal(torch.rand(4), after)


def test_tokens_of_origins_last_step_are_drawn_behind_its_uniform_numbers(dream):
    """One step, so the last: the official order is one number a mask, then one token a mask."""
    prompt, seen = [5, 9, 30, 77], {}
    settings = settings_for(dream, max_new_tokens=6, steps=1, temperature=1.0, alg="origin", stop_early=False)
    torch.manual_seed(8)
    (made,) = decode(
        dream, [prompt], settings, official=True, observe=lambda step, ids: seen.update(ids=ids.clone())
    )
    with torch.inference_mode():
        logits = dream.module(input_ids=seen["ids"], use_cache=False).logits[0, len(prompt) - 1 : -1]
    torch.manual_seed(8)
    torch.rand(6)
    wanted = torch.distributions.Categorical(probs=logits.softmax(-1)).sample()
    assert made.canvas[len(prompt) :].tolist() == wanted.tolist()


def test_the_stream_is_the_cpus_whatever_the_device():
    """Golden outputs were drawn on a CPU; `meta` stands for a device that has its own generator."""
    draws = Draws(None, torch.device("meta"))
    torch.manual_seed(3)
    assert draws.shared((2, 3), torch.float64).device.type == "meta"
    on_cpu = torch.ones(4, 7)
    weights = SimpleNamespace(cpu=lambda: on_cpu)  # values cannot be taken back from `meta`
    assert draws.shared_multinomial(weights, 2, replacement=False).device.type == "meta"
    after = torch.rand(5)
    torch.manual_seed(3)
    torch.rand(2, 3, dtype=torch.float64)
    on_cpu.multinomial(2)
    assert torch.equal(torch.rand(5), after)
