"""The cache of hidden states, capturing them, and the two routes to their statistics."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import ROOT, job_command, job_text, run_script
from goodpart.benchmarks import items
from goodpart.decoding.decode import decode
from goodpart.errors import GoodpartError
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import provenance, read_metadata, write_rows
from goodpart.models.loading import load
from goodpart.policies.search_objective import cached_canvases
from goodpart.states import recording
from goodpart.states.cache import CacheWriter, StepStates, read_steps
from goodpart.states.capture import Prompt, capture_prompts, capture_settings
from goodpart.states.captured_steps import MOST_GB, cache_bytes, chosen_steps
from goodpart.states.first_pass import first_pass
from goodpart.states.statistics import SCHEMAS, step_tables
from scripts.prompt_similarities import prompt_rows

RNG = np.random.default_rng(0)
HIDDEN = RNG.normal(size=(2, 4, 6, 8)).astype(np.float32)  # [S, L + 1, T, D]
TOKENS = np.arange(10, 16)
KINDS = np.array([0, 0, 0, 2, 1, 1], np.int8)
MODELS = ROOT / "workflow" / "resources" / "models"


def write(path, hidden=HIDDEN, steps=(0, 7), prompt_id="test/1"):
    with CacheWriter(path, hidden.shape[3], provenance(model="m")) as writer:
        for step, states in zip(steps, hidden, strict=True):
            n = states.shape[1]
            writer.write(StepStates(prompt_id, step, TOKENS[:n], KINDS[:n], states))


@pytest.fixture
def cache(tmp_path):
    write(tmp_path / "p.parquet")
    return tmp_path / "p.parquet"


def test_what_is_written_is_read_back_bit_for_bit(cache):
    steps = 0
    for states, step, hidden in zip(read_steps([cache]), (0, 7), HIDDEN, strict=True):
        assert (states.prompt_id, states.step) == ("test/1", step)
        assert np.array_equal(states.hidden.view(np.uint32), hidden.view(np.uint32))
        assert states.token_ids.tolist() == TOKENS.tolist()
        assert states.kinds.tolist() == KINDS.tolist()
        assert states.mask_ratio == pytest.approx(2 / 3)
        steps += 1
    assert steps == 2
    assert read_metadata(cache)["model"] == "m"


def test_a_step_without_masks_predicts_nothing_of_a_diffusion_model(tmp_path):
    """Where the sampler was done early; of an autoregressive model the tokens are predicted."""
    done = np.array([0, 0, 0, 2, 2, 2], np.int8)
    for name, first, counts in (("diffusion", KINDS, [2]), ("autoregressive", done, [3, 3])):
        with CacheWriter(tmp_path / name, 8, provenance(model="m")) as writer:
            for step, (states, kinds) in enumerate(zip(HIDDEN, (first, done), strict=True)):
                writer.write(StepStates("test/1", step, TOKENS, kinds, states))
        found = cached_canvases(tmp_path / name, "all")
        assert [int(predicted.sum()) for _, predicted in found] == counts


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_any_shape_and_any_bits_survive(tmp_path_factory, steps, depths, positions, width, seed):
    """Infinities, NaNs and denormals too; row groups of a step and of a depth, cut at any place."""
    bits = np.random.default_rng(seed).integers(0, 2**32, (steps, depths, positions, width), dtype=np.uint32)
    path = tmp_path_factory.mktemp("cache") / "p.parquet"
    write(path, bits.view(np.float32), range(steps))
    found = [states.hidden.view(np.uint32).copy() for states in read_steps([path])]
    assert np.array_equal(np.stack(found), bits)


def test_large_depths_are_row_groups_of_their_own(tmp_path):
    hidden = RNG.normal(size=(2, 3, 2, 1 << 17)).astype(np.float32)  # 1 MB a depth
    path = tmp_path / "p.parquet"
    write(path, hidden)
    assert pq.ParquetFile(path).num_row_groups == 6
    assert all(np.array_equal(s.hidden, h) for s, h in zip(read_steps([path]), hidden, strict=True))


def test_a_bfloat16_model_takes_less_than_one_and_a_half_bytes_a_value(tmp_path):
    values = RNG.normal(size=(1, 2, 6, 1 << 17)).astype(np.float32)
    values = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)  # what bfloat16 can hold
    path = tmp_path / "p.parquet"
    write(path, values, (0,))
    assert np.array_equal(next(read_steps([path])).hidden, values[0])
    assert path.stat().st_size < 1.5 * values.size
    assert path.stat().st_size < cache_bytes(1, 1, 6, 1 << 17, "bfloat16")


def test_a_cut_damaged_or_foreign_file_is_refused_by_name(cache, tmp_path):
    data = bytearray(cache.read_bytes())
    cache.write_bytes(data[: len(data) // 2])
    with pytest.raises(GoodpartError, match=r"p\.parquet: not a whole Parquet file"):
        list(read_steps([cache]))
    data[4:400] = b"\0" * 396
    cache.write_bytes(data)
    with pytest.raises(GoodpartError, match=r"p\.parquet: not a whole Parquet file"):
        list(read_steps([cache]))
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(GoodpartError, match=r"other\.parquet: .* did not write"):
        list(read_steps([tmp_path / "other.parquet"]))
    write_rows(tmp_path / "layers.parquet", [], SCHEMAS["layers"], {})
    with pytest.raises(GoodpartError, match=r"layers\.parquet: not a cache of hidden states"):
        list(read_steps([tmp_path / "layers.parquet"]))


def test_a_file_that_lacks_rows_is_refused(cache):
    table = pq.read_table(cache)
    pq.write_table(table.slice(0, len(table) - 1), cache)
    with pytest.raises(GoodpartError, match=r"p\.parquet: step 7 lacks rows"):
        list(read_steps([cache]))


def test_tables_against_a_loop():
    def cos(a, b):
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    found = step_tables(StepStates("test/1", 3, TOKENS, KINDS, HIDDEN[0]))
    assert {name: table.schema for name, table in found.items()} == SCHEMAS
    rows = {name: table.to_pylist() for name, table in found.items()}
    assert [len(rows[name]) for name in SCHEMAS] == [3 * 6, 4 * 5, 4 * 6, 3 * 6]
    for row in rows["layers"]:
        before, after = HIDDEN[0, row["layer"] : row["layer"] + 2, row["position"]]
        assert row["cosine"] == pytest.approx(cos(before, after), abs=1e-6)
        update = np.linalg.norm(after - before) / np.linalg.norm(before)
        assert row["update"] == pytest.approx(update, rel=1e-5)
        assert (row["step"], row["mask_ratio"]) == (3, pytest.approx(2 / 3))
    for row in rows["tokens"]:
        at = HIDDEN[0, row["depth"]]
        assert row["cosine"] == pytest.approx(cos(*at[row["position"] : row["position"] + 2]), abs=1e-6)
        rest = np.delete(at, (at**2).sum(0).argmax(), axis=1)
        wanted = cos(*rest[row["position"] : row["position"] + 2])
        assert row["cosine_without_strongest"] == pytest.approx(wanted, abs=1e-6)
    assert [r["kind"] for r in rows["tokens"][:5]] == ["prompt", "prompt", "boundary", "boundary", "masked"]
    for row in rows["norms"]:
        at = np.linalg.norm(HIDDEN[0, row["depth"]], axis=1)
        assert row["norm"] == pytest.approx(at[row["position"]], rel=1e-6)
        assert row["largest"] == (row["position"] == at.argmax())
        assert row["token_id"] == TOKENS[row["position"]]
    for row in rows["pairs"]:
        kind = ["prompt", "masked", "decoded"].index(row["kind"])
        members = np.flatnonzero(kind == KINDS)
        each = [cos(HIDDEN[0, row["first"], i], HIDDEN[0, row["second"], i]) for i in members]
        assert row["first"] < row["second"]
        assert row["positions"] == len(members)
        assert row["cosine"] == pytest.approx(np.mean(each), abs=1e-6)
        assert row["angular"] == pytest.approx(np.mean(np.arccos(each)) / np.pi, abs=1e-6)


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
    entry |= {"chat": False, "layers": 28}
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
