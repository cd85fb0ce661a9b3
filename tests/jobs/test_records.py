"""Records of how artifacts were made: as Snakemake keeps them, saved beside the results, and refused."""

import base64
import json

import pytest

from goodpart.errors import GoodpartError
from goodpart.jobs import records
from goodpart_tools import provenance

SHELL = 'python -m goodpart.jobs.start x <<JSON\n{"input": {}}\n{"params": %s, "wildcards": {}}\nJSON'


def record(workdir, name, **facts):
    """Write Snakemake's record of one artifact, in folders of 200 characters as Snakemake does."""
    code = base64.urlsafe_b64encode(name.encode()).decode()
    parts = [code[i : i + 200] for i in range(0, len(code), 200)]
    file = workdir / records.METADATA / "/".join([*(f"@{part}" for part in parts[:-1]), parts[-1]])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"rule": "r", "input": [], "shellcmd": "", "incomplete": False, **facts}))


@pytest.fixture
def workdir(tmp_path):
    (tmp_path / "results").mkdir()
    for name in ("results/a.json", "results/b.json"):
        (tmp_path / name).write_text("{}")
    record(tmp_path, "results/a.json", rule="first", input=["data.txt"], shellcmd=SHELL % '{"n": 3}')
    record(
        tmp_path, "results/b.json", rule="second", input=["results/a.json"], shellcmd=SHELL % '{"k": "a b"}'
    )
    return tmp_path


def test_long_names_and_unfinished_artifacts(tmp_path):
    name = "results/" + "x" * 500
    record(tmp_path, name)
    record(tmp_path, "results/unfinished", incomplete=True)
    assert list(records.recorded_by_snakemake(tmp_path)) == [name]
    assert records.recorded_by_snakemake(tmp_path, ["paper_figs"]) == {}


def test_files_that_are_no_records_are_skipped(workdir):
    for name in (".nfs000000000012ab34", ".nfs00000000001200000001", "notes.txt"):
        (workdir / records.METADATA / name).write_text("{}")
    assert sorted(records.recorded_by_snakemake(workdir)) == ["results/a.json", "results/b.json"]


def test_saved_records_are_kept_while_the_artifact_or_one_made_from_it_exists(workdir):
    records.save("results", ["paper_figs"], workdir)
    saved = workdir / "results" / records.FILE
    assert sorted(records.read(saved)) == ["results/a.json", "results/b.json"]
    for file in (workdir / records.METADATA).iterdir():
        file.unlink()
    (workdir / "results" / "a.json").unlink()
    records.save("results", ["paper_figs"], workdir)
    assert sorted(records.read(saved)) == ["results/a.json", "results/b.json"]
    (workdir / "results" / "a.json").write_text("{}")
    (workdir / "results" / "b.json").unlink()
    records.save("results", ["paper_figs"], workdir)
    assert sorted(records.read(saved)) == ["results/a.json"]


def test_the_chain_of_an_artifact(workdir):
    said = provenance.report(workdir / "results" / "b.json")
    assert said.index("second: results/b.json") < said.index("first: results/a.json")
    assert "setting  k = a b" in said
    assert "setting  n = 3" in said
    assert "output" not in said
    assert "input  data.txt  no checksum recorded" in said
    assert "data.txt: no longer exists" in said


@pytest.mark.parametrize("name", ["{folder}/out/b.json", "../{parent}/out/b.json"])
def test_results_outside_of_the_working_folder_have_their_record(tmp_path, name):
    """Recorded by an absolute name, or by one that leaves the working folder."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.json").write_text("{}")
    named = name.format(folder=tmp_path, parent=tmp_path.name)
    record = {"file": named, "rule": "second", "input": [], "command": "x", "log": [], "began": 1, "ended": 2,
              "checksums": {}}  # fmt: skip
    (tmp_path / "out" / records.FILE).write_text(json.dumps(record) + "\n")
    assert f"second: {named}" in provenance.report(tmp_path / "out" / "b.json")


def test_an_artifact_that_nothing_recorded(tmp_path):
    (tmp_path / "some.csv").write_text("")
    with pytest.raises(GoodpartError, match="there is no record of how it was made"):
        provenance.report(tmp_path / "some.csv")
    with pytest.raises(GoodpartError, match="no such file"):
        provenance.report(tmp_path / "none.csv")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"\0" * 40, lambda b: b"[1]\n"])
def test_a_damaged_file_of_records_fails_no_run(workdir, damage):
    records.save("results", [], workdir)
    saved = workdir / "results" / records.FILE
    whole = saved.read_bytes()
    saved.write_bytes(damage(whole))
    said = records.save("results", [], workdir)
    assert said is None or "provenance.jsonl.damaged" in said
    assert saved.read_bytes() == whole
    assert records.save("results", [], workdir) is None
