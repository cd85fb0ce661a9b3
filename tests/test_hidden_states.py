"""The cache of hidden states, and the statistics from it."""

import numpy as np
import pytest

from goodpart.errors import GoodpartError
from goodpart.hidden_cache import CacheWriter, read_states
from goodpart.parquet import read_metadata
from goodpart.rules.hidden_states import chosen_steps
from goodpart.rules.statistics import statistics

RNG = np.random.default_rng(0)
HIDDEN = RNG.normal(size=(2, 4, 5, 8)).astype(np.float32)  # [S, L + 1, T, D]
TOKENS = np.arange(10, 15)
KINDS = np.array([0, 0, 0, 1, 2])


@pytest.fixture
def cache(tmp_path):
    path = tmp_path / "p.parquet"
    with CacheWriter(path, "test/1", 8, {"model": "m"}) as writer:
        for step in (0, 7):
            writer.step(step, TOKENS, KINDS, HIDDEN[step // 7])
    return path


def test_what_is_written_is_read_back_bit_for_bit(cache):
    states = list(read_states(cache))
    assert [(s.step, s.depth) for s in states] == [(step, d) for step in (0, 7) for d in range(4)]
    for s in states:
        assert np.array_equal(s.hidden, HIDDEN[s.step // 7, s.depth])
        assert s.token_ids.tolist() == TOKENS.tolist()
        assert s.kinds.tolist() == ["prompt"] * 3 + ["masked", "decoded"]
        assert s.prompt_id == "test/1"
    assert read_metadata(cache) == {"model": "m"}


def test_large_depths_are_row_groups_of_their_own(tmp_path):
    import pyarrow.parquet as pq

    hidden = RNG.normal(size=(3, 2, 1 << 17)).astype(np.float32)  # 1 MB a depth
    path = tmp_path / "p.parquet"
    with CacheWriter(path, "x", hidden.shape[2], {}) as writer:
        writer.step(0, np.zeros(2), np.zeros(2, int), hidden)
    assert pq.ParquetFile(path).num_row_groups == 3
    assert [s.depth for s in read_states(path)] == [0, 1, 2]
    assert np.array_equal(np.stack([s.hidden for s in read_states(path)]), hidden)


def test_a_cut_or_foreign_file_is_refused_by_name(cache, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = cache.read_bytes()
    cache.write_bytes(data[: len(data) // 2])
    with pytest.raises(GoodpartError, match=r"p\.parquet: not a whole Parquet file"):
        list(read_states(cache))
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(GoodpartError, match=r"other\.parquet: .* did not write"):
        list(read_states(tmp_path / "other.parquet"))


def test_statistics_against_a_loop(cache):
    def cos(a, b):
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    found = {"layers": [], "tokens": [], "norms": []}
    for name, table in statistics(read_states(cache)):
        found[name] += table.to_pylist()
    assert len(found["layers"]) == 2 * 3 * 5
    assert len(found["tokens"]) == 2 * 4 * 4
    assert len(found["norms"]) == 2 * 4 * 5
    for row in found["layers"]:
        before, after = HIDDEN[row["step"] // 7, row["layer"] : row["layer"] + 2, row["position"]]
        assert row["cosine"] == pytest.approx(cos(before, after), abs=1e-6)
        update = np.linalg.norm(after - before) / np.linalg.norm(before)
        assert row["update"] == pytest.approx(update, rel=1e-5)
    for row in found["tokens"]:
        at = HIDDEN[row["step"] // 7, row["depth"]]
        assert row["cosine"] == pytest.approx(cos(*at[row["position"] : row["position"] + 2]), abs=1e-6)
    pairs = [row["kind"] for row in found["tokens"][:4]]
    assert pairs == ["prompt", "prompt", "boundary", "boundary"]
    for row in found["norms"]:
        at = HIDDEN[row["step"] // 7, row["depth"], row["position"]]
        assert row["norm"] == pytest.approx(np.linalg.norm(at), rel=1e-6)


def test_steps():
    assert chosen_steps([0, 3, 40], 32) == [0, 3]
    assert chosen_steps(4, 32) == [0, 8, 16, 24]
    assert chosen_steps(100, 3) == [0, 1, 2]
