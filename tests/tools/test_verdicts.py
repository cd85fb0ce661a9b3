"""The page of changed verdicts, on a hand-made cell."""

import pytest

from conftest import tool
from goodpart import paths
from goodpart.benchmarks import items
from goodpart.errors import GoodpartError
from goodpart.evaluation import completions, scores
from goodpart.jobs.parquet import write_rows

PLACE = {"model": "m", "decode": "default", "benchmark": "b"}
TEXTS = {0: ["one ````\ncode\n````", "two <b>", "three", "four"], 2: ["uno", "dos", "tres", "cuatro"]}
CORRECT = {0: [True, False, True, False], 2: [False, True, True, False]}


@pytest.fixture
def results(tmp_path):
    rows = [{"item_id": f"i{i}", "prompt": f"prompt {i}", "reference": "{}"} for i in range(4)]
    write_rows(tmp_path / paths.ITEMS.format(**PLACE, split="evaluation"), rows, items.SCHEMA, {})
    for k, policy in ((0, "full"), (2, "similarity")):
        where = {**PLACE, "policy": policy, "k": k}
        made = [
            {"item_id": f"i{i}", "sample": 0, "completion": text, "truncated": i == 1}
            for i, text in enumerate(TEXTS[k])
        ]
        shard = tmp_path / paths.GENERATIONS.format(**where, first=0, last=3)
        write_rows(shard, made, completions.SCHEMA, {})
        judged = [
            {"item_id": f"i{i}", "sample": 0, "correct": c, "strict": False, "extracted": f"x{i}",
             "reason": f"why {k} {i}", "status": "scored"}
            for i, c in enumerate(CORRECT[k])
        ]  # fmt: skip
        write_rows(tmp_path / paths.SCORES.format(**where), judged, scores.SCHEMA, {})
    return tmp_path


def page(results, *words):
    tool("verdicts", ["m", "b", "2", "--results", str(results), *words])


def test_items_that_changed_are_shown_with_both_completions(results, capsys):
    page(results, "--sample", "0")
    said = capsys.readouterr().out
    lost, gained = said.split("## From wrong to right")
    assert "### i0, sample 0" in lost
    assert "### i1, sample 0" in gained
    for text in ("prompt 0", "one ````\ncode", "uno", "x0", "why 0 0", "why 2 0", "right (strict: wrong)"):
        assert text in lost
    assert "`````text\none ````" in lost  # a longer fence than any inside
    assert "cut off by the length limit" in gained
    assert "i2" not in said
    assert "From right to wrong: 1" in said


def test_a_sample_is_drawn_and_html_is_escaped(results):
    page(results, "--sample", "9", "--output", str(results / "a.html"))
    text = (results / "a.html").read_text()
    assert "two &lt;b&gt;" in text
    assert text.count("<h3>") == 2 + 4
    page(results, "--sample", "9", "--output", str(results / "a.md"))
    assert (results / "a.md").read_text().count("\n### ") == 2 + 4


def test_a_cell_that_was_not_made_is_named(results):
    with pytest.raises(GoodpartError, match=r"k2\.parquet: no such file; run this cell"):
        page(results, "--policy", "other")
