"""Latency: turns, the points of the quality-latency study, and mistakes in its configuration."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import yaml

from conftest import ROOT
from goodpart import config as settings_of
from goodpart.errors import GoodpartError
from goodpart.evaluation.quality_latency import points
from scripts import latency


@pytest.fixture
def turns(monkeypatch):
    """A clock that every decode moves on: by 26 seconds with layers skipped, by 32 without."""
    seen, clock, state = [], [0.0], {"layers": ()}

    @contextmanager
    def skipping(model, layers):
        state["layers"] = tuple(layers)
        yield

    def decode(model, prompts, settings):
        seen.append((settings, state["layers"]))
        clock[0] += 32 - len(state["layers"])
        return [SimpleNamespace(forward_passes=16)] * len(prompts)

    monkeypatch.setattr(latency, "skipping", skipping)
    monkeypatch.setattr(latency, "decode", decode)
    monkeypatch.setattr(latency.time, "perf_counter", lambda: clock[0])
    return seen


def test_full_depth_and_skipped_take_turns_and_the_first_round_is_not_timed(turns):
    model = SimpleNamespace(device=SimpleNamespace(type="cpu"))
    runs = [({"decode": name}, [[1, 2]], name) for name in ("a", "b")]
    rows = latency.in_turns(model, runs, [1, 3, 5, 7, 9, 11], repeats=3)
    assert len(turns) == 2 * 2 * 4
    assert len(rows) == 2 * 2 * 3
    assert {(row["layers_skipped"], row["seconds"]) for row in rows} == {(0, 32), (6, 26)}
    assert {row["repeat"] for row in rows} == {0, 1, 2}
    # Every run has both depths side by side, and each comes first in turn.
    depths = [len(layers) for _, layers in turns]
    pairs = list(zip(depths[::2], depths[1::2], strict=True))
    assert pairs == [(0, 6)] * 2 + [(6, 0)] * 2 + [(0, 6)] * 2 + [(6, 0)] * 2
    assert [name for name, _ in turns[::2]] == ["a", "b"] * 4


def timing(**values):
    row = {"model": "m", "decode": "t16", "steps": 16, "blocks": 1, "cache": "none", "policy": "similarity",
           "asked_k": 6, "layers_skipped": 0, "batch_size": 2, "new_tokens": 32, "repeat": 0, "seconds": 4.0,
           "forward_passes": 16}  # fmt: skip
    return row | values


def quality(**values):
    row = {"model": "m", "decode": "t16", "asked_k": 0, "n": 8, "accuracy": 0.75, "retention": 100.0,
           "low": 100.0, "high": 100.0, "status": "scored"}  # fmt: skip
    return row | values


def test_points_join_times_and_quality():
    timings = [timing(repeat=i, seconds=4.0 + i) for i in range(3)]
    timings += [timing(repeat=i, seconds=3.0, layers_skipped=5) for i in range(3)]
    timings += [timing(repeat=i, seconds=2.5, cache="prefix", decode="t16-prefix") for i in range(3)]
    cells = [quality(), quality(asked_k=6, accuracy=0.5, retention=66.7), quality(decode="t32", accuracy=0.1)]
    full, short, cached = points(timings, cells, 0.95)
    assert full.seconds == (4.5, 5.0, 5.5)
    assert full.tokens_per_second == 2 * 32 / 5
    assert full.speed_up.value == 1
    assert (short.accuracy, short.retention, short.layers_skipped) == (0.5, 66.7, 5)  # asked 6, got 5
    assert short.speed_up.value == pytest.approx(5 / 3)
    assert (cached.accuracy, cached.status) == (None, "not run")
    assert cached.speed_up.value == 2


def test_without_full_depth_there_is_no_speed_up():
    [alone] = points([timing(layers_skipped=6)], [], 0.95)
    assert alone.speed_up is None


CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"models": ["llada"]}, "latency.models: 'llada' is unknown"),
        ({"benchmark": "gsm"}, "latency.benchmark: 'gsm' is unknown"),
        ({"decodes": ["t64"]}, "latency.decodes: 't64' is unknown"),
        ({"policy": "similar"}, "latency.policy: 'similar' is unknown"),
        ({"policy": "per_prompt"}, "latency.policy: the sets of 'per_prompt' change"),
        ({"layers_skipped": {"dream-tiny-base": 2}}, "layers_skipped: llada-tiny-instruct has no number"),
        ({"models": ["qwen2.5-tiny"], "layers_skipped": {"qwen2.5-tiny": 2}}, "t16: says nothing of qwen2"),
        ({"layers_skipped": {"llada-tiny-instruct": 20, "dream-tiny-base": 2}}, "20 is more than 32 layers"),
        ({"repeats": 1}, "latency.repeats"),
    ],
)
def test_mistakes_are_named(changes, said):
    config = {**CONFIG, "latency": {**CONFIG["latency"], **changes}}
    with pytest.raises(GoodpartError) as caught:
        settings_of.check(config, ROOT)
    assert said in str(caught.value)


def test_a_preset_that_does_not_fit_is_named():
    t16 = {"llada": {"max_new_tokens": 32, "block_length": 16, "steps": 15}, "dream": {"steps": 16}}
    config = {**CONFIG, "decodes": {**CONFIG["decodes"], "t16": t16}}
    with pytest.raises(GoodpartError, match=r"decodes\.t16\.llada with benchmarks\.tiny-gsm8k-64: steps 15"):
        settings_of.check(config, ROOT)


def test_the_study_takes_the_models_of_the_run():
    config = {**CONFIG, "run": {**CONFIG["run"], "models": ["qwen2.5-tiny", "dream-tiny-base"]}}
    assert settings_of.check(config, ROOT).latency_models == ["dream-tiny-base"]
