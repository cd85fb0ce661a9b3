"""Sets that differ by prompt or by phase really reach the decoding of their items, whatever the batch."""

import pytest
from test_generations import ITEMS, model  # noqa: F401

from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.prompts import render
from goodpart.decoding.samplers.common import item_seed
from goodpart.evaluation.completions import Asked, Journal, generate
from goodpart.models.skipping import skipping
from goodpart.policies.skip_sets import SkipSet

BY_ITEM = {("b", item["item_id"]): [[2, 9, 17, 25], [12], []][i % 3] for i, item in enumerate(ITEMS)}


def made(model, skip_set, folder):  # noqa: F811
    prompts = render(model.tokenizer, [item["prompt"] for item in ITEMS], True)
    settings = settings_for(model, max_new_tokens=16, block_length=8)
    asked = [
        Asked(name, name, 0, item_seed(0, name, 0), prompt, tuple(skip_set.of_item("b", name)))
        for name, prompt in zip((item["item_id"] for item in ITEMS), prompts, strict=True)
    ]
    rows = generate(model, asked, settings, 2, Journal(folder / "s.parquet"), skip_set.skip_at(16))
    return [row["token_ids"] for row in rows], prompts, settings


def alone(model, prompt, settings, item, **options):  # noqa: F811
    [found] = decode(model, [prompt], settings, seeds=[item_seed(0, item["item_id"], 0)], **options)
    return found.token_ids


def test_each_prompt_is_decoded_without_its_own_layers(model, tmp_path):  # noqa: F811
    found, prompts, settings = made(model, SkipSet("prompt", BY_ITEM), tmp_path)
    for tokens, prompt, item in zip(found, prompts, ITEMS, strict=True):
        with skipping(model, BY_ITEM["b", item["item_id"]]):
            assert tokens == alone(model, prompt, settings, item)
    full = [alone(model, prompt, settings, item) for prompt, item in zip(prompts, ITEMS, strict=True)]
    assert found[2] == full[2]
    assert model.layers == 32


@pytest.mark.parametrize("sets", [{0: [2, 9], 1: [], 2: [5], 3: [12, 14]}, {0: list(range(24)), 1: []}])
def test_each_phase_is_decoded_without_its_own_layers(model, tmp_path, sets):  # noqa: F811
    found, prompts, settings = made(model, SkipSet("phase", sets), tmp_path)

    def skip_at(step):
        return sets[step * len(sets) // 16]

    expected = [
        alone(model, prompt, settings, item, skip_at=skip_at)
        for prompt, item in zip(prompts, ITEMS, strict=True)
    ]
    assert found == expected
    if len(sets) == 2:  # most layers gone while the first half is decoded: other answers than at full depth
        assert found != [alone(model, p, settings, item) for p, item in zip(prompts, ITEMS, strict=True)]
