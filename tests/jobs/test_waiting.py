"""On a GPU, no step inside a block waits for the device; what is decoded is the same."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.samplers import common
from goodpart.models.loading import load

PARITY = Path(__file__).parents[1] / "data" / "parity"
PROMPTS = [[5, 9, 30, 77, 12, 401, 8], [44, 3, 210], [17, 60, 61, 62, 63, 5, 4, 3, 2]]
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal", "is_nonzero")


class Waits(TorchDispatchMode):
    """The operations that read a tensor from the host, or whose result's size only its values tell."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.found = []
        plain = torch.Tensor.tolist

        def tolist(tensor):
            self.found.append("tolist")
            return plain(tensor)

        monkeypatch.setattr(torch.Tensor, "tolist", tolist)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        indices = args[1] if name in ("index", "index_put", "index_put_") else ()
        by_mask = any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in indices)
        if name.startswith(WAITING) or by_mask:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("cache", ["none", "prefix", "dual"])
@pytest.mark.parametrize("temperature", [0.0, 0.7])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("llada-gqa", {"remasking": "low_confidence"}),
        ("llada-mha", {"remasking": "random"}),
        ("dream", {"alg": "entropy", "top_p": 0.9}),
        ("dream", {"alg": "maskgit_plus", "alg_temp": 0.5, "top_k": 20}),
        ("dream", {"alg": "origin"}),
    ],
)
def test_no_step_inside_a_block_waits(monkeypatch, name, options, cache, temperature):
    model = load(str(PARITY / name), dtype="float32", device="cpu")
    settings = settings_for(
        model, max_new_tokens=16, block_length=8, temperature=temperature, cache=cache, **options
    )
    decode(model, PROMPTS, settings)  # what is set up once does not count
    monkeypatch.setattr(common, "synchronises_each_step", lambda device: False)
    waits, marks = Waits(monkeypatch), []
    with waits:
        decode(model, PROMPTS, settings, observe=lambda step, ids: marks.append((step, len(waits.found))))
    inside = [waits.found[a:b] for (s, a), (t, b) in pairwise(marks) if t // 8 == s // 8]
    assert len(inside) >= 7
    assert inside == [[]] * len(inside)


def test_the_operations_that_wait_are_seen(monkeypatch):
    waits = Waits(monkeypatch)
    x = torch.arange(3)
    with waits:
        _ = x[x > 1], bool(x[0]), x.tolist(), (x > 0).nonzero()
    assert waits.found == ["index", "_local_scalar_dense", "tolist", "nonzero"]


class Shapes(TorchDispatchMode):
    """Records every operation and the shapes of its results, in order."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        given = made if isinstance(made, (tuple, list)) else [made]
        self.found.append((func.name(), [tuple(t.shape) for t in given if torch.is_tensor(t)]))
        return made


@pytest.mark.parametrize("cache", ["none", "prefix", "dual"])
@pytest.mark.parametrize(
    ("name", "options"), [("llada-gqa", {}), ("llada-mha", {"remasking": "random"}), ("dream", {})]
)
def test_shapes_are_constant_inside_a_block(monkeypatch, name, options, cache):
    """All steps of a block run the same operations on the same shapes, as a captured CUDA graph needs.

    Left out are a block's first step, which fills its cache, and its last, which looks at the canvas.
    """
    model = load(str(PARITY / name), dtype="float32", device="cpu")
    settings = settings_for(model, max_new_tokens=16, block_length=8, cache=cache, **options)
    monkeypatch.setattr(common, "synchronises_each_step", lambda device: False)
    shapes, marks = Shapes(), []
    with shapes:
        decode(model, PROMPTS, settings, observe=lambda step, ids: marks.append(len(shapes.found)))
    steps = [shapes.found[a:b] for a, b in pairwise(marks)]  # from the middle of a step to that of the next
    for block in (steps[1:6], steps[9:14]):
        assert len(block) == 5
        assert all(step == block[0] for step in block)


BLOCKS = {"block_length": 8}
WHOLE = {"block_length": None, "alg": "topk_margin"}


@pytest.mark.parametrize(
    ("name", "options", "cache"),
    [(name, BLOCKS, c) for name in ("llada-gqa", "dream") for c in ("none", "prefix", "dual")]
    + [("dream", WHOLE, "none")],
)
def test_not_waiting_changes_no_token(monkeypatch, name, options, cache):
    model = load(str(PARITY / name), dtype="float32", device="cpu")
    rng = torch.Generator().manual_seed(2)
    prompts = torch.randint(0, 400, (12, 6), generator=rng).tolist()
    settings = settings_for(model, max_new_tokens=48, cache=cache, **options)
    waiting = decode(model, prompts, settings)
    monkeypatch.setattr(common, "synchronises_each_step", lambda device: False)
    free = decode(model, prompts, settings)
    assert [row.token_ids for row in free] == [row.token_ids for row in waiting]
    assert sum(row.forward_passes for row in free) >= sum(row.forward_passes for row in waiting)
