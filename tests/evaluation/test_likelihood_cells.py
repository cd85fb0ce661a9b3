"""The likelihood of reference solutions in cells: by hand, and from its job."""

import json

import pyarrow as pa
import pytest

from conftest import ROOT, run_script
from goodpart.errors import GoodpartError
from goodpart.evaluation.nats import item_nats, likelihood
from goodpart.jobs.files import write_json
from goodpart.jobs.parquet import read_table, write_rows
from scripts import likelihoods

MODELS = ROOT / "workflow" / "resources" / "models"


def rows(folder, values):
    """Nats a token, from a file of (policy, k, nll of each item), 2 tokens a solution."""
    table = [
        {"item_id": f"i{i}", "policy": policy, "asked_k": k, "tokens": 2, "nll": nll}
        for policy, k, all_ in values
        for i, nll in enumerate(all_)
    ]
    write_rows(folder / "b.parquet", table, likelihoods.SCHEMA, {})
    return item_nats(folder / "b.parquet")


def test_a_cell_by_hand(tmp_path):
    table = rows(tmp_path, [("full", 0, [2.0, 4.0, 6.0]), ("p", 2, [3.0, 4.0, 9.0])])
    assert likelihood(table, "full", 0, 0.95, 500) == {"nll": 2.0, "nll_items": 3}
    found = likelihood(table, "p", 2, 0.95, 2000)
    assert found["nll"] == pytest.approx(8 / 3)
    assert found["nll_increase"] == pytest.approx((0.5 + 0 + 1.5) / 3)
    assert 0 <= found["nll_low"] < found["nll_increase"] < found["nll_high"] <= 1.5
    assert likelihood(table, "p", 3, 0.95, 500) == {}
    assert likelihood({}, "p", 2, 0.95, 500) == {}


def test_equal_losses_are_certain_however_items_differ(tmp_path):
    """In pairs: items that differ by far more than the loss do not widen its interval."""
    full = [float(i) for i in range(40)]
    table = rows(tmp_path, [("full", 0, full), ("p", 2, [nll + 0.2 for nll in full])])
    found = likelihood(table, "p", 2, 0.95, 500)
    assert found["nll_low"] == pytest.approx(found["nll_high"], abs=1e-4)
    assert found["nll_increase"] == pytest.approx(0.1)


@pytest.mark.parametrize("short", [[3.0, 4.0], [3.0, 4.0, float("nan")], [3.0, 4.0, None]])
def test_a_file_that_lacks_values_is_named_with_its_cell(tmp_path, short):
    with pytest.raises(
        GoodpartError, match=r"b\.parquet: lacks likelihoods of p, k = 2.*delete it and rerun"
    ):
        rows(tmp_path, [("full", 0, [2.0, 4.0, 6.0]), ("p", 2, short)])


@pytest.fixture
def job(tmp_path):
    items = [
        {"item_id": f"test/{i}", "prompt": f"Solve $x+{i}=9$.", "solution": f"9-{i}=\\boxed{{{9 - i}}}"}
        for i in range(1, 5)
    ]
    items[3]["solution"] = None  # a row of the data set without one
    write_rows(tmp_path / "items.parquet", items, pa.schema([(name, pa.string()) for name in items[0]]), {})
    for k, layers in ((2, [4, 9]), (3, [4, 9, 12])):
        (tmp_path / "similarity").mkdir(exist_ok=True)
        write_json(tmp_path / "similarity" / f"k{k}.json", {"layers": layers, "index_base": 0})

    def run(cells, items=4):
        entry = {
            "name": str(MODELS / "qwen2.5-tiny"),
            "revision": None,
            "dtype": None,
            "device": "cpu",
            "cuda_graphs": False,
            "layers": 28,
            "chat": False,
        }
        files = [tmp_path / policy / f"k{k}.json" for policy, k in cells if k]
        run_script(
            "likelihoods",
            tmp_path / "out.parquet",
            inputs={"item_file": tmp_path / "items.parquet", "skip_sets": files, "healed": []},
            wildcards={"benchmark": "b", "model": "m", "table": "cells"},
            model=entry, cells=cells, items=items, draws=2, seed=0, batch_size=8,
        )  # fmt: skip
        return read_table(tmp_path / "out.parquet").to_pylist()

    return run


def test_every_cell_and_item_with_a_solution_has_a_row(job):
    table = job([["full", 0], ["similarity", 2]])
    assert [(row["policy"], row["asked_k"], row["item_id"]) for row in table] == [
        (policy, k, f"test/{i}") for policy, k in (("full", 0), ("similarity", 2)) for i in (1, 2, 3)
    ]
    assert all(row["nll"] > 0 and row["tokens"] > 3 for row in table)
    assert table[0]["nll"] != table[3]["nll"]


def test_known_rows_are_reused_and_no_model_is_loaded_for_them(job, monkeypatch, tmp_path):
    before = job([["full", 0], ["similarity", 2]])
    measured = []

    def counted(model, references, *rest, real=likelihoods.negative_log_likelihoods):
        measured.append(len(references))
        return real(model, references, *rest)

    monkeypatch.setattr(likelihoods, "negative_log_likelihoods", counted)
    assert job([["full", 0], ["similarity", 2], ["similarity", 3]])[:6] == before
    assert measured == [3]  # the new k alone
    monkeypatch.setattr(likelihoods, "load_entry", None)
    assert job([["similarity", 2], ["full", 0]], items=2) == [before[3], before[4], before[0], before[1]]


def test_a_killed_job_goes_on(job, monkeypatch, tmp_path):
    calls = []

    def killed(model, references, *rest, real=likelihoods.negative_log_likelihoods):
        calls.append(len(references))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(model, references, *rest)

    monkeypatch.setattr(likelihoods, "negative_log_likelihoods", killed)
    with pytest.raises(KeyboardInterrupt):
        job([["full", 0], ["similarity", 2]])
    assert not (tmp_path / "out.parquet").exists()
    lines = (tmp_path / ".out.journal.jsonl").read_text().split("\n")
    assert len([json.loads(line) for line in lines if line]) == 3
    job([["full", 0], ["similarity", 2]])
    assert calls == [3, 3, 3]  # full depth once, k = 2 twice: it was cut
    assert not (tmp_path / ".out.journal.jsonl").exists()
