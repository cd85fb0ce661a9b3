"""Floating-point operations: the paper's models by hand, and torch's own count of real decodes."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.jobs.files import read_json
from goodpart.models.flops import Shape, decode_flops, passes, reduction
from goodpart.models.loading import load
from goodpart.models.skipping import skipping

LLADA = {
    "model_type": "llada",
    "d_model": 4096,
    "n_layers": 32,
    "n_heads": 32,
    "n_kv_heads": 32,
    "mlp_hidden_size": 12288,
    "embedding_size": 126464,
    "vocab_size": 126464,
}
QWEN = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18944,
    "vocab_size": 152064,
}


@pytest.mark.parametrize(
    ("raw", "head", "expected"),
    [
        (LLADA, None, [5.83, 11.65, 17.48, 23.30]),
        (LLADA, 32, [6.22, 12.44, 18.67, 24.89]),
        (QWEN, None, [6.60, 13.20, 19.80, 26.40]),
        ({**QWEN, "model_type": "Dream"}, None, [6.60, 13.20, 19.80, 26.40]),
    ],
)
def test_the_papers_models_at_512_tokens(raw, head, expected):
    shape = Shape.of(raw)
    assert [round(shape.step_reduction(k, 512, head), 2) for k in (2, 4, 6, 8)] == expected
    weights = {"llada": (218.1, 518.0)}.get(raw["model_type"], (233.0, 545.0))
    found = (shape.layer(1, 0) / 2e6, shape.head(1) / 2e6)
    assert tuple(round(x, 1) for x in found) == weights


def test_a_config_alone_is_enough(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLADA))
    command = [
        sys.executable,
        "-m",
        "goodpart_tools",
        "flops",
        tmp_path / "config.json",
        "--skip",
        "6",
        "--tokens",
    ]
    out = subprocess.run([*command, "512"], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[1].split() == ["6", "18.75", "17.48"]
    (tmp_path / "config.json").write_text('{"model_type": "llada"}')
    failed = subprocess.run([*command, "512"], capture_output=True, text=True, check=False)
    assert "config.json: the key 'd_model' is missing" in failed.stderr


def counter():
    """torch's counter; it knows what attention and the head cost, but not their kernels on a CPU."""

    def attention(query, key, value, *_, out_shape=None, **__):
        return sdpa_flop_count(query, key, value)

    def head(hidden, weight, *_, out_shape=None, **__):
        return 2 * math.prod(hidden) * weight[0]

    kernels = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention,
        torch.ops.mkldnn._linear_pointwise: head,
    }
    return FlopCounterMode(display=False, custom_mapping=kernels)


PREFIX, DUAL = {"cache": "prefix"}, {"cache": "dual"}
CASES = {
    "llada": ("llada-tiny-instruct", {"max_new_tokens": 16, "block_length": 8}),
    "llada in fewer steps": ("llada-tiny-instruct", {"max_new_tokens": 16, "block_length": 8, "steps": 6}),
    "llada, prefix cache": ("llada-tiny-instruct", {"max_new_tokens": 16, "block_length": 8} | PREFIX),
    "llada, dual cache": ("llada-tiny-instruct", {"max_new_tokens": 16, "block_length": 8} | DUAL),
    "llada, guided": ("llada-tiny-instruct", {"max_new_tokens": 8, "block_length": 8, "cfg_scale": 1.0}),
    "dream": ("dream-tiny-base", {"max_new_tokens": 12}),
    "dream in fewer steps": ("dream-tiny-base", {"max_new_tokens": 12, "steps": 5}),
    "dream in blocks": ("dream-tiny-base", {"max_new_tokens": 16, "block_length": 8}),
    "dream, prefix cache": ("dream-tiny-base", {"max_new_tokens": 16, "block_length": 8} | PREFIX),
    "dream, dual cache": ("dream-tiny-base", {"max_new_tokens": 16, "block_length": 8} | DUAL),
    "qwen2": ("qwen2.5-tiny", {"max_new_tokens": 6}),
}


@pytest.mark.parametrize("case", CASES)
def test_torch_counts_the_same(case):
    name, arguments = CASES[case]
    model = load(str(ROOT / "workflow" / "resources" / "models" / name), device="cpu")
    prompt = list(range(5, 16))
    settings = settings_for(model, **arguments, stop_early=False)
    shape = Shape.of_module(model.module.config)
    assert shape == Shape.of(read_json(ROOT / "workflow" / "resources" / "models" / name / "config.json"))
    counted = []
    for layers in ([], [3, 7, 9]):
        with skipping(model, layers), counter() as count:
            [made] = decode(model, [prompt], settings)
        at = passes(model.family, arguments, len(prompt), made.forward_passes)
        assert count.get_total_flops() == decode_flops(shape, at, len(layers))
        counted.append(decode_flops(shape, at, len(layers)))
    if model.family != "qwen2":  # which may stop earlier without the layers
        assert reduction(shape, [(at, 3)]) == pytest.approx(100 * (1 - counted[1] / counted[0]))


def test_layers_by_step_cost_what_they_cost_one_by_one():
    shape = Shape.of(LLADA)
    at = passes("llada", {"max_new_tokens": 64, "block_length": 32}, 100, 64)
    counts = np.arange(64) % 3
    parts = sum(
        decode_flops(shape, type(at)(*(x[s : s + 1] for x in (at.fed, at.keys, at.head))), int(counts[s]))
        for s in range(64)
    )
    assert decode_flops(shape, at, counts) == parts


def test_a_cache_leaves_the_head_a_larger_share():
    """So that skipping layers saves less of a pass: the true figure falls under the paper's k / L."""
    shape = Shape.of(LLADA)
    arguments = {"max_new_tokens": 512, "block_length": 32}
    found = [
        reduction(shape, [(passes("llada", {**arguments, "cache": c}, 128, 512), 6)])
        for c in ("none", "prefix", "dual")
    ]
    assert 18.75 > found[0] > found[1] > found[2] > 17
    assert np.isnan(reduction(shape, []))
