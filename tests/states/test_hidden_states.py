"""Capturing hidden states, and the two routes to their statistics."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import polars
import pytest

from conftest import ROOT, job_command, job_text, run_script
from goodpart.benchmarks import items
from goodpart.decoding.decode import decode
from goodpart.errors import GoodpartError
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import write_rows
from goodpart.models.loading import load
from goodpart.states import recording
from goodpart.states.cache import StepStates, read_steps
from goodpart.states.capture import Prompt, capture_prompts, capture_settings
from goodpart.states.captured_steps import MOST_GB, chosen_steps
from goodpart.states.first_pass import first_pass
from goodpart.states.statistics import SCHEMAS, step_tables
from scripts.prompt_similarities import prompt_rows

MODELS = ROOT / "workflow" / "resources" / "models"


def test_steps():
    assert chosen_steps([40, 3, 0], 32) == [0, 3]
    assert chosen_steps(5, 32) == [0, 8, 16, 23, 31]
    assert chosen_steps(1, 32) == [0]
    assert chosen_steps(100, 3) == chosen_steps("all", 3) == [0, 1, 2]
    with pytest.raises(GoodpartError, match=r"capture\.steps: none of \[40\] is among the 32"):
        chosen_steps([40], 32)


@pytest.mark.parametrize("name", ["llada-tiny-instruct", "dream-tiny-base", "qwen2.5-tiny"])
def test_captured_states_are_those_of_the_decoding_and_change_no_token(name):
    """A step's states are those of a plain forward pass over its canvas; the canvases are the decode's."""
    import torch

    model = load(str(MODELS / name))
    prompt = list(range(10, 22))
    arguments = {"max_new_tokens": 8} | ({"block_length": 8} if name.startswith("llada") else {})
    chosen = capture_settings(model.family, arguments)
    plain = []
    [made] = decode(
        model, [prompt], chosen, seeds=[5], observe=lambda step, ids: plain.append(ids[0].tolist())
    )
    taken = []
    capture_prompts(
        model,
        [Prompt("p", prompt, 5)],
        chosen,
        "all",
        lambda _, s: taken.append((s, s.hidden.copy())),
    )
    if model.tokens.mask is None:
        plain = [prompt + made.token_ids]
    assert [states.step for states, _ in taken] == list(range(len(plain)))
    for (states, hidden), canvas in zip(taken, plain, strict=True):
        assert states.token_ids.tolist() == canvas
        with torch.inference_mode():
            out = model.module.model(
                input_ids=torch.tensor([canvas]), output_hidden_states=True, use_cache=False
            )
        for depth in range(model.layers):  # the last one is normed there
            assert np.array_equal(hidden[depth], out.hidden_states[depth][0].numpy())
        normed = model.module.model.norm(torch.from_numpy(hidden[-1]))
        assert torch.equal(normed, out.last_hidden_state[0])
        masked = states.kinds[12:] == 1
        assert masked.tolist() == [token == model.tokens.mask for token in canvas[12:]]
        assert set(states.kinds[:12]) == {0}


@pytest.mark.parametrize("name", ["llada-tiny-instruct", "dream-tiny-base", "qwen2.5-tiny"])
def test_a_batch_is_captured_as_its_prompts_are_alone(name):
    """Prompts of other lengths beside a prompt change none of its tokens and, but for rounding, no state."""
    model = load(str(MODELS / name))
    prompts = [Prompt(str(i), list(range(10, 10 + length)), i) for i, length in enumerate((12, 5, 12, 9))]
    arguments = {"max_new_tokens": 8} | ({"block_length": 8} if name.startswith("llada") else {})
    chosen = capture_settings(model.family, arguments)

    def captured(batch):
        found = [[] for _ in batch]
        capture_prompts(model, batch, chosen, 3, lambda row, s: found[row].append((s, s.hidden.copy())))
        return found

    for prompt, steps in zip(prompts, captured(prompts), strict=True):
        [alone] = captured([prompt])
        assert len(steps) == len(alone) == (1 if model.tokens.mask is None else 3)
        for (states, hidden), (one, wanted) in zip(steps, alone, strict=True):
            assert (states.prompt_id, states.step) == (prompt.id, one.step)
            assert states.token_ids.tolist() == one.token_ids.tolist()
            assert states.kinds.tolist() == one.kinds.tolist()
            assert np.allclose(hidden, wanted, rtol=1e-4, atol=1e-3)


def test_capturing_ignores_a_cache_that_would_leave_positions_out():
    model = load(str(MODELS / "llada-tiny-instruct"))
    arguments = {"max_new_tokens": 8, "block_length": 4, "cache": "prefix"}
    taken = []
    chosen = capture_settings(model.family, arguments)
    capture_prompts(
        model, [Prompt("p", [5, 6, 7], 0)], chosen, "all", lambda _, s: taken.append(s.hidden.shape)
    )
    assert taken == [(33, 11, 64)] * 8


PROMPTS = 6


def command(rule, folder, first, last, *, tokens=8, **more):
    """The arguments of a capturing job: its command and standard input."""
    entry = {"name": str(MODELS / "dream-tiny-base"), "revision": None, "dtype": None, "device": None}
    entry |= {"chat": False, "layers": 28, "cuda_graphs": False}
    text = job_text(
        folder / rule,
        inputs={"item_files": [folder / "items.parquet"]},
        wildcards={"model": "a-model"},
        **{"model": entry, "settings": [{"max_new_tokens": tokens}], "steps": 3, "seed": 0, **more},
        **{"first": first, "last": last, "batch_size": 2},
    )
    return {"args": job_command(rule), "input": text, "text": True}


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capture")
    rows = [
        {"item_id": f"x/{i}", "benchmark": "b", "split": "calibration", "prompt": f"Ann has {i} apples."}
        for i in range(PROMPTS)
    ]
    write_rows(folder / "items.parquet", rows, items.SCHEMA, {})
    return folder


def contents(folder):
    """Name -> bytes of every file in a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def statistics(folder, name, streamed=()):
    outputs = [folder / name / f"{statistic}.parquet" for statistic in SCHEMAS]
    inputs = {"hidden_states": folder / "hidden_states", "streamed": streamed}
    run_script("statistics", outputs, inputs=inputs, wildcards={"model": "a-model", "benchmark": "b"})
    return {path.stem: polars.read_parquet(path) for path in outputs}


