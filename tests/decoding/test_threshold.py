"""Fast-dLLM's confidence threshold: its published rule, stated slowly, against both samplers."""

import pytest
import torch

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.kl import Completion
from goodpart.errors import GoodpartError
from goodpart.models.families import family_module
from goodpart.models.flops import passes
from goodpart.models.loading import load
from goodpart.models.skipping import skipping

MODELS = ROOT / "workflow" / "resources" / "models"
NAMES = {"llada-tiny-instruct": {}, "dream-tiny-base": {"alg": "maskgit_plus"}}
PROMPTS = ["Ann has 3 pens, finds 2. How many now?\n", "Write calc(x) to return x times 3 plus 2.\n", "Solve"]
LENGTH, BLOCK = 16, 8


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    return load(str(MODELS / request.param), dtype="float32", device="cpu")


def settings(model, **changes):
    more = NAMES[model.name.rsplit("/", 1)[1]]
    return settings_for(
        model, max_new_tokens=LENGTH, block_length=BLOCK, stop_early=False, **{**more, **changes}
    )


def tokens(model):
    return model.tokenizer(PROMPTS, add_special_tokens=False)["input_ids"]


def slowly(model, prompt, threshold):
    """One prompt, one position at a time: canvas, and the pass that committed each position."""
    shift, start = (0 if model.family == "llada" else 1), len(prompt)
    ids = torch.tensor([[*prompt, *[model.tokens.mask] * LENGTH]])
    commits, number = [-1] * LENGTH, 0
    for block in range(LENGTH // BLOCK):
        inside = range(start + block * BLOCK, start + (block + 1) * BLOCK)
        while any(ids[0, i] == model.tokens.mask for i in inside):
            with torch.no_grad():
                logits = model.module(input_ids=ids, use_cache=False).logits[0]
            open_ = [i for i in inside if ids[0, i] == model.tokens.mask]
            best = {i: logits[i - shift].softmax(-1).max(-1) for i in open_}
            order = sorted(open_, key=lambda i: -float(best[i].values))
            for rank, i in enumerate(order):
                if rank == 0 or float(best[i].values) >= threshold:
                    ids[0, i], commits[i - start] = best[i].indices, number
            number += 1
    return ids[0, start:].tolist(), commits, number


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.999])
def test_the_published_rule(model, threshold):
    made = decode(model, tokens(model), settings(model, confidence_threshold=threshold))
    for prompt, one in zip(tokens(model), made, strict=True):
        canvas, commits, number = slowly(model, prompt, threshold)
        assert one.canvas[len(prompt) :].tolist() == canvas
        assert one.commit_steps == commits
        assert one.forward_passes == number


def test_it_takes_fewer_passes_and_never_more_than_tokens(model):
    number = [
        sum(
            one.forward_passes
            for one in decode(model, tokens(model), settings(model, confidence_threshold=t))
        )
        for t in (0.3, 0.9, 1.0)
    ]
    assert number[0] < number[2] <= LENGTH * len(PROMPTS)
    assert number == sorted(number)


@pytest.mark.parametrize("cache", ["prefix", "dual"])
def test_with_a_cache_and_layers_skipped_a_row_is_as_alone(model, cache):
    chosen = settings(model, confidence_threshold=0.9, cache=cache)
    with skipping(model, [3, 9]):
        together = decode(model, tokens(model), chosen, seeds=[1, 2, 3])
        for prompt, seed, one in zip(tokens(model), (1, 2, 3), together, strict=True):
            alone = decode(model, [prompt], chosen, seeds=[seed])[0]
            assert (one.token_ids, one.commit_steps) == (alone.token_ids, alone.commit_steps)
            assert one.forward_passes == alone.forward_passes


def test_operations_follow_what_was_fed(model, monkeypatch):
    """The passes that FLOPs count are those that ran: tokens fed, and masks that the head saw."""
    for cache in ("none", "prefix", "dual"):
        chosen, fed = settings(model, confidence_threshold=0.9, cache=cache), []
        decoder, forward = type(model.module.model), type(model.module.model).forward

        def seen(self, *given, input_ids, fed=fed, forward=forward, **more):
            fed.append(input_ids.shape[1])
            return forward(self, *given, input_ids=input_ids, **more)

        monkeypatch.setattr(decoder, "forward", seen)
        prompt = tokens(model)[0]
        made = decode(model, [prompt], chosen)[0]
        monkeypatch.undo()
        given = {**vars(chosen), "stop_early": False}
        counted = passes(model.family, given, len(prompt), made.forward_passes, made.commit_steps)
        assert counted.fed.tolist() == fed
        masks = [
            sum(at >= step for at in made.commit_steps[:BLOCK]) for step in range(made.commit_steps[0] + 1)
        ]
        assert counted.head[: len(masks)].tolist() == masks


def test_states_for_the_kl_are_those_of_its_blocks(model):
    chosen, prompt = settings(model, confidence_threshold=0.9), tokens(model)[0]
    made = decode(model, [prompt], chosen)[0]
    one = Completion(prompt, made.canvas[len(prompt) :].tolist(), made.commit_steps, made.forward_passes)
    for state in one.states(0, chosen, model.tokens.mask, made.forward_passes):
        block = made.commit_steps.index(state.step) // BLOCK
        inside = range(len(prompt) + block * BLOCK, len(prompt) + (block + 1) * BLOCK)
        assert [p for p in state.where if p in inside]
        assert max(state.where) < inside.stop


def test_a_pass_that_commits_the_mask_token_itself_counts_in_its_block():
    """Passes 1 and 4 committed the mask token, so that their positions stayed open."""
    commits = [0, 0, 2, 2, 2, 2, 2, 2, *[3] * 6, 5, 5]
    given = {"max_new_tokens": LENGTH, "block_length": BLOCK, "confidence_threshold": 0.9, "cache": "dual"}
    assert passes("llada", given, 5, 6, commits).fed.tolist() == [21, 8, 8, 21, 8, 8]
    chosen = family_module("llada").Settings(**given)
    where = {s.step: s.where for s in Completion([1] * 5, [7] * LENGTH, commits, 6).states(0, chosen, 2, 6)}
    assert where[1] == [7, 8, 9, 10, 11, 12]
    assert where[4] == [19, 20]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"confidence_threshold": 0.9, "steps": 8}, "leave steps out"),
        ({"confidence_threshold": 1.5}, "confidence_threshold 1.5 is not a number above 0"),
        ({"confidence_threshold": 0}, "confidence_threshold 0 is not a number above 0"),
    ],
)
def test_what_does_not_go_with_it_is_refused(model, changes, said):
    with pytest.raises(GoodpartError, match=said):
        settings(model, **changes)


def test_rules_that_compare_no_probabilities_are_refused(model):
    other = {"remasking": "random"} if model.family == "llada" else {"alg": "entropy"}
    with pytest.raises(GoodpartError, match="confidence_threshold compares"):
        settings(model, confidence_threshold=0.9, **other)
    with pytest.raises(GoodpartError, match="which a confidence_threshold decides"):
        decode(model, tokens(model), settings(model, confidence_threshold=0.9), skip_at=lambda step: [])
