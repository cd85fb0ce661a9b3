"""KL against full depth and Monte-Carlo log-likelihood, against their plain statements."""

import math
from itertools import combinations
from pathlib import Path

import pytest
import torch

from goodpart.decoding import likelihoods as distributions
from goodpart.decoding.likelihoods import kl_from_full_depth, log_likelihood
from goodpart.errors import GoodpartError
from goodpart.models.families import family_module
from goodpart.models.loading import load
from goodpart.models.skipping import skipping

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture(scope="module", params=["llada-mha", "dream"])
def model(request):
    return load(str(PARITY / request.param), dtype="float32", device="cpu")


def logits(model, ids):
    with torch.inference_mode():
        return model.module(input_ids=ids, use_cache=False).logits


def test_kl_is_that_of_the_whole_distributions(model, monkeypatch):
    monkeypatch.setattr(distributions, "CHUNK", 5)
    ids = torch.randint(0, 400, (2, 12), generator=torch.Generator().manual_seed(0))
    where = torch.zeros(2, 12, dtype=torch.bool)
    where[0, 3:9] = where[1, 1] = where[1, 11] = True
    found = kl_from_full_depth(model, ids, [1], where)
    full = logits(model, ids).double().log_softmax(-1)
    with skipping(model, [1]):
        short = logits(model, ids).double().log_softmax(-1)
    each = (full.exp() * (full - short)).sum(-1)
    if model.family == "dream":  # token i is predicted at i - 1
        each = each.roll(1, 1)
    assert torch.allclose(found.double(), each[where], atol=1e-5)
    assert (found > 1e-3).all()


def test_kl_to_itself_is_zero_and_padding_changes_nothing(model):
    ids = torch.randint(0, 400, (1, 10), generator=torch.Generator().manual_seed(1))
    where = torch.zeros(1, 10, dtype=torch.bool)
    where[0, 4:] = True
    assert kl_from_full_depth(model, ids, [], where).abs().max() < 1e-6
    alone = kl_from_full_depth(model, ids, [1, 2], where)
    if model.family == "dream":  # LLaDA counts positions with the padding
        padded = torch.cat([torch.full((1, 3), model.tokens.pad), ids], 1)
        gap = torch.zeros(1, 3, dtype=torch.bool)
        exists = torch.cat([gap, torch.ones_like(where)], 1)
        again = kl_from_full_depth(model, padded, [1, 2], torch.cat([gap, where], 1), exists)
        assert torch.allclose(alone, again, atol=1e-5)
        with pytest.raises(GoodpartError, match="the first token of a sequence"):
            kl_from_full_depth(model, ids, [1], torch.ones_like(where))
    assert kl_from_full_depth(model, ids, [1], torch.zeros_like(where)).shape == (0,)


def test_likelihood_approaches_the_exact_bound(model, monkeypatch):
    """An answer of three tokens has seven maskings: the bound can be summed and the draws approach it."""
    monkeypatch.setattr(distributions, "CHUNK", 50)
    prompt, answer = [5, 9, 30, 77], [12, 401, 8]
    exact = 0.0
    for number in (1, 2, 3):
        for chosen in combinations(range(3), number):
            noisy = [model.tokens.mask if i in chosen else token for i, token in enumerate(answer)]
            out = logits(model, torch.tensor([prompt + noisy])).log_softmax(-1)[0]
            shift = 1 if model.family == "dream" else 0
            picked = sum(float(out[len(prompt) + i - shift, answer[i]]) for i in chosen)
            exact += picked * (3 / number) / 3 / math.comb(3, number)
    rng = torch.Generator().manual_seed(2)
    found = log_likelihood(model, prompt, answer, samples=2400, batch_size=60, generator=rng)
    assert found == pytest.approx(exact, rel=0.02)
    assert exact < -5


def test_samples_behind_the_last_whole_batch_are_left_out_as_officially(model):
    found = []
    for samples in (8, 10, 11):
        torch.manual_seed(4)
        found.append(log_likelihood(model, [5, 9], [12, 401, 8], samples=samples, batch_size=4))
    assert found[0] == found[1] == found[2]


def test_likelihood_refuses_what_it_cannot_do(model):
    for samples, batch_size in ((3, 4), (4, 0)):
        with pytest.raises(GoodpartError, match="at least one batch"):
            log_likelihood(model, [1], [2], samples=samples, batch_size=batch_size)
    with pytest.raises(GoodpartError, match="at least one token"):
        log_likelihood(model, [1], [], samples=4, batch_size=4)
    if family_module(model.family).COLUMN_SHIFT:
        with pytest.raises(GoodpartError, match="give a prompt"):
            log_likelihood(model, [], [2], samples=4, batch_size=4)
