"""What a comparison of two runs says: planted differences are found, noise is not called a difference."""

import numpy as np
import pytest

from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation.cells import SCHEMA as CELLS
from goodpart.evaluation.completions import SCHEMA as GENERATIONS
from goodpart.evaluation.intervals import mcnemar
from goodpart.evaluation.scores import SCHEMA as SCORES
from goodpart.jobs.files import write_json
from goodpart.jobs.parquet import write_rows
from goodpart_tools.compare import difference, holm, report

WHERE = {"model": "m", "decode": "default", "benchmark": "b"}


def cell_name(k):
    return ("m", "default", "b", "similarity" if k else "full", str(k))


def results(folder, verdicts, names=None, **facts):
    """A results folder with one cell a k: `verdicts` k -> correct or not, an item."""
    rows = []
    for k, right in verdicts.items():
        place = {**WHERE, "policy": "similarity" if k else "full", "k": k}
        items = names or [f"i{n}" for n in range(len(right))]
        scores = [
            {"item_id": item, "sample": 0, "correct": bool(one), "status": "scored"}
            for item, one in zip(items, right, strict=True)
        ]
        made = [
            {"item_id": item, "sample": 0, "token_ids": [int(one)]}
            for item, one in zip(items, right, strict=True)
        ]
        write_rows(folder / paths.SCORES.format(**place), scores, SCORES, {})
        shard = folder / paths.GENERATIONS.format(**place, first=0, last=len(right) - 1)
        write_rows(shard, made, GENERATIONS, {"model": "m", "revision": "r1", "keys": ["x"], **facts})
        rows.append({**WHERE, "policy": place["policy"], "asked_k": k, "status": "scored"})
        if k:
            write_json(folder / paths.SKIP_SET.format(**place), {"layers": list(range(k))})
    write_rows(folder / paths.CELLS, rows, CELLS, {"selection": {"seed": facts.get("seed", 0)}})
    return folder


def test_equal_runs_do_not_differ(tmp_path):
    right = [1, 0, 1, 1]
    said = report(*(results(tmp_path / name, {0: right, 2: right}) for name in "ab"))
    assert "settings, versions and data that changed: none" in said
    assert "over 2 cells): none" in said
    assert "cells with identical completions: 2" in said


def test_shards_left_from_a_smaller_n_count_once(tmp_path):
    """The newest shard says what was decoded and how, whatever the order of names or of copying."""
    right = [1, 0, 1, 1]
    a, b = (results(tmp_path / name, {0: right, 2: right}, time="2026-01-02") for name in "ab")
    for k in (0, 2):
        place = {**WHERE, "policy": "similarity" if k else "full", "k": k}
        left = [{"item_id": f"i{n}", "sample": 0, "token_ids": [9]} for n in range(2)]
        shard = a / paths.GENERATIONS.format(**place, first=0, last=1)
        write_rows(shard, left, GENERATIONS, {"model": "m", "revision": "r0", "time": "2026-01-01"})
    said = report(a, b)
    assert "settings, versions and data that changed: none" in said
    assert "results that differ within noise: none" in said
    assert "cells with identical completions: 2" in said


def test_a_planted_difference_is_found_and_noise_is_not(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.random(128) < 0.7
    worse = base & (rng.random(128) < 0.6)
    noisy = base ^ (rng.random(128) < 0.1)
    a = results(tmp_path / "a", {0: base, 2: base}, dtype="float32")
    b = results(tmp_path / "b", {0: noisy, 2: worse}, dtype="bfloat16", revision="r2", seed=1)
    said = report(a, b)
    beyond = said.split("beyond noise")[1].split("within noise")[0]
    assert "m default b similarity k=2: accuracy" in beyond
    assert "full k=0" not in beyond
    assert "m default b full k=0" in said.split("within noise")[1]
    assert "generations of m on b: dtype: float32 -> bfloat16" in said
    assert "revision: r1 -> r2" in said
    assert "cells: selection.seed: 0 -> 1" in said


def test_what_only_one_run_has(tmp_path):
    a = results(tmp_path / "a", {0: [1, 0], 2: [1, 0]})
    b = results(tmp_path / "b", {0: [1, 0]})
    said = report(a, b)
    assert f"m default b similarity 2: only in {a}" in said
    assert "skip_sets/m/similarity/k2.json: [0, 1] -> absent" in said


def test_items_that_are_not_shared_are_compared_unpaired():
    first = {f"a{i}": (1.0, ["1"]) for i in range(40)}
    second = {f"b{i}": (float(i % 2), ["1"]) for i in range(40)}
    found = difference(cell_name(0), first, second)
    assert not found.paired
    assert found.p < 1e-3
    assert found.low < -0.5 < found.high


def test_several_samples_an_item_go_through_the_bootstrap():
    first = {f"i{i}": (0.5, []) for i in range(64)}
    same = {f"i{i}": (0.25 if i % 2 else 0.75, []) for i in range(64)}
    less = {f"i{i}": (0.25, []) for i in range(64)}
    assert difference(cell_name(0), first, same).p > 0.5
    assert difference(cell_name(0), first, less).p < 0.01


def test_holms_adjustment():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_families_of_cells_without_a_difference_are_rarely_flagged():
    """Two runs that decode the same accuracy anew: at most alpha of the comparisons flag any cell."""
    rng = np.random.default_rng(1)
    flagged = 0
    for _ in range(200):
        p_values = []
        for _ in range(8):
            a, b = (rng.random((2, 64)) < 0.6).astype(float)
            p_values.append(mcnemar(a, b))
        flagged += min(holm(p_values)) < 0.05
    assert flagged <= 200 * 0.05 + 3 * (200 * 0.05 * 0.95) ** 0.5


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(GoodpartError, match="name the results folder of a finished run"):
        report(tmp_path, tmp_path)
