"""Gold answers that no completion could match are refused: when items are made, and by a changed scorer."""

import json

import pytest

from goodpart.benchmarks import scorer_module
from goodpart.benchmarks.sandbox import Sandbox
from goodpart.errors import GoodpartError
from goodpart.evaluation.scores import score
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_table, write_rows
from scripts import generations
from scripts.items import main

ROWS = {  # benchmark -> a row, and what of it no completion could match
    "gsm8k": ({"question": "?", "answer": "#### 5"}, {"answer": "#### five"}),
    "math500": ({"problem": "?", "answer": "5"}, {"answer": "5}"}),
    "humaneval": (
        {"task_id": "a", "prompt": "def f():\n", "entry_point": "f", "test": "def check(c): pass"},
        {"test": "def other(c): pass"},
    ),
    "mbpp": (
        {"task_id": 1, "text": "?", "code": "def f(): pass", "test_list": ["assert f()"]},
        {"test_list": ["assert f("]},
    ),
}


def make_items(folder, kind, rows, examples=None):
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"path": str(folder / "rows.jsonl")}
    params = {"kind": kind, "style": "paper" if examples else "bare", "source": source, "n": None}
    files = {"input": {}, "output": [str(folder / "items.parquet")]}
    told = {
        "params": {**params, "subset": "first", "examples": examples},
        "wildcards": {"benchmark": "mine", "split": "evaluation"},
    }
    main(Job.of("items", 1, files, told))
    return folder / "items.parquet"


@pytest.mark.parametrize("kind", ROWS)
def test_items_are_refused_by_row(tmp_path, kind):
    row, change = ROWS[kind]
    said = r"rows\.jsonl: row 1 cannot be scored, for its own gold answer would be wrong: .*correct the row"
    with pytest.raises(GoodpartError, match=said):
        make_items(tmp_path, kind, [row, {**row, **change}])
    assert not (tmp_path / "items.parquet").exists()
    assert len(read_table(make_items(tmp_path, kind, [row]))) == 1


def test_worked_examples_are_refused_by_row(tmp_path):
    row, change = ROWS["gsm8k"]
    (tmp_path / "train.jsonl").write_text(json.dumps({**row, **change}))
    examples = {"count": 1, "rows": None, "source": {"path": str(tmp_path / "train.jsonl")}}
    with pytest.raises(GoodpartError, match=r"train\.jsonl: row 0 cannot be scored, for its own gold"):
        make_items(tmp_path, "gsm8k", [row], examples)


@pytest.mark.parametrize("kind", ROWS)
def test_a_changed_scorer_checks_gold_answers_before_it_scores(tmp_path, monkeypatch, kind):
    """No job makes items again for it, so that scores of items that it cannot score would come unnoticed."""
    made = make_items(tmp_path, kind, [ROWS[kind][0]])
    [name] = read_table(made)["item_id"].to_pylist()
    rows = [{"item_id": name, "sample": 0, "completion": "5"}]
    write_rows(tmp_path / "generations.parquet", rows, generations.SCHEMA, {})
    monkeypatch.setattr(scorer_module(kind), "gold_fault", lambda reference: "no reason")
    with pytest.raises(GoodpartError, match=rf"items\.parquet: {name} cannot be scored, .*: no reason; "):
        score(kind, "bare", made, [tmp_path / "generations.parquet"], Sandbox("none"), 1)
