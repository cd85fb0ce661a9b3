"""What a completion depends on: not on its batch. The shipped models give the same tokens and
distributions in batches of any size."""

import json

import pytest
import torch

from conftest import ROOT
from goodpart.benchmarks import benchmark_module
from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.kl import Completion, states
from goodpart.decoding.likelihoods import final_hidden
from goodpart.decoding.prompts import render
from goodpart.decoding.samplers.common import canvas_of
from goodpart.models.loading import load

MODELS = ROOT / "workflow" / "resources" / "models"
DATA = ROOT / "workflow" / "resources" / "benchmarks"


def prompts(model, chat, each=3):
    texts = []
    for kind in ("gsm8k", "math500", "humaneval", "mbpp"):
        rows = [json.loads(line) for line in (DATA / f"{kind}-test.jsonl").read_text().splitlines()[:each]]
        texts += [benchmark_module(kind).prompt(row, "bare") for row in rows]
    return render(model.tokenizer, texts, chat)


@pytest.mark.parametrize("name", sorted(path.name for path in MODELS.iterdir()))
def test_batches_give_the_same_tokens_and_distributions(name):
    model = load(str(MODELS / name), device="cpu")
    given = prompts(model, chat="instruct" in name)
    options = {"block_length": 8} if model.family == "llada" else {}
    settings = settings_for(model, max_new_tokens=24, **options)
    together = decode(model, given, settings)
    alone = [decode(model, [prompt], settings)[0] for prompt in given]
    assert [row.token_ids for row in together] == [row.token_ids for row in alone]
    assert len({len(prompt) for prompt in given}) > 3
    done = [
        Completion(prompt, row.canvas[len(prompt) :].tolist(), row.commit_steps, row.forward_passes)
        for prompt, row in zip(given, alone, strict=True)
    ]
    recorded = states(done, settings, model.tokens.mask, 2)
    pad = model.tokens.pad
    ids, exists, width = canvas_of([s.ids for s in recorded], 0, pad, pad, model.device)
    batch = final_hidden(model, ids, exists)
    shift = 0 if model.family == "llada" else 1
    for row, state in enumerate(recorded):
        at = torch.tensor(state.where) - shift
        one = final_hidden(model, torch.tensor([state.ids]))[0, at]
        p, q = (
            model.logits(hidden).double().log_softmax(-1)
            for hidden in (one, batch[row, at + width - len(state.ids)])
        )
        assert float((p.exp() * (p - q)).sum(-1).abs().max()) < 1e-6
