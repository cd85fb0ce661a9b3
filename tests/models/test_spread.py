"""`device: auto`: a model in parts, on two pretended GPUs and the host, does what one in a piece does."""

import json
import shutil
from contextlib import contextmanager

import accelerate.utils
import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.kl import Completion, kl_of_items, states
from goodpart.errors import GoodpartError
from goodpart.models import gpu, weights
from goodpart.models.architectures import llada, qwen2
from goodpart.models.loading import load
from goodpart.models.skipping import skipping
from goodpart.states.capture import Prompt, capture_prompts, capture_settings
from goodpart.states.first_pass import first_pass
from pretended_gpu import pretended_gpu
from scripts.prompt_similarities import prompt_rows

MODELS = ROOT / "workflow" / "resources" / "models"
LLADA, DREAM, QWEN = "llada-tiny-instruct", "dream-tiny-base", "qwen2.5-tiny"
PROMPTS = [[20, 21, 22, 23, 24, 25], [30, 31, 32]]
# Room for weights on GPU 0 and 1 as shares of the model; the rest is in the host's memory.
ROOM = {
    "two GPUs": (0.2, 1),
    "the head alone": (1, 1),
    "two and host": (0.3, 0.3),
    "one and host": (0.4, 0),
}
CASES = [
    (LLADA, {"block_length": 8}),
    (LLADA, {"block_length": 4, "cache": "dual"}),
    (LLADA, {"block_length": 8, "cfg_scale": 1.0}),
    (DREAM, {"block_length": 4, "cache": "prefix"}),
    (DREAM, {"temperature": 0.5, "top_p": 0.9, "alg": "origin"}),
    (QWEN, {}),
    (QWEN, {"temperature": 0.7}),
]


@pytest.fixture
def machine(monkeypatch):
    for architecture in (llada, qwen2):
        architecture.model_class()  # imported before anything is pretended
    monkeypatch.setattr(gpu, "take", lambda *a, **k: None)
    monkeypatch.setattr("goodpart.decoding.samplers.common.synchronises_each_step", lambda device: False)


@contextmanager
def in_parts(monkeypatch, name, room):
    """The model of `device: auto` on a machine with little memory on its two GPUs."""
    size = sum(4 * tensor.numel() for tensor in load_file(MODELS / name / "model.safetensors").values())
    # 16 bytes more: room for all but the head, which is what GPU 0 needs beside its largest part.
    first, second = (int((share * size + 16) / weights.FOR_WEIGHTS) for share in ROOM[room])
    with pretended_gpu(monkeypatch, count=2):
        memory = {0: first, 1: second, "cpu": 1 << 30}
        monkeypatch.setattr(accelerate.utils, "get_max_memory", lambda: memory)
        model = load(str(MODELS / name), dtype="float32", device="auto")
        found = {str(parameter.device) for parameter in model.module.parameters()}
        assert "cuda:0" in found
        assert ("cuda:1" in found) == (room != "one and host")
        assert ("meta" in found) == ("host" in room)  # between passes
        alone = model.module.model.norm.weight.device != model.module.lm_head.weight.device
        assert alone or room != "the head alone"
        yield model


def completions(model, options):
    """The canvas of each completion, with layers of each part skipped."""
    settings = settings_for(model, max_new_tokens=8, **options)
    with skipping(model, [3, 14, 26]):
        return [one.canvas.tolist() for one in decode(model, PROMPTS, settings, seeds=[5, 6])]


@pytest.mark.parametrize(
    ("name", "options", "room"),
    [(*case, "two and host") for case in CASES]
    + [(*case, room) for case in (CASES[0], CASES[-1]) for room in ("two GPUs", "one and host")]
    + [(*case, "the head alone") for case in (CASES[0], CASES[2], CASES[3], CASES[5])],
)
def test_it_decodes_as_one_piece(machine, monkeypatch, name, options, room):
    wanted = completions(load(str(MODELS / name), dtype="float32", device="cpu"), options)
    assert len({tuple(row) for row in wanted}) == 2
    with in_parts(monkeypatch, name, room) as model:
        assert completions(model, options) == wanted