def test_both_routes_give_the_same_statistics(prompts):
    """From the cache, streamed, and half of each; equal to 1e-6, norms relative."""
    subprocess.run(**command("hidden_states", prompts, 0, PROMPTS), check=True)
    cached = statistics(prompts, "cached")
    stored = prompts / "hidden_states"
    for extra in sorted(stored.iterdir())[2:]:
        extra.unlink()
    subprocess.run(**command("streamed_statistics", prompts, 2, PROMPTS), check=True)
    both = statistics(prompts, "both", prompts / "streamed_statistics")
    for table in (*cached.values(), *both.values()):  # in every row, as completions name it
        assert set(table["model"]) == {"a-model"}
        assert set(table["benchmark"]) == {"b"}
        assert table["item_id"].cast(str).to_list() == table["prompt_id"].to_list()
    assert set(cached["layers"]["prompt_id"]) == {f"x/{i}" for i in range(PROMPTS)}
    for name, wanted in cached.items():
        found = both[name]
        order = [column for column in wanted.columns if wanted[column].dtype not in (polars.Float32,)]
        wanted, found = wanted.sort(order), found.sort(order)
        assert wanted.select(order).equals(found.select(order))
        for column in set(wanted.columns) - set(order):
            a, b = wanted[column].to_numpy(), found[column].to_numpy()
            assert np.isfinite(a).all()
            scale = np.abs(a) if column == "norm" else 1
            assert (np.abs(a - b) <= 1e-6 * scale).all(), (name, column)


def test_too_much_is_refused_before_anything_is_decoded(prompts, tmp_path):
    (tmp_path / "items.parquet").write_bytes((prompts / "items.parquet").read_bytes())
    refused = command("hidden_states", tmp_path, 0, PROMPTS)
    refused["env"] = {**os.environ, MOST_GB: "1e-4"}
    refused["args"] += ["--log", str(tmp_path / "log")]
    assert subprocess.run(**refused, check=False).returncode == 1
    assert "more than capture.max_gb" in (tmp_path / "log").read_text()
    assert not list(tmp_path.glob(".hidden_states.parts/*.parquet"))


def test_two_items_of_one_file_name_are_refused(tmp_path):
    """One would silently replace the other."""
    rows = [{"item_id": i, "benchmark": "b", "split": "calibration", "prompt": "x"} for i in ("A/b", "a-b")]
    write_rows(tmp_path / "items.parquet", rows, items.SCHEMA, {})
    run = subprocess.run(**command("hidden_states", tmp_path, 0, 2), cwd=ROOT, capture_output=True)
    assert run.returncode == 1
    assert "the items 'A/b' and 'a-b' give the same file name" in run.stderr


