"""Every path that a GPU takes, as far as a CPU can run it: its tensors mix with no others."""

import pytest
import torch

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.kl import Completion, kl_of_items, states
from goodpart.errors import GoodpartError
from goodpart.models import devices, gpu
from goodpart.models.loading import load
from goodpart.models.memory import batch_that_fits
from goodpart.models.skipping import skipping
from goodpart.states.capture import Prompt, capture_prompts, capture_settings
from pretended_gpu import OnGpu
from scripts.latency import device_name, timed

MODELS = ROOT / "workflow" / "resources" / "models"
PROMPTS = [[20, 21, 22, 23, 24, 25], [30, 31, 32]]
CASES = [
    ("llada-tiny-instruct", {"block_length": 8}),
    ("llada-tiny-instruct", {"block_length": 8, "cache": "dual"}),
    ("llada-tiny-instruct", {"block_length": 8, "temperature": 0.7, "remasking": "random"}),
    ("llada-tiny-instruct", {"block_length": 8, "cfg_scale": 1.0}),
    ("dream-tiny-base", {}),
    ("dream-tiny-base", {"block_length": 8, "cache": "prefix"}),
    ("dream-tiny-base", {"temperature": 0.5, "top_p": 0.9, "alg": "origin"}),
]


@pytest.fixture
def on_cpu(monkeypatch):
    """Looks at the canvas as rarely as on a GPU: random numbers are drawn for what is known to be open."""

    def run(name, options, skipped=()):
        monkeypatch.setattr("goodpart.decoding.samplers.common.synchronises_each_step", lambda device: False)
        model = load(str(MODELS / name), dtype="float32", device="cpu")
        with skipping(model, skipped):
            return decode(model, PROMPTS, settings_for(model, max_new_tokens=16, **options))

    return run


def test_the_pretended_gpu_refuses_what_a_real_one_does(machine):
    there, here = torch.ones(3, device="cuda"), torch.ones(3)
    assert isinstance(there, OnGpu)
    assert there.device.type == "cuda"
    assert (there + 1).tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="cuda:0 and on cpu"):
        there + here
    with pytest.raises(TypeError, match="numpy"):
        there.numpy()


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_model_decodes_there_as_on_the_cpu(on_cpu, machine, name, options):
    model = load(str(MODELS / name), dtype="float32", device="cuda")
    assert model.device.type == "cuda"
    assert all(isinstance(p.data, OnGpu) for p in model.module.parameters())
    with skipping(model, [3, 7]):
        found = decode(model, PROMPTS, settings_for(model, max_new_tokens=16, **options))
    wanted = on_cpu(name, options, [3, 7])
    assert [(one.token_ids, one.ended) for one in found] == [(one.token_ids, one.ended) for one in wanted]


def test_capture_and_kl_run_there(machine):
    model = load(str(MODELS / "llada-tiny-instruct"), dtype="float32", device="cuda:0")
    settings = capture_settings(model.family, {"max_new_tokens": 8, "block_length": 8})
    seen = []
    capture_prompts(model, [Prompt("p", PROMPTS[0], 0)], settings, 2, lambda _, states: seen.append(states))
    assert [states.hidden.device.type for states in seen] == ["cuda", "cuda"]
    made = decode(model, PROMPTS[:1], settings)[0]
    done = Completion(PROMPTS[0], made.canvas[6:].tolist(), made.commit_steps, made.forward_passes)
    recorded = states([done], settings, model.tokens.mask, 2)
    assert kl_of_items(model, 1, recorded, lambda item, step: [3], 2)[0] > 0


def test_memory_time_and_a_batch_that_is_too_large(machine):
    model = load(str(MODELS / "dream-tiny-base"), dtype="float32", device="cuda")
    settings = settings_for(model, max_new_tokens=8)
    assert 1 < batch_that_fits(model, settings, 20, 10**9) < 10**9
    seconds, passes = timed(model, PROMPTS, settings)
    assert seconds > 0
    assert passes == 8
    assert machine.count("synchronize") == 2
    assert device_name(model) == "Pretended"

    def work(part):
        if len(part) > 1:
            raise torch.OutOfMemoryError("pretended")
        return len(part)

    assert [made for _, made in gpu.Batches(2).run(work, PROMPTS)] == [1, 1]
    assert "empty_cache" in machine


def test_an_overflow_is_found_there(machine, monkeypatch):
    model = load(str(MODELS / "llada-tiny-instruct"), dtype="float32", device="cuda")
    layer = model.module.model.layers[5]
    layer.register_forward_hook(lambda m, i, out: out * float("nan"))
    with pytest.raises(GoodpartError, match="output of layer 5 is not finite"):
        decode(model, PROMPTS, settings_for(model, max_new_tokens=8, block_length=8))


def test_devices_by_name(machine, monkeypatch):
    assert devices.chosen("cuda:0", "m") == torch.device("cuda:0")
    assert devices.chosen("auto", "m") is None
    assert devices.chosen(None, "m") == torch.device("cuda")
    with pytest.raises(GoodpartError, match="there are 1 GPUs here"):
        devices.chosen("cuda:1", "m")
    for name in ("gpu", "cpu:1", "cuda:x", "mps:1"):
        with pytest.raises(GoodpartError, match="is unknown: one of auto, cpu, cuda"):
            devices.chosen(name, "m")
    with pytest.raises(GoodpartError, match="finds no Apple GPU"):
        devices.chosen("mps", "m")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.chosen("mps", "m") == torch.device("mps")
