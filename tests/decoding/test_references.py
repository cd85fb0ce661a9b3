"""Likelihood of reference solutions: exact for autoregressive models, LLaDA's bound for diffusion."""

import pytest
import torch
from transformers import Qwen2ForCausalLM

from conftest import ROOT
from goodpart.decoding.likelihoods import log_likelihood
from goodpart.decoding.references import Reference, negative_log_likelihoods
from goodpart.errors import GoodpartError
from goodpart.models.loading import load
from goodpart.models.skipping import skipping

MODELS = ROOT / "workflow" / "resources" / "models"
TEXTS = [
    ("How many now?\n", "7+2=9\n#### 9"),
    ("Solve $x+3=9$.\n", "9-3=\\boxed{6}"),
    ("Write f(x).\n", "def"),
]


def references(model, seeds=(1, 2, 3)):
    return [
        Reference(*(model.tokenizer(text, add_special_tokens=False)["input_ids"] for text in pair), seed)
        for pair, seed in zip(TEXTS, seeds, strict=True)
    ]


def full_depth(item, share):
    return []


def test_autoregressive_likelihood_is_that_of_transformers():
    path = MODELS / "qwen2.5-tiny"
    model, plain = (
        load(str(path), dtype="float32"),
        Qwen2ForCausalLM.from_pretrained(path, dtype=torch.float32),
    )
    found = negative_log_likelihoods(model, references(model), full_depth, 4, 2)
    for reference, nll in zip(references(model), found, strict=True):
        ids = torch.tensor([[*reference.prompt, *reference.solution]])
        labels = ids.clone()
        labels[:, : len(reference.prompt)] = -100
        expected = plain(input_ids=ids, labels=labels).loss * len(reference.solution)
        assert nll == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("name", ["llada-tiny-instruct", "dream-tiny-base"])
def test_diffusion_likelihood_is_the_bound_of_the_official_draws(name):
    model = load(str(MODELS / name), dtype="float32")
    found = negative_log_likelihoods(model, references(model), full_depth, 8, 5)
    for reference, nll in zip(references(model), found, strict=True):
        draws = torch.Generator().manual_seed(reference.seed)
        bound = log_likelihood(
            model, reference.prompt, reference.solution, samples=8, batch_size=8, generator=draws
        )
        assert nll == pytest.approx(-bound, rel=1e-3)


@pytest.mark.parametrize("name", ["llada-tiny-instruct", "qwen2.5-tiny"])
def test_layers_are_skipped_item_by_item(name):
    model = load(str(MODELS / name), dtype="float32")
    sets = [[3, 8], [], [5]]
    found = negative_log_likelihoods(model, references(model), lambda item, share: sets[item], 4, 8)
    for item, layers in enumerate(sets):
        one = [references(model)[item]]
        with skipping(model, layers):
            alone = negative_log_likelihoods(model, one, full_depth, 4, 8)
        assert found[item] == pytest.approx(alone[0], rel=1e-3)
    assert found[0] != pytest.approx(negative_log_likelihoods(model, references(model), full_depth, 4, 8)[0])


def test_layers_may_follow_the_share_that_is_masked():
    model = load(str(MODELS / "dream-tiny-base"), dtype="float32")
    shares = set()

    def layers_at(item, share):
        shares.add(share)
        return [4] if share > 0.5 else []

    negative_log_likelihoods(model, references(model)[:1], layers_at, 4, 8)
    assert len(shares) == 4
    assert min(shares) > 0
    assert max(shares) <= 1


def test_an_empty_solution_is_refused():
    model = load(str(MODELS / "qwen2.5-tiny"), dtype="float32")
    with pytest.raises(GoodpartError, match="needs a prompt and a solution"):
        negative_log_likelihoods(model, [Reference([1], [], 0)], full_depth, 4, 8)
