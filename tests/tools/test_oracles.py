"""`verify oracles`: known verdicts on public data where they are at hand, and on a small set of our own."""

import json

import pytest

from conftest import verify


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def row(number, completion, expected, strength="must", **changes):
    made = {
        "id": f"row {number}",
        "benchmark": "gsm8k",
        "task_id": "gsm8k/test/0",
        "completion": completion,
        "expected_correct": expected,
        "strength": strength,
    }
    return {**made, **changes}


@pytest.fixture
def data(tmp_path):
    write(tmp_path / "data" / "gsm8k" / "test.jsonl", [{"question": "?", "answer": "#### 12"}])
    return str(tmp_path / "data")


def test_what_agrees_and_what_does_not(tmp_path, data, capsys):
    rows = [
        row(0, "Final Answer: 12", True),
        row(1, "Final Answer: 13", False, "strict"),
        row(2, "Final Answer: 12\n\nQuestion: more?\nFinal Answer: 13", True, "must_with_stop"),
        row(3, "12", True, "policy"),
        row(4, "\ud800", None, "policy"),
    ]
    file = write(tmp_path / "good.jsonl", rows)
    assert verify(["oracles", file, "--data", data]) == 0
    said = capsys.readouterr().out
    assert "good.jsonl: 0 binding rows disagree" in said
    assert "policy (not binding): 0 of 1 agree" in said
    assert "1 rows accept any verdict" in said
    assert "row 3" not in said
    assert verify(["oracles", file, "--data", data, "--all"]) == 0
    assert "differs row 3 (policy)" in capsys.readouterr().out
    file = write(tmp_path / "bad.jsonl", [*rows, row(5, "Final Answer: 12", False)])
    assert verify(["oracles", file, "--data", data]) == 1
    said = capsys.readouterr().out
    assert "DIFFERS row 5 (must): expected False, scored True" in said
    assert "bad.jsonl: 1 binding rows disagree" in said


def test_pass_at_k_rows(tmp_path, data, capsys):
    good = {"id": "a", "n": 5, "c": 2, "k": 2, "value": 0.7, "exact": "7/10"}
    undefined = {"id": "b", "n": 1, "c": 1, "k": 2, "value": None, "exact": None}
    file = write(tmp_path / "k.jsonl", [good, undefined])
    assert verify(["oracles", file, "--data", data]) == 0
    file = write(tmp_path / "k.jsonl", [{**good, "exact": "1/2"}, {**undefined, "value": 1.0}])
    assert verify(["oracles", file, "--data", data]) == 1
    assert capsys.readouterr().out.count("DIFFERS") == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "line 1: not JSON"),
        ("", "has no rows"),
        (json.dumps({"id": "a", "benchmark": "gsm8k"}), "line 1: has no task_id, completion, strength"),
        (json.dumps(row(0, "", True, task_id="gsm8k/test/7")), "has no task gsm8k/test/7 of gsm8k"),
        (json.dumps(row(0, "", True, benchmark="gsm9k")), "gsm9k: unknown benchmark; use one of gsm8k"),
        (json.dumps(row(0, "", True, benchmark="math500")), "math500/test.jsonl: cannot be read"),
    ],
)
def test_bad_input_is_named(tmp_path, data, capsys, content, said):
    (tmp_path / "rows.jsonl").write_text(content)
    assert verify(["oracles", str(tmp_path / "rows.jsonl"), "--data", data]) == 2
    assert said in capsys.readouterr().err


def test_hostile_rows_need_a_sandbox(tmp_path, data, capsys):
    rows = [row(0, "", False, timeout_s=1, max_wall_s=2, benchmark="humaneval", task_id="HumanEval/0")]
    file = write(tmp_path / "hostile.jsonl", rows)
    assert verify(["oracles", file, "--data", data, "--sandbox", "none"]) == 2
    assert "only in bubblewrap" in capsys.readouterr().err


def test_the_oracles(shared, sandbox, tmp_path, capsys):
    """All rows where scoring is quick, and a sample where it is not."""
    folder = shared / "benchmarks" / "oracles"
    files = [str(folder / name) for name in ("gsm8k.jsonl", "pass_at_k.jsonl", "dflash_prompts.json")]
    for name, every in (("math500", 4), ("humaneval", 16), ("mbpp_sanitized", 16), ("mbpp_full", 16)):
        lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")[::every]
        slow = ("infinite_loop", "recursion")
        kept = [line for line in lines if line and json.loads(line)["style"] not in slow]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(kept), encoding="utf-8")
        files.append(str(tmp_path / f"{name}.jsonl"))
    status = verify(["oracles", *files, "--data", str(shared / "benchmarks" / "data")])
    said = capsys.readouterr().out
    assert status == 0, said
    assert said.count("0 binding rows disagree") == 7
