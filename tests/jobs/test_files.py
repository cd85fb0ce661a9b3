import pytest

from goodpart.errors import GoodpartError
from goodpart.jobs.files import read_json, read_jsonl, write_json, written


def test_an_output_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "deep" / "a.txt"
    with pytest.raises(RuntimeError, match="stop"), written(target) as partial:
        partial.write_text("half")
        raise RuntimeError("stop")
    assert not list(target.parent.iterdir())
    with written(target) as partial:
        partial.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"


def test_what_a_killed_run_left_is_no_obstacle(tmp_path):
    left = tmp_path / ".folder.partial"
    left.mkdir()
    (left / "half").touch()
    with written(tmp_path / "folder") as partial:
        partial.mkdir()
        (partial / "whole").touch()
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["whole"]
    assert not left.exists()


def test_damaged_files_are_named_with_their_line(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(GoodpartError, match=r"a\.json: not valid JSON"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a"\n')
    with pytest.raises(GoodpartError, match=r"a\.jsonl, line 3"):
        read_jsonl(tmp_path / "a.jsonl")
    with pytest.raises(GoodpartError, match="no such file"):
        read_json(tmp_path / "missing.json")
    write_json(tmp_path / "b.json", {"b": 1})
    assert read_json(tmp_path / "b.json") == {"b": 1}
