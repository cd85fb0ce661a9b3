import pytest
import torch

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.errors import GoodpartError
from goodpart.models.hooks import capturing
from goodpart.models.loading import load
from goodpart.models.skipping import skipping

MODELS = ("llada-tiny-instruct", "dream-tiny-base", "qwen2.5-tiny")


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return load(str(ROOT / "workflow" / "resources" / "models" / request.param), device="cpu")


def tokens(model, prompt, observe=None):
    kind = {"block_length": 8} if model.family == "llada" else {}
    ids = model.tokenizer(prompt)["input_ids"]
    settings = settings_for(model, max_new_tokens=16, **kind)
    return decode(model, [ids], settings, observe=observe)[0].token_ids


PROMPT = "Write a function move(x) to return x times 3 plus 4.\n"


def logits(model):
    with torch.inference_mode():
        return model.module(torch.tensor([model.tokenizer(PROMPT)["input_ids"]]), use_cache=False).logits


def test_restoring_gives_the_first_tokens_again(model):
    first, before = tokens(model, PROMPT), logits(model)
    with skipping(model, [0, 3, 5]):
        assert model.layers == len(model.module.model.layers)
        tokens(model, PROMPT)
        assert (logits(model) - before).abs().max() > 0.1  # the layers are really gone
    assert tokens(model, PROMPT) == first
    assert torch.equal(logits(model), before)


def test_skipping_equals_a_model_whose_blocks_do_nothing(model):
    """Removal is the residual stream passing through: the same as zero weights in both branches."""
    skipped = [1, 4]
    with skipping(model, skipped):
        expected = tokens(model, PROMPT)
    saved = []
    for layer in skipped:
        block = model.module.model.layers[layer]
        for weight in (block.self_attn.o_proj.weight, block.mlp.down_proj.weight):
            saved.append((weight, weight.clone()))
            weight.zero_()
    try:
        assert tokens(model, PROMPT) == expected
    finally:
        for weight, value in saved:
            weight.copy_(value)


def test_restored_after_an_error(model):
    layers = model.layers
    with pytest.raises(RuntimeError, match="stop"), skipping(model, [2]):
        assert [b.self_attn.layer_idx for b in model.module.model.layers] == list(range(layers - 1))
        raise RuntimeError("stop")
    assert model.layers == layers
    assert model.module.config.num_hidden_layers == layers
    assert [b.self_attn.layer_idx for b in model.module.model.layers] == list(range(layers))


@pytest.mark.parametrize(
    ("layers", "message"), [([99], "do not exist"), ([-1], "do not exist"), ([1, 1], "twice")]
)
def test_wrong_layers_are_named(model, layers, message):
    with pytest.raises(GoodpartError, match=message), skipping(model, layers):
        pass


def test_all_layers_cannot_go(model):
    with pytest.raises(GoodpartError, match="at least one"), skipping(model, range(model.layers)):
        pass


def test_capturing_changes_no_token(model):
    first = tokens(model, PROMPT)
    with capturing(model) as captured:
        assert tokens(model, PROMPT) == first
    assert len(captured.states) == model.layers + 1


def test_layers_that_change_by_step(model):
    """The same layers at every step are a static set; others act in their steps alone, and are put back."""
    kind = {"block_length": 8} if model.family == "llada" else {}
    ids = [model.tokenizer(PROMPT)["input_ids"]]
    settings = settings_for(model, max_new_tokens=16, **kind)
    if model.family == "qwen2":
        with pytest.raises(GoodpartError, match="and a cache exclude each other"):
            decode(model, ids, settings, skip_at=lambda step: [1])
        return
    with skipping(model, [1, 4]):
        static = decode(model, ids, settings)[0].canvas
    assert torch.equal(decode(model, ids, settings, skip_at=lambda step: [1, 4])[0].canvas, static)
    full = decode(model, ids, settings)[0].canvas
    assert torch.equal(decode(model, ids, settings, skip_at=lambda step: [])[0].canvas, full)
    everything = range(model.layers - 1)
    late = decode(model, ids, settings, skip_at=lambda step: everything if step else [])[0]
    assert not torch.equal(late.canvas, full)
    assert model.layers == len(model.module.model.layers) == model.module.config.num_hidden_layers
    with pytest.raises(GoodpartError, match="and a cache exclude each other"):
        decode(model, ids, settings_for(model, max_new_tokens=16, cache="dual", **kind), skip_at=lambda s: [])


def test_qwen_equals_plain_transformers():
    from transformers import AutoModelForCausalLM

    folder = ROOT / "workflow" / "resources" / "models" / "qwen2.5-tiny"
    ours = load(str(folder), device="cpu")
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor([ours.tokenizer(PROMPT)["input_ids"]])
    with torch.inference_mode():
        assert torch.equal(ours.module(ids).logits, plain(ids).logits)
    out = plain.generate(ids, max_new_tokens=16, do_sample=False, pad_token_id=0, eos_token_id=0)
    assert tokens(ours, PROMPT) == [t for t in out[0, ids.shape[1] :].tolist() if t != 0]
