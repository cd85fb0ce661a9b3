"""The journal of an unfinished shard, and batches: nothing finished is generated again."""

import json

import pytest

from conftest import ROOT
from goodpart.decode import settings_for
from goodpart.models import load
from goodpart.prompts import render
from goodpart.rules.generations import Asked, Journal, batches, generate
from goodpart.samplers import llada as sampler

ITEMS = [
    {"item_id": f"test/{i}", "prompt": f"Tom has {i} eggs. Tom buys 2 more. How many eggs does Tom have?"}
    for i in (3, 12, 4, 5, 11)
]


@pytest.fixture(scope="module")
def model():
    return load(str(ROOT / "workflow" / "resources" / "models" / "llada-tiny-instruct"), device="cpu")


def rows(model, journal, batch_size=2):
    prompts = render(model.tokenizer, [item["prompt"] for item in ITEMS], True)
    settings = settings_for(model, max_new_tokens=16, block_length=8)
    asked = [
        Asked(item["item_id"], item["item_id"], 0, 0, prompt)
        for item, prompt in zip(ITEMS, prompts, strict=True)
    ]
    made = generate(model, asked, settings, batch_size, journal)
    return [{k: v for k, v in row.items() if k != "seconds"} for row in made]


def test_batch_size_changes_nothing(model, tmp_path):
    one, four = (rows(model, Journal(tmp_path / f"{n}.parquet"), n) for n in (1, 4))
    assert one == four
    assert [row["item_id"] for row in one] == [item["item_id"] for item in ITEMS]


def test_a_killed_shard_goes_on(model, tmp_path, monkeypatch):
    whole = rows(model, Journal(tmp_path / "whole.parquet"))
    decode, calls = sampler.decode, []

    def counted(model, prompts, *rest):
        calls.append(len(prompts))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return decode(model, prompts, *rest)

    monkeypatch.setattr(sampler, "decode", counted)
    with pytest.raises(KeyboardInterrupt):
        rows(model, Journal(tmp_path / "cut.parquet"))
    journal = tmp_path / ".cut.journal.jsonl"
    with journal.open("a") as file:
        file.write('{"key": "test/4", "ro')  # the line that was being written
    assert rows(model, Journal(tmp_path / "cut.parquet")) == whole
    assert sum(calls) - 2 == len(ITEMS)  # the killed batch is counted, and was made again
    assert len({json.loads(line)["key"] for line in journal.read_text().splitlines()[:2]}) == 2


def test_a_journal_of_other_settings_is_not_used(model, tmp_path):
    journal = Journal(tmp_path / "a.parquet")
    journal.add([("other", {"item_id": "test/3"})])
    assert [row["item_id"] for row in rows(model, Journal(tmp_path / "a.parquet"))] == [
        item["item_id"] for item in ITEMS
    ]


def test_batches_hold_similar_lengths():
    assert list(batches([5, 1, 4, 2, 3], 2)) == [[1, 3], [4, 2], [0]]
