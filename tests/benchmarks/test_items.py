"""Loading benchmark data: a damaged, foreign or incomplete file is refused with what to do."""

import bz2
import gzip
import json
import lzma
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import Dataset

from conftest import ROOT, run_script
from goodpart.benchmarks import benchmark_module, items
from goodpart.benchmarks.items import checked_rows, content_hash, subset
from goodpart.benchmarks.rows import read_rows
from goodpart.errors import GoodpartError
from goodpart.jobs.parquet import read_table, write_rows

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


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b"", "cannot be read"),
        ("a.jsonl", b"\x89PNG\r\n", "cannot be read"),
        ("a.jsonl.gz", b"no gzip", "cannot be read"),
        ("a.parquet", b"PAR1", "cannot be read"),
        ("a.jsonl", b'{"problem": "1", "answer": "2"}\n', "row 0 has no question.*with the fields question"),
        ("a.jsonl", b'{"question": "1", "answer": "2"}\n', "row 0 cannot be scored"),
        ("a.jsonl", b'{"question": "1", "answer": 2}\n', "row 0 cannot be scored"),
    ],
)
def test_damaged_and_foreign_files(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GoodpartError, match=f"{name}: {said}"):
        checked_rows({"path": str(tmp_path / name), "rows": 1}, GSM8K)
    with pytest.raises(GoodpartError, match=f"none/{name}: cannot be read"):
        checked_rows({"path": str(tmp_path / "none" / name), "rows": 1}, GSM8K)


def contents(rows):
    """The same rows in every form that is read."""
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return {
        "lines": lines,
        "lines with a mark and CRLF": b"\xef\xbb\xbf" + lines.replace(b"\n", b"\r\n"),
        "array": json.dumps(rows, indent=1).encode(),
        "gzip": gzip.compress(lines),
        "bzip2": bz2.compress(lines),
        "xz": lzma.compress(lines),
        "parquet": buffer.getvalue().to_pybytes(),
    }


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.JSON", "a.PARQUET", "a.txt", "x[a].jsonl", "x*.json.gz", "a b"]
)
@pytest.mark.parametrize("form", contents(ROWS))
def test_the_rows_are_those_that_the_file_holds_now(tmp_path, name, form):
    """Replaced in place with its time kept, under a name that looks like a pattern, whatever its suffix."""
    file = tmp_path / name
    for other in ("xa.jsonl", "xy.json.gz"):
        write(tmp_path / other, [{"question": "another file", "answer": "#### 0"}])
    for version in range(2):
        rows = [{**row, "question": f"{version}: {row['question']}"} for row in ROWS]
        file.write_bytes(contents(rows)[form])
        os.utime(file, (0, 0))
        source = {"path": str(file), "rows": 3, "sha256": content_hash(rows, GSM8K)}
        assert checked_rows(source, GSM8K) == rows


@pytest.mark.parametrize("form", contents(ROWS))
def test_a_file_that_is_cut_anywhere_is_refused_by_name(tmp_path, form):
    whole = contents(ROWS)[form]
    for length in range(0, len(whole) - 3, 7):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(GoodpartError, match="cut: "):
            checked_rows({"path": str(tmp_path / "cut"), "rows": 3}, GSM8K)


def test_a_pointer_of_git_lfs_and_rows_that_are_none_say_so(tmp_path):
    for content, said in (
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b"[1, 2]", "row 0 is no JSON object"),
        (b'"text"\n', "row 0 is no JSON object"),
        (b'{"question": "a", "answer": "1"}\n{"quest', "line 2 is not JSON"),
        (b"[]", "no rows"),
    ):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(GoodpartError, match=said):
            checked_rows({"path": str(tmp_path / "a")}, GSM8K)


def test_json_lines_json_gzip_and_parquet_hold_the_same(tmp_path):
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    (tmp_path / "a.jsonl").write_text(text)
    (tmp_path / "a.json").write_text(json.dumps(ROWS, indent=1))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    wanted = content_hash(ROWS, GSM8K)
    for name in ("a.jsonl", "a.json", "a.jsonl.gz", "a.parquet"):
        assert checked_rows({"path": str(tmp_path / name), "rows": 3, "sha256": wanted}, GSM8K)


def test_a_local_copy_goes_before_the_hub(tmp_path):
    path = write(tmp_path / "a.jsonl", ROWS)
    assert len(checked_rows({"hub": "nobody/nothing", "name": "x", "path": path, "rows": 3}, GSM8K)) == 3


@pytest.mark.parametrize(("name", "total"), [("gsm8k", 1319), ("math500", 500), ("mbpp", 257)])
def test_subsets(shared, name, total):
    """The first items, the subset of the DFlash benchmark, and the one of datasets' shuffle."""
    published = json.loads((shared / "benchmarks" / "oracles" / "dflash_prompts.json").read_text())
    wanted = published[name]["subset_128_seed0_transformers_backend"]
    assert subset(total, 128, "dflash") == wanted
    assert subset(total, 5, "first") == [0, 1, 2, 3, 4]
    rows = Dataset.from_dict({"i": list(range(total))}).shuffle(seed=0).select(range(128))["i"]
    assert subset(total, 128, "shuffled") == list(rows)


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
        ("mbpp-full", "evaluation", "mbpp/mbpp.jsonl"),
        ("mbpp-full", "calibration", "mbpp/mbpp.jsonl"),
    ],
)
def test_the_papers_hashes_fit_the_public_files(shared, benchmark, split, file):
    """A local copy of the public file passes the checks that the hub's passes."""
    source = {k: v for k, v in PAPER[benchmark][split].items() if k in ("rows", "sha256", "ids")}
    source["path"] = str(shared / "benchmarks" / "data" / file)
    assert checked_rows(source, benchmark_module(PAPER[benchmark]["kind"]))


def test_an_id_that_stands_twice_is_named_with_its_file(tmp_path):
    row = {"task_id": "HumanEval/0", "prompt": "def f():\n", "entry_point": "f", "test": "def check(c): pass"}
    path = write(tmp_path / "twice.jsonl", [row, row])
    asked = {"kind": "humaneval", "style": "bare", "source": {"path": path}, "n": None, "subset": "first"}
    where = {"benchmark": "mine", "split": "evaluation"}
    with pytest.raises(GoodpartError, match=r"twice\.jsonl: the item id HumanEval/0 occurs twice .* mine"):
        run_script("items", tmp_path / "items.parquet", wildcards=where, examples=None, **asked)


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_a_damaged_page_of_a_parquet_file_is_named(tmp_path, place):
    rows = [{"item_id": f"i{i}", "prompt": f"{i * 7919}" * 40} for i in range(2000)]
    path = tmp_path / "items.parquet"
    write_rows(path, rows, items.SCHEMA, {})
    content = bytearray(path.read_bytes())
    start = int(len(content) * place)
    content[start : start + 400] = bytes(400)
    path.write_bytes(bytes(content))
    with pytest.raises(
        GoodpartError, match=r"items\.parquet: not a whole Parquet file .*delete it and rerun"
    ):
        read_table(path)


@pytest.mark.parametrize("text", ['{"question": "a", "question": "b"}\n', '[{"question": {"a": 1, "a": 2}}]'])
def test_a_row_with_a_key_twice_is_refused(text, tmp_path):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(GoodpartError, match=r"the key .(question|a). occurs twice"):
        read_rows(tmp_path / "a.jsonl")
