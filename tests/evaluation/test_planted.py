"""Models with layers that are known to do next to nothing: the policies must find exactly those."""

import numpy as np
import pytest
import torch

from conftest import ROOT
from goodpart.models.hooks import capturing
from goodpart.models.loading import load
from goodpart.policies import policy_module, with_defaults
from goodpart.policies.search_objective import ModelDivergence
from goodpart.states.first_pass import first_pass
from scripts.angles import angular_distances
from scripts.prompt_similarities import prompt_rows

MODELS = {"llada": "llada-tiny-instruct", "dream": "dream-tiny-base", "qwen2": "qwen2.5-tiny"}
CANVAS = 12
PROMPTS = [list(range(5, 16)), list(range(40, 58))]


@pytest.fixture(params=MODELS)
def plant(request):
    """A function that scales the residual branches of some layers by 1e-3 and returns the model.

    All other layers have random weights that are large enough to matter: a trained model may have layers
    that do less than a thousandth of its first layer does.
    """
    model = load(str(ROOT / "workflow" / "resources" / "models" / MODELS[request.param]), device="cpu")
    torch.manual_seed(0)

    def planted(layers):
        for number, block in enumerate(model.module.model.layers):
            for name, weight in block.named_parameters():
                if name.endswith("norm.weight"):
                    weight.fill_(1)
                else:
                    weight.normal_(std=weight.shape[-1] ** -0.5)
                if number in layers and ("o_proj" in name or "down_proj" in name):
                    weight.mul_(1e-3)
        return model

    with torch.no_grad():
        yield planted


def measured(model, prompts):
    """{kind: (cosines [L], tokens)} of each prompt, from one batch."""
    batch = first_pass(model, prompts, CANVAS)
    for row in range(len(prompts)):
        found = {}
        for values in prompt_rows({"benchmark": "b", "item_id": row}, batch, row):
            cosines, _ = found.setdefault(values["kind"], ([], values["tokens"]))
            cosines.append(values["cosine"])
        yield found


def choose(kind, measured, **settings):
    return policy_module(kind).choose(measured, 4, with_defaults({"kind": kind, **settings})).layers


def canvases(model):
    mask = model.tokens.mask
    for prompt in PROMPTS:
        ids = np.array(prompt + [9 if mask is None else mask] * CANVAS)
        yield ids, np.arange(len(ids)) >= len(prompt)


@pytest.mark.parametrize("layers", [[2, 9, 14, 21], [0, 5, 7, 27]])
def test_four_layers_apart(plant, layers):
    model = plant(layers)
    prompts = [found["prompt"][0] for found in measured(model, PROMPTS)]
    similarities = np.mean(prompts, axis=0).tolist()
    assert choose("algorithm1", similarities) == layers
    assert choose("block_influence", similarities) == layers
    assert all(choose("algorithm1", of_one) == layers for of_one in prompts)
    divergence = ModelDivergence(model, list(canvases(model)), batch_size=2)
    assert choose("kl_search", divergence) == layers
    assert len(divergence.tried) < 4 * model.layers  # each set once, at most


def test_a_block_of_four(plant):
    model = plant([11, 12, 13, 14])
    [ids, _], *_ = canvases(model)
    with torch.inference_mode(), capturing(model) as captured:
        model.module.model(input_ids=torch.tensor(ids)[None], use_cache=False)
    angles = angular_distances(torch.cat(captured.states).numpy())
    assert choose("contiguous", angles.mean(0).tolist()) == [11, 12, 13, 14]
    assert choose("contiguous", angles[len(PROMPTS[0]) - 1].tolist()) == [11, 12, 13, 14]


def test_a_first_pass_does_not_depend_on_its_batch(plant):
    model = plant([])
    for prompt, found in zip(PROMPTS, measured(model, PROMPTS), strict=True):
        [alone] = measured(model, [prompt])
        assert alone.keys() == found.keys()
        for kind, (cosines, tokens) in found.items():
            assert tokens == alone[kind][1] == (len(prompt) if kind == "prompt" else CANVAS)
            assert cosines == pytest.approx(alone[kind][0], abs=1e-4)


def test_the_divergence_of_a_padded_batch_is_that_of_each_canvas(plant):
    model = plant([])
    single = [ModelDivergence(model, [canvas], 1)([3, 8]) for canvas in canvases(model)]
    assert ModelDivergence(model, list(canvases(model)), 2)([8, 3]) == pytest.approx(
        np.mean(single), rel=1e-3
    )
    assert ModelDivergence(model, list(canvases(model)), 2)([]) == pytest.approx(0, abs=1e-6)