@pytest.mark.parametrize("rule", ["hidden_states", "streamed_statistics"])
def test_a_killed_capture_leaves_no_half_file_and_resumes(prompts, tmp_path, rule):
    """Killed after its second prompt; the second run keeps what was finished, byte for byte."""
    (tmp_path / "items.parquet").write_bytes((prompts / "items.parquet").read_bytes())
    start = command(rule, tmp_path, 0, PROMPTS, tokens=64)
    parts = tmp_path / f".{rule}.parts"
    job = subprocess.Popen(start["args"], stdin=subprocess.PIPE, text=True)
    job.stdin.write(start["input"])
    job.stdin.close()
    while job.poll() is None and len(list(parts.glob("[!.]*"))) < 2:
        time.sleep(0.005)
    os.kill(job.pid, signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    finished = {path.name: path.stat().st_mtime_ns for path in parts.glob("[!.]*")}
    assert 2 <= len(finished) < PROMPTS
    for path in parts.glob("[!.]*"):
        if rule == "hidden_states":
            assert len(list(read_steps([path]))) == 3
        else:
            assert polars.read_parquet(path / "pairs.parquet")["step"].n_unique() == 3
    assert not (tmp_path / rule).exists()
    damaged = parts / min(finished)
    broken = damaged if damaged.is_file() else damaged / "pairs.parquet"
    broken.write_bytes(broken.read_bytes()[:100])
    done = subprocess.run(**start, capture_output=True, check=True)
    assert f"{len(finished) - 1} of {PROMPTS} prompts are finished already" in done.stderr
    made = {path.name: path.stat().st_mtime_ns for path in (tmp_path / rule).iterdir()}
    assert len(made) == PROMPTS
    kept = set(finished) - {damaged.name}
    assert {name: made[name] for name in kept} == {name: finished[name] for name in kept}
    assert not parts.exists()


@pytest.mark.parametrize("rule", ["hidden_states", "streamed_statistics"])
def test_what_was_captured_is_not_captured_again(prompts, tmp_path, rule, monkeypatch):
    """A capture that runs again loads no weights for prompts that it would capture in the same way."""
    (tmp_path / "items.parquet").write_bytes((prompts / "items.parquet").read_bytes())
    subprocess.run(**command(rule, tmp_path, 0, 4), check=True)
    made = contents(tmp_path / rule)
    shutil.rmtree(tmp_path / rule)
    [*kept] = tmp_path.glob(".*.kept")
    assert [folder.name for folder in kept] == [f".{rule}.kept"]
    assert not list(kept[0].rglob("*.parquet"))  # no pattern of a reader finds them

    def captured(*places, first=0, last=4, tokens=8):
        """Run it in this process; the batches that are captured, by the numbers of their prompts."""
        loaded = []

        def make(opened, batch):
            loaded.extend(capture.prompt.id for capture in batch)
            whole(opened, batch)

        with monkeypatch.context() as patch:
            whole = recording._make
            patch.setattr(recording, "_make", make)
            if not places:
                patch.setattr(recording, "load_entry", None)  # a call would fail
            files, told = map(
                json.loads, command(rule, tmp_path, first, last, tokens=tokens)["input"].split("\n")
            )
            importlib.import_module(f"scripts.{rule}").main(Job.of(rule, 1, files, told))
        assert loaded == list(places)
        return contents(tmp_path / rule)

    assert captured() == made
    shutil.rmtree(tmp_path / rule)
    fewer = captured(last=2)
    assert fewer.items() < made.items()
    shutil.rmtree(tmp_path / rule)
    assert captured("x/2", "x/3").keys() == made.keys()
    [file, *_] = sorted(file for file in (tmp_path / rule).rglob("*") if file.is_file())
    file.write_bytes(file.read_bytes()[:-200] + bytes(200))  # the link is damaged with it
    shutil.rmtree(tmp_path / rule)
    assert captured("x/0").keys() == made.keys()
    shutil.rmtree(tmp_path / rule)
    captured("x/0", "x/1", "x/2", "x/3", tokens=12)


@pytest.mark.parametrize("name", ["llada-tiny-instruct", "dream-tiny-base", "qwen2.5-tiny"])
def test_calibration_measures_the_states_of_step_0(name):
    """One padded batch without decoding gives what capturing each prompt's decoding gives at step 0."""
    model = load(str(MODELS / name))
    prompts = [[5, 9, 30, 77, 12], [44, 3, 210, 8, 8, 41, 60, 9], [17, 60]]
    arguments = {"max_new_tokens": 16} | ({"block_length": 8} if "llada" in name else {})
    settings = capture_settings(model.family, arguments)
    batch = first_pass(model, prompts, settings.max_new_tokens)
    for row, prompt in enumerate(prompts):
        captured = []
        capture_prompts(
            model,
            [Prompt("p", prompt, 0)],
            settings,
            [0],
            lambda _, s, to=captured: to.append(s.hidden.copy()),
        )
        at = batch.positions["prompt"][row]
        states = np.stack([state[row][at].float().numpy() for state in batch.states])
        assert np.allclose(states, captured[0][:, : len(prompt)], rtol=1e-4, atol=1e-3)
        rows = list(prompt_rows({"benchmark": "b", "item_id": "p"}, batch, row))
        table = step_tables(
            StepStates("p", 0, *([np.zeros(len(prompt), np.int8)] * 2), captured[0][:, : len(prompt)])
        )
        kept = table["layers"].to_pandas().groupby("layer")["cosine"].mean()
        mine = [r["cosine"] for r in rows if r["kind"] == "prompt"]
        assert np.allclose(mine, kept, atol=1e-5)
