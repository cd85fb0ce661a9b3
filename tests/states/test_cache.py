"""The cache of hidden states, and the rows of its statistics."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodpart.errors import GoodpartError
from goodpart.jobs.parquet import provenance, read_metadata, write_rows
from goodpart.policies.search_objective import cached_canvases
from goodpart.states.cache import CacheWriter, StepStates, read_steps
from goodpart.states.captured_steps import cache_bytes
from goodpart.states.statistics import SCHEMAS, step_tables

RNG = np.random.default_rng(0)
HIDDEN = RNG.normal(size=(2, 4, 6, 8)).astype(np.float32)  # [S, L + 1, T, D]
TOKENS = np.arange(10, 16)
KINDS = np.array([0, 0, 0, 2, 1, 1], np.int8)


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
