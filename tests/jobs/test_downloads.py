"""Downloads by the real client from a hub on this machine: verified, refused, and used without network."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import ROOT
from goodpart.benchmarks.items import public_rows
from goodpart.errors import GoodpartError
from goodpart.jobs import downloads
from goodpart.jobs.downloads import fetch, verify
from goodpart.models.loading import checkpoint_folder
from hub import Hub, serving

NAME = "owner/some-model"
MODEL = ROOT / "workflow" / "resources" / "models" / "qwen2.5-tiny"


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        shutil.copy(MODEL / file, folder / file)
    (folder / "modeling_some.py").write_text("raise SystemExit('remote code')")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    return folder


@pytest.fixture
def hub(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    hub = Hub({("model", NAME): repository})
    with serving(hub) as address:
        hub.address = address
        yield hub


def test_a_model_is_downloaded_verified_and_found_without_network(hub, tmp_path, monkeypatch):
    folder = tmp_path / downloads.place("model", NAME, hub.commit)
    record = fetch("model", NAME, hub.commit, folder, hub.address)
    assert record["commit"] == hub.commit
    assert sorted(record["files"]) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert not (folder / "modeling_some.py").exists()
    assert not (folder / "pytorch_model.bin").exists()
    assert verify(folder) == []
    asked = len(hub.asked)
    monkeypatch.setenv(downloads.FOLDER, str(tmp_path))
    assert checkpoint_folder(NAME, hub.commit) == folder
    assert len(hub.asked) == asked
    (folder / "config.json").write_text("{}")
    assert verify(folder) == ["config.json"]


def test_files_of_a_former_commit_do_not_stay(hub, tmp_path):
    """A branch that moved from one file of weights to another name: the old one would be loaded."""
    folder = tmp_path / "there"
    (folder / "sub").mkdir(parents=True)
    for name in ("model-00001-of-00002.safetensors", "sub/old.json", "notes.md"):
        (folder / name).write_text("old")
    fetch("model", NAME, "main", folder, hub.address)
    left = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert {name for name in left if not name.startswith(".cache")} == {
        "config.json", "model.safetensors", "tokenizer.json", downloads.MANIFEST, "notes.md",
    }  # fmt: skip
    assert verify(folder) == []


def test_a_second_call_downloads_nothing_again(hub, tmp_path):
    folder = tmp_path / "there"
    fetch("model", NAME, "main", folder, hub.address)
    first = (folder / downloads.MANIFEST).read_bytes()
    (folder / downloads.MANIFEST).unlink()
    hub.asked.clear()
    fetch("model", NAME, "main", folder, hub.address)
    assert (folder / downloads.MANIFEST).read_bytes() == first
    assert json.loads(first)["revision"] == "main"
    assert json.loads(first)["commit"] == hub.commit


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_spoilt_file_is_refused_and_fetched_again(hub, tmp_path, name):
    folder = tmp_path / "there"
    hub.spoilt.add(name)
    with pytest.raises(GoodpartError, match=f"{name}: has another .* it was deleted: run again"):
        fetch("model", NAME, hub.commit, folder, hub.address)
    assert not (folder / downloads.MANIFEST).exists()
    hub.spoilt.clear()
    fetch("model", NAME, hub.commit, folder, hub.address)
    assert verify(folder) == []


def test_what_is_wrong_is_named(hub, tmp_path, monkeypatch):
    with pytest.raises(GoodpartError, match="not on the hub, or private; correct `hub`"):
        fetch("model", "owner/none", None, tmp_path / "a", hub.address)
    with pytest.raises(GoodpartError, match="there is no such revision"):
        fetch("model", NAME, "d" * 40, tmp_path / "a", hub.address)
    with pytest.raises(
        GoodpartError, match=r"the hub cannot be reached .*downloads.endpoint, or a local copy"
    ):
        fetch("model", NAME, None, tmp_path / "a", "http://127.0.0.1:9")
    monkeypatch.setattr(downloads, "SPARE", 1 << 60)
    with pytest.raises(GoodpartError, match=r"are needed and .* GB are free; free some"):
        fetch("model", NAME, None, tmp_path / "a", hub.address)


CARD = """---
configs:
- config_name: main
  data_files:
  - split: test
    path: main/test-*
- config_name: other
  data_files:
  - split: test
    path: other/test-*
---
"""


def test_a_data_set_is_read_as_its_card_says_without_network(tmp_path, monkeypatch):
    folder = tmp_path / "repository"
    for name, answer in (("main", "#### 5"), ("other", "#### 6")):
        (folder / name).mkdir(parents=True)
        table = pa.table({"question": ["2 + 3?"], "answer": [answer]})
        pq.write_table(table, folder / name / "test-00000-of-00001.parquet")
    (folder / "README.md").write_text(CARD)
    (folder / "data.py").write_text("raise SystemExit('remote code')")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv(downloads.FOLDER, str(tmp_path / "downloads"))
    hub = Hub({("dataset", "owner/data"): folder})
    with serving(hub) as address:
        there = tmp_path / "downloads" / downloads.place("dataset", "owner/data", hub.commit)
        fetch("dataset", "owner/data", hub.commit, there, address)
    assert not (there / "data.py").exists()
    source = {"hub": "owner/data", "name": "other", "split": "test", "revision": hub.commit}
    assert public_rows(source) == [{"question": "2 + 3?", "answer": "#### 6"}]


def test_the_rules_download_and_then_work_without_network(hub, workflow):
    """The workflow on a model of the hub, from a mirror; then again, while the mirror is gone."""
    model = {"hub": NAME, "revision": hub.commit, "family": "qwen2", "layers": 28, "layers_skipped": [0]}
    config = {
        "run": {"models": ["mine"], "benchmarks": ["tiny-math500"]},
        "models": {"mine": model},
        "capture": {"benchmarks": ["tiny-mbpp"], "prompts": 1, "steps": [0]},
        "downloads": {"endpoint": hub.address},
    }
    (workflow.folder / "mine.yaml").write_text(json.dumps(config))
    target = "results/hidden_states/mine/default/tiny-mbpp"
    arguments = (target, "--cores", "1", "--configfile", "mine.yaml")
    assert workflow.jobs(*arguments)["download"] == 1
    run = workflow.snakemake(*arguments)
    assert run.returncode == 0, run.stdout[-4000:]
    hub.status = 503
    hub.asked.clear()
    shutil.rmtree(workflow.folder / target)
    assert workflow.jobs(*arguments) == {"hidden_states": 1}
    run = workflow.snakemake(*arguments)
    assert run.returncode == 0, run.stdout[-4000:]
    assert len(list((workflow.folder / target).glob("*.parquet"))) == 1
    assert hub.asked == []