@pytest.mark.parametrize("room", ["two GPUs", "one and host"])
def test_a_head_that_is_the_embedding_stays_with_it(machine, monkeypatch, tmp_path, room):
    folder = tmp_path / "tied"
    shutil.copytree(MODELS / QWEN, folder)
    state = load_file(folder / "model.safetensors")
    del state["lm_head.weight"]
    save_file(state, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    wanted = completions(load(str(folder), dtype="float32", device="cpu"), {})
    with in_parts(monkeypatch, folder, room) as model:
        decoder = model.module.model
        assert model.device == decoder.embed_tokens.weight.device == torch.device("cuda:0")
        assert completions(model, {}) == wanted


def measurements(model):
    """States of two captured steps, KL of a skipped layer, and cosines of the first pass."""
    settings = capture_settings(
        model.family, {"max_new_tokens": 8, **({"block_length": 8} if model.family == "llada" else {})}
    )
    seen = []
    capture_prompts(
        model,
        [Prompt("p", PROMPTS[0], 0)],
        settings,
        2,
        lambda _, s: seen.append(torch.as_tensor(s.hidden).cpu().clone()),
    )
    one = decode(model, PROMPTS[:1], settings)[0]
    done = Completion(PROMPTS[0], one.canvas[6:].tolist(), one.commit_steps, one.forward_passes)
    kl = kl_of_items(model, 1, states([done], settings, model.tokens.mask, 2), lambda item, step: [3, 26], 2)
    batch = first_pass(model, PROMPTS, 8)
    item = {"benchmark": "b", "item_id": "i"}
    cosines = [row["cosine"] for index in (0, 1) for row in prompt_rows(item, batch, index)]
    return torch.stack([state.float() for state in seen]), kl[0], cosines


@pytest.mark.parametrize("room", ["the head alone", "two and host"])
@pytest.mark.parametrize("name", [LLADA, DREAM, QWEN])
def test_it_is_measured_as_one_piece(machine, monkeypatch, name, room):
    hidden, kl, cosines = measurements(load(str(MODELS / name), dtype="float32", device="cpu"))
    with in_parts(monkeypatch, name, room) as model:
        found = measurements(model)
    torch.testing.assert_close(found[0], hidden, rtol=1e-5, atol=1e-4)
    assert found[1] == pytest.approx(kl, rel=1e-4)
    assert found[1] > 0
    assert found[2] == pytest.approx(cosines, rel=1e-4)


def test_an_overflow_in_a_part_is_found(machine, monkeypatch):
    with in_parts(monkeypatch, LLADA, "two and host") as model:
        model.module.model.layers[26].register_forward_hook(lambda m, i, out: out * float("nan"))
        with pytest.raises(GoodpartError, match="output of layer 26 is not finite"):
            decode(model, PROMPTS, settings_for(model, max_new_tokens=8, block_length=8))


def test_sampling_touches_no_other_gpu(machine, monkeypatch):
    with pretended_gpu(monkeypatch, count=2) as calls:
        model = load(str(MODELS / QWEN), dtype="float32", device="cuda:1")
        decode(model, PROMPTS, settings_for(model, max_new_tokens=4, temperature=0.7), seeds=[1, 2])
    assert {call for call in calls if call.startswith("state of")} == {"state of cuda:1"}


def test_a_model_that_fits_nowhere_is_refused(machine, monkeypatch):
    with pretended_gpu(monkeypatch):
        monkeypatch.setattr(accelerate.utils, "get_max_memory", lambda: {0: 10**6, "cpu": 10**6})
        with pytest.raises(GoodpartError, match=r"do not fit .* all devices \(0: 0\.0 GB, cpu: 0\.0 GB\)"):
            load(str(MODELS / LLADA), dtype="float32", device="auto")
