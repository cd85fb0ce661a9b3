"""What `capture` selects, how much it will store, and what is refused before any job."""

import copy

import pytest
import yaml

from conftest import ROOT
from goodpart.config import capture as capture_config
from goodpart.config import check
from goodpart.config.catalogue import Model
from goodpart.errors import GoodpartError
from goodpart.states.cache import CacheWriter
from goodpart.states.captured_steps import cache_bytes

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


def checked(**capture):
    config = copy.deepcopy(CONFIG)
    config["capture"] |= capture
    return check(config, ROOT)


def size_of(config):
    return capture_config.gigabytes(check(copy.deepcopy(config), ROOT), ROOT)


def test_the_size_follows_from_the_configuration_alone():
    """One model, one window, one prompt a benchmark: steps x depths x positions x width x bytes."""
    config = copy.deepcopy(CONFIG)
    config["run"]["models"] = ["qwen2.5-tiny"]
    config["capture"] |= {"stored": 1, "prompts": 8, "windows": {"limited": "default"}}
    rows = 1 * 29 * (100 + 24) + 1 * 29 * (100 + 32)
    assert size_of(config) == pytest.approx((4 * 64 + 32) * rows / 1e9)
    config["models"]["qwen2.5-tiny"]["dtype"] = "bfloat16"
    assert size_of(config) == pytest.approx((1.5 * 64 + 32) * rows / 1e9)
    config["run"]["models"] = ["llada-tiny-instruct"]
    five = 5 * 33 * (100 + 24) + 5 * 33 * (100 + 32)
    assert size_of(config) == pytest.approx((4 * 64 + 32) * five / 1e9)
    config["capture"]["steps"] = "all"
    every = 24 * 33 * (100 + 24) + 32 * 33 * (100 + 32)
    assert size_of(config) == pytest.approx((4 * 64 + 32) * every / 1e9)


def test_a_hub_model_says_its_width():
    other = {"family": "qwen2", "layers": 2, "layers_skipped": [0]}
    for place, width in (
        ({"hub": "a/b", "width": 3584}, 3584),
        ({"hub": "a/b"}, capture_config.UNKNOWN_WIDTH),
        ({"path": CONFIG["models"]["llada-tiny-instruct"]["path"]}, 64),
    ):
        assert capture_config.width(Model(**other, **place), ROOT) == width


def test_more_than_the_bound_is_refused_with_the_fix():
    with pytest.raises(GoodpartError, match=r"capture\.max_gb: .* would take 0\.5 GB, more than 0\.1"):
        checked(max_gb=0.1)
    checked(max_gb=0.1, stored=1)  # statistics of all prompts all the same


def test_what_is_only_redrawn_is_not_measured():
    config = copy.deepcopy(CONFIG) | {"redraw": True}
    config["capture"]["max_gb"] = 0.1
    check(config, ROOT)


def test_windows_are_presets_that_exist_and_fit():
    assert checked().windows == {"limited": "first8", "full": "default"}
    with pytest.raises(GoodpartError, match=r"capture\.windows\.limited: 'first9' is not in decodes"):
        checked(windows={"limited": "first9"})
    config = copy.deepcopy(CONFIG)
    config["decodes"]["first8"]["llada"]["block_length"] = 3
    with pytest.raises(GoodpartError, match=r"decodes\.first8\.llada with benchmarks\.tiny-gsm8k"):
        check(config, ROOT)


def test_steps_may_be_all_a_count_or_a_list_but_nothing_else():
    for steps in ("all", 3, [0, 5]):
        checked(steps=steps)
    for steps in ("some", 0, []):
        with pytest.raises(GoodpartError, match=r"capture\.steps"):
            checked(steps=steps)
    with pytest.raises(GoodpartError, match=r"capture\.steps: none of \[99\]"):
        checked(steps=[99])


def test_the_estimate_is_a_bound_of_what_is_written(tmp_path):
    import numpy as np

    from goodpart.states.cache import StepStates

    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(5, 300, 64)).astype(np.float32)
    for dtype, mask in (("float32", 0xFFFFFFFF), ("float16", 0xFFFFE000), ("bfloat16", 0xFFFF0000)):
        values = (hidden.view(np.uint32) & mask).view(np.float32)
        with CacheWriter(tmp_path / "p.parquet", 64, {}) as writer:
            for step in range(3):
                writer.write(StepStates("p", step, np.arange(300), np.zeros(300, np.int8), values))
        assert (tmp_path / "p.parquet").stat().st_size < cache_bytes(3, 4, 300, 64, dtype), dtype
