"""Loading benchmark data: a damaged, foreign or incomplete file is refused with what to do."""

import json

import pytest
import yaml

from conftest import ROOT
from goodpart.benchmarks import benchmark_module
from goodpart.errors import GoodpartError
from goodpart.rules.items import checked_rows, content_hash

GSM8K = benchmark_module("gsm8k")
PAPER = yaml.safe_load((ROOT / "workflow" / "configs" / "paper.yaml").read_text())["benchmarks"]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


ROWS = [{"question": f"{i}?", "answer": f"#### {i}"} for i in range(3)]


def test_rows_and_content_are_checked(tmp_path):
    path = write(tmp_path / "a.jsonl", ROWS)
    rows = checked_rows({"path": path, "rows": 3, "sha256": content_hash(ROWS, GSM8K)}, GSM8K)
    assert [row["question"] for row in rows] == ["0?", "1?", "2?"]
    with pytest.raises(GoodpartError, match="3 rows where 4 are expected"):
        checked_rows({"path": path, "rows": 4}, GSM8K)
    with pytest.raises(GoodpartError, match="the content differs"):
        checked_rows({"path": path, "rows": 3, "sha256": "0" * 64}, GSM8K)


def test_a_missing_field_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"question": "?"}])
    with pytest.raises(GoodpartError, match="row 0 has no answer"):
        checked_rows({"path": path, "rows": 1}, GSM8K)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"question": "1", "answer"')
    with pytest.raises(GoodpartError, match=r"a.jsonl: cannot be read.*path"):
        checked_rows({"path": str(tmp_path / "a.jsonl"), "rows": 1}, GSM8K)


def test_an_unreachable_hub_says_how_to_do_without(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(GoodpartError, match="give its path as benchmarks"):
        checked_rows({"hub": "nobody/nothing", "rows": 1}, GSM8K)


@pytest.mark.parametrize(
    ("benchmark", "split", "file"),
    [
        ("gsm8k", "evaluation", "gsm8k/test.jsonl"),
        ("gsm8k", "calibration", "gsm8k/train.jsonl"),
        ("math500", "evaluation", "math500/test.jsonl"),
        ("humaneval", "evaluation", "humaneval/HumanEval.jsonl.gz"),
        ("mbpp", "evaluation", "mbpp/sanitized-mbpp.json"),
        ("mbpp", "calibration", "mbpp/mbpp.jsonl"),
    ],
)
def test_the_papers_hashes_fit_the_public_files(shared, benchmark, split, file):
    """A local copy of the public file passes the checks that the hub's passes."""
    source = {k: v for k, v in PAPER[benchmark][split].items() if k in ("rows", "sha256")}
    if benchmark == "mbpp":
        source["ids"] = [11, 510] if split == "evaluation" else [601, 974]
    source["path"] = str(shared / "benchmarks" / "data" / file)
    assert checked_rows(source, benchmark_module(PAPER[benchmark]["kind"]))
