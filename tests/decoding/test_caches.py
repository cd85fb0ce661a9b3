"""Prefix and dual caches against the same rule stated slowly: frozen keys and values, whole passes."""

from pathlib import Path

import pytest
import torch

from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.samplers.common import Rows
from goodpart.errors import GoodpartError
from goodpart.models.loading import load
from goodpart.models.skipping import skipping

PARITY = Path(__file__).parents[1] / "data" / "parity"
PROMPTS = [[5, 9, 30, 77, 12, 401, 8], [44, 3, 210], [17, 60, 61, 62, 63, 5, 4, 3, 2]]
SETTINGS = {
    "llada-gqa": {"block_length": 8, "steps": 16},
    "llada-mha": {"block_length": 4},
    "dream": {"block_length": 8, "alg": "entropy"},
}


@pytest.fixture(scope="module", params=SETTINGS)
def model(request):
    return load(str(PARITY / request.param), dtype="float32", device="cpu")


def arguments(model):
    return {"max_new_tokens": 16, **SETTINGS[Path(model.name).name]}


def slowly(self, first, last, positions=None):
    """One pass over the whole canvas; outside the fed columns, keys and values are those of the last pass
    that fed all columns. (Rotation comes after the projections and depends on the column alone.)"""
    whole = last - first == self.ids.shape[1]
    if whole:
        self.frozen = {}

    def freeze(name):
        def hook(module, inputs, output):
            if whole:
                self.frozen[name] = output.clone()
                return output
            kept = self.frozen[name]
            mixed = kept.clone()
            mixed[:, first:last] = output[:, first:last]
            return mixed

        return hook

    attentions = [layer.self_attn for layer in self.model.module.model.layers]
    handles = [
        getattr(attention, part).register_forward_hook(freeze((i, part)))
        for i, attention in enumerate(attentions)
        for part in ("k_proj", "v_proj")
    ]
    try:
        hidden = self.model.module.model(
            input_ids=self.ids, attention_mask=self.exists.long(), position_ids=positions, use_cache=False
        ).last_hidden_state
    finally:
        for handle in handles:
            handle.remove()
    return hidden[:, first:last]


@pytest.mark.parametrize("cache", ["prefix", "dual"])
@pytest.mark.parametrize("layers", [[], [1]])
def test_a_cached_decode_is_the_slow_statement_of_its_rule(model, monkeypatch, cache, layers):
    settings = settings_for(model, **arguments(model), cache=cache, stop_early=False)
    with skipping(model, layers):
        fast = decode(model, PROMPTS, settings)
        monkeypatch.setattr(Rows, "hidden", slowly)
        slow = decode(model, PROMPTS, settings)
    assert [row.canvas.tolist() for row in fast] == [row.canvas.tolist() for row in slow]


def test_caches_approximate(model):
    """They are not exact decoding under another name: some prompt comes out differently."""
    rng = torch.Generator().manual_seed(0)
    prompts = torch.randint(0, 400, (24, 6), generator=rng).tolist()
    made = {
        cache: [
            row.canvas.tolist()
            for row in decode(model, prompts, settings_for(model, **arguments(model), cache=cache))
        ]
        for cache in ("none", "prefix", "dual")
    }
    assert made["none"] != made["prefix"]
    assert made["prefix"] != made["dual"]


@pytest.mark.parametrize("cache", ["prefix", "dual"])
def test_batches_and_leaving_early_change_nothing(model, cache):
    whole = decode(model, PROMPTS, settings_for(model, **arguments(model), cache=cache, stop_early=False))
    early = decode(model, PROMPTS, settings_for(model, **arguments(model), cache=cache))
    alone = [decode(model, [p], settings_for(model, **arguments(model), cache=cache))[0] for p in PROMPTS]
    assert [row.token_ids for row in early] == [row.token_ids for row in whole]
    assert [row.token_ids for row in alone] == [row.token_ids for row in whole]


def test_one_block_and_a_cache_that_is_always_filled_are_exact(model):
    """With one step a block, every pass is the one that fills the cache."""
    options = {"max_new_tokens": 16, "block_length": 4, "steps": 4}
    exact = decode(model, PROMPTS, settings_for(model, **options))
    for cache in ("prefix", "dual"):
        made = decode(model, PROMPTS, settings_for(model, **options, cache=cache))
        assert [row.canvas.tolist() for row in made] == [row.canvas.tolist() for row in exact]


def test_dream_without_blocks_is_the_official_sampler():
    model = load(str(PARITY / "dream"), dtype="float32", device="cpu")
    plain = decode(model, PROMPTS, settings_for(model, max_new_tokens=16))
    one = decode(model, PROMPTS, settings_for(model, max_new_tokens=16, block_length=16))
    two = decode(model, PROMPTS, settings_for(model, max_new_tokens=16, block_length=8))
    assert [row.canvas.tolist() for row in one] == [row.canvas.tolist() for row in plain]
    assert [row.canvas.tolist() for row in two] != [row.canvas.tolist() for row in plain]


def test_what_does_not_go_together_is_refused(model):
    with pytest.raises(GoodpartError, match="cache 'fast' is unknown: one of none, prefix, dual"):
        settings_for(model, max_new_tokens=16, cache="fast")
    with pytest.raises(GoodpartError, match="1 seeds for 3 prompts; give one a prompt"):
        decode(model, PROMPTS, settings_for(model, max_new_tokens=16, block_length=8), seeds=[1])
    assert decode(model, [], settings_for(model, max_new_tokens=16, block_length=8)) == []
    with pytest.raises(GoodpartError, match="not a multiple of block_length"):
        settings_for(model, max_new_tokens=16, block_length=5)
    with pytest.raises(GoodpartError, match="not a multiple of the number of blocks"):
        settings_for(model, max_new_tokens=16, block_length=8, steps=5)
    if model.family == "llada":
        with pytest.raises(GoodpartError, match="cfg_scale above 0 and a cache do not go together"):
            settings_for(model, max_new_tokens=16, block_length=8, cfg_scale=1.0, cache="dual")
