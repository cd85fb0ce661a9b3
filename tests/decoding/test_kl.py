"""KL to full depth on recorded denoising states, against canvases seen while decoding."""

import pytest
import torch

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.kl import Completion, kl_of_items, states
from goodpart.decoding.likelihoods import kl_from_full_depth
from goodpart.decoding.prompts import render
from goodpart.models.loading import load

MODELS = ROOT / "workflow" / "resources" / "models"
OPTIONS = {
    "llada-tiny-instruct": {"block_length": 8},
    "dream-tiny-base": {},
    "qwen2.5-tiny": {},
}
TEXTS = ["Solve $x+3=8$.", "Tom has 4 eggs. Tom buys 2 more. How many eggs does Tom have?", "Solve $2x=6$."]


@pytest.fixture(scope="module", params=OPTIONS)
def decoded(request):
    model = load(str(MODELS / request.param), device="cpu")
    prompts = render(model.tokenizer, TEXTS, request.param == "llada-tiny-instruct")
    settings = settings_for(model, max_new_tokens=16, **OPTIONS[request.param])
    made = []
    for prompt in prompts:
        seen = {}
        [one] = decode(
            model,
            [prompt],
            settings,
            observe=lambda step, ids, seen=seen: seen.update({step: ids[0].tolist()}),
        )
        made.append((prompt, one, seen))
    return model, settings, made


def recorded(decoded, count):
    model, settings, made = decoded
    done = [
        Completion(prompt, one.canvas[len(prompt) :].tolist(), one.commit_steps, one.forward_passes)
        for prompt, one, _ in made
    ]
    return states(done, settings, model.tokens.mask, count)


def test_states_are_what_the_sampler_fed(decoded):
    model, settings, made = decoded
    found = recorded(decoded, 100)
    if model.tokens.mask is None:
        assert [s.ids for s in found] == [one.canvas.tolist() for _, one, _ in made]
        assert [s.ids[s.where[0] :] for s in found] == [one.canvas[len(p) :].tolist() for p, one, _ in made]
        return
    assert len(found) == sum(one.forward_passes for _, one, _ in made) > len(made)
    block = getattr(settings, "block_length", None) or settings.max_new_tokens
    for state in found:
        prompt, _, seen = made[state.item]
        assert state.ids == seen[state.step]
        end = len(prompt) + (state.step // block + 1) * block
        assert state.where == [i for i, t in enumerate(state.ids[:end]) if t == model.tokens.mask]


def test_kl_is_the_mean_over_an_items_positions(decoded):
    model, _, made = decoded
    chosen = recorded(decoded, 3)
    layers = {0: [4, 9], 1: [12], 2: [4, 9]}
    found = kl_of_items(model, len(made), chosen, lambda item, step: layers[item], batch_size=4)
    for item, value in enumerate(found):
        parts = []
        for state in (s for s in chosen if s.item == item):
            where = torch.zeros(1, len(state.ids), dtype=torch.bool)
            where[0, state.where] = True
            parts.append(kl_from_full_depth(model, torch.tensor([state.ids]), layers[item], where))
        assert value == pytest.approx(float(torch.cat(parts).mean()), rel=1e-3, abs=1e-6)
        assert value > 1e-6


def test_layers_may_change_from_step_to_step(decoded):
    model, _, made = decoded
    if model.tokens.mask is None:
        return
    chosen = recorded(decoded, 4)
    first = kl_of_items(model, len(made), chosen, lambda item, step: [] if step else [3, 8, 20], 8)
    never = kl_of_items(model, len(made), chosen, lambda item, step: [], 8)
    assert all(0 <= v < 1e-6 for v in never)
    assert all(v > 1e-6 for v in first)


def test_an_item_without_positions_has_no_kl(decoded):
    model, _, _ = decoded
    assert kl_of_items(model, 2, [], lambda item, step: [], 4) == [None, None]
