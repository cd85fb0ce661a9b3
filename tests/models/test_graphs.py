"""CUDA graphs, as far as a pretended GPU goes: same tokens, no waits and no change of memory in a pass."""

import pytest
import torch

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.errors import GoodpartError
from goodpart.models.loading import load
from goodpart.models.skipping import skipping
from goodpart.states.capture import Prompt, capture_prompts, capture_settings

MODELS = ROOT / "workflow" / "resources" / "models"
PROMPTS = [[20, 21, 22, 23, 24, 25], [30, 31, 32]]
LLADA, DREAM, QWEN = "llada-tiny-instruct", "dream-tiny-base", "qwen2.5-tiny"
CASES = [
    (LLADA, {"block_length": 8}),
    (LLADA, {"block_length": 8, "cache": "prefix", "stop_early": False}),
    (LLADA, {"block_length": 8, "cache": "dual", "stop_early": False}),
    (LLADA, {"block_length": 8, "cfg_scale": 1.0}),
    (LLADA, {"block_length": 8, "cache": "dual", "confidence_threshold": 0.9}),
    (DREAM, {}),
    (DREAM, {"block_length": 8, "cache": "prefix"}),
    (DREAM, {"block_length": 8, "cache": "dual", "stop_early": False}),
    (QWEN, {}),
    (QWEN, {"temperature": 0.7}),
]


def canvases(name, options, graphs, prompts=PROMPTS):
    model = load(str(MODELS / name), dtype="float32", device="cuda", cuda_graphs=graphs)
    settings = settings_for(model, max_new_tokens=24, **options)
    with skipping(model, [3, 7]):
        made = decode(model, prompts, settings)
    assert "forward" not in vars(model.module.model)
    return [(one.canvas.tolist(), one.commit_steps, one.forward_passes) for one in made]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_graphs_give_the_same_completions(machine, name, options):
    wanted = canvases(name, options, graphs=False)
    assert "replay" not in machine
    assert canvases(name, options, graphs=True) == wanted
    passes = max(one[2] for one in wanted)
    captures, replays = machine.count("capture"), machine.count("replay")
    assert 0 < captures <= 6
    assert replays > passes / 2


def test_what_is_captured_takes_no_effect_before_a_replay(machine):
    x = torch.ones(3, device="cuda")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=torch.cuda.graph_pool_handle()):
        y = x.add_(1) * 2
    assert x.tolist() == [1, 1, 1]
    assert y.isnan().all()
    for wanted in ([4, 4, 4], [6, 6, 6]):
        graph.replay()
        assert y.tolist() == wanted
    for waiting in (lambda: x.tolist(), lambda: x[x > 1], lambda: x.nonzero(), lambda: x.to("cpu")):
        with (
            pytest.raises(RuntimeError, match="not permitted when stream is capturing"),
            torch.cuda.graph(torch.cuda.CUDAGraph(), pool=None),
        ):
            waiting()


def test_states_are_captured_and_errors_explained_without_graphs(machine):
    model = load(str(MODELS / LLADA), dtype="float32", device="cuda", cuda_graphs=True)
    settings = capture_settings(model.family, {"max_new_tokens": 8, "block_length": 8})
    seen = []
    capture_prompts(
        model, [Prompt("p", PROMPTS[0], 0)], settings, 8, lambda _, s: seen.append(s.hidden.sum())
    )
    assert "capture" not in machine
    assert len({float(total) for total in seen}) == 8
    # A weight that overflows after passes were recorded.
    settings = settings_for(model, max_new_tokens=8, block_length=8)
    weight = model.module.model.layers[5].mlp.down_proj.weight

    def damage(step, ids):
        if step == 4:
            weight.fill_(float("inf"))

    with pytest.raises(GoodpartError, match="output of layer 5 is not finite"):
        decode(model, PROMPTS, settings, observe=damage)
    assert "replay" in machine


def test_a_pass_that_waits_for_the_gpu_is_refused(machine):
    model = load(str(MODELS / LLADA), dtype="float32", device="cuda", cuda_graphs=True)
    model.module.model.norm.register_forward_hook(lambda module, inputs, output: print(output.sum().item()))
    with pytest.raises(GoodpartError, match=r"cannot be CUDA graphs .*capturing.*; remove cuda_graphs"):
        decode(model, PROMPTS, settings_for(model, max_new_tokens=8, block_length=8))


def test_graphs_need_a_gpu():
    with pytest.raises(GoodpartError, match="cuda_graphs needs the whole model on one GPU"):
        load(str(MODELS / LLADA), device="cpu", cuda_graphs=True)
