"""The journal of an unfinished shard, and batches: nothing finished is generated again."""

import json
import subprocess
import sys

import pyarrow as pa
import pytest
import torch

from conftest import ROOT, job_text, run_script
from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.prompts import batches, render
from goodpart.decoding.samplers import dream
from goodpart.decoding.samplers import llada as sampler
from goodpart.evaluation import completions as completing
from goodpart.evaluation.completions import Asked, Journal, generate
from goodpart.jobs.kept_copies import kept_copy
from goodpart.jobs.parquet import read_metadata, read_table, write_rows
from goodpart.models.loading import load
from scripts import generations

MODELS = ROOT / "workflow" / "resources" / "models"
ITEMS = [
    {"item_id": f"test/{i}", "prompt": f"Tom has {i} eggs. Tom buys 2 more. How many eggs does Tom have?"}
    for i in (3, 12, 4, 5, 11)
]


@pytest.fixture(scope="module")
def model():
    return load(str(MODELS / "llada-tiny-instruct"), device="cpu")


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


def test_a_batch_that_does_not_fit_is_halved_and_changes_nothing(model, tmp_path, monkeypatch):
    whole = rows(model, Journal(tmp_path / "whole.parquet"), 5)
    decode, sizes = sampler.decode, []

    def narrow(model, prompts, *rest):
        sizes.append(len(prompts))
        if len(prompts) > 2:
            raise torch.OutOfMemoryError("pretended")
        return decode(model, prompts, *rest)

    monkeypatch.setattr(sampler, "decode", narrow)
    assert rows(model, Journal(tmp_path / "narrow.parquet"), 5) == whole
    assert sizes == [5, 2, 2, 1]


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
    lines = [line for line in journal.read_text().splitlines() if line.endswith("}}")]
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == len(ITEMS)


def test_a_journal_of_other_settings_is_not_used(model, tmp_path):
    journal = Journal(tmp_path / "a.parquet")
    journal.add([("other", {"item_id": "test/3"})])
    assert [row["item_id"] for row in rows(model, Journal(tmp_path / "a.parquet"))] == [
        item["item_id"] for item in ITEMS
    ]


def test_batches_hold_similar_lengths():
    assert list(batches([5, 1, 4, 2, 3], 2)) == [[1, 3], [4, 2], [0]]


DRIVER = """
import json, os, random, signal, sys, time
import scripts.generations as rule
from goodpart.jobs.job import Job
import torch, transformers  # noqa: imported before the forks
arguments = json.loads(sys.argv[1])
folder, kills = arguments["folder"], arguments["kills"]
journal = folder + "/shard/.0-11.journal.jsonl"
rng = random.Random(arguments["seed"])

torch.set_num_threads(1)
files, told = arguments["job"]
model = rule.load_entry(told["params"]["model"])
rule.load_entry = lambda *_: model  # loaded once, before the forks

def child():
    pid = os.fork()
    if pid:
        return pid
    rule.main(Job.of("generations", 1, files, told))
    os._exit(0)

def finished():
    try:
        return sum(1 for line in open(folder + "/kept.jsonl") if line.endswith("\\n"))
    except FileNotFoundError:
        return 0

for number in range(kills):
    pid, before = child(), finished()
    # At a random moment between the completion before and the next.
    while finished() < min(before + 1, 11) and os.waitpid(pid, os.WNOHANG) == (0, 0):
        if os.path.exists(journal) and not os.path.exists(folder + "/kept.jsonl"):
            os.link(journal, folder + "/kept.jsonl")  # the journal is removed at the end; this is not
        time.sleep(0.002)
    time.sleep(rng.random() * 0.3)
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child(), 0)[1]))
"""


def shard_job(folder, batch_size=1, last=11, first=0, tokens=12):
    """Output, inputs, wildcards and parameters of a job."""
    entry = {
        "name": str(MODELS / "dream-tiny-base"),
        "revision": None,
        "dtype": None,
        "device": "cpu",
        "cuda_graphs": False,
        "layers": 28,
        "chat": False,
    }
    return {
        "outputs": str(folder / "shard" / f"{first}-{last}.parquet"),
        "inputs": {"item_file": str(folder / "items.parquet"), "skip_set": [], "full": [], "healed": []},
        "wildcards": {"first": str(first), "last": str(last)},
        "model": entry,
        "settings": {"max_new_tokens": tokens},
        "samples": 1,
        "kl_items": 0,
        "kl_states": 1,
        "seed": 0,
        "batch_size": batch_size,
        "context": 512,
    }


def generate_shard(folder, **given):
    run_script("generations", **shard_job(folder, **given))


@pytest.fixture
def twelve_items(tmp_path):
    items = [{"item_id": f"test/{i}", "benchmark": "b", "prompt": f"Solve $x+{i}=12$."} for i in range(12)]
    schema = pa.schema([(name, pa.string()) for name in items[0]])
    write_rows(tmp_path / "items.parquet", items, schema, {})
    return tmp_path


def completions(path):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_table(path).to_pylist()]


def test_what_skips_the_same_layers_is_not_decoded_again(twelve_items, monkeypatch):
    """Another k whose skip set falls short, or a policy that finds the same set: no weights are loaded."""
    places = [twelve_items / "b" / place / "0-11.parquet" for place in ("p/k4", "p/k6", "q/k2")]
    job = shard_job(twelve_items)
    run_script("generations", **{**job, "outputs": places[0]})
    monkeypatch.setattr(dream, "decode", None)  # a call would fail
    with monkeypatch.context() as without:
        without.setattr(generations, "load_entry", None)
        for place in places[1:]:
            run_script("generations", **{**job, "outputs": place})
            assert completions(place) == completions(places[0])
            assert read_metadata(place)["shape"] == read_metadata(places[0])["shape"]
            assert kept_copy(place).exists()
    other = shard_job(twelve_items, tokens=16)
    with pytest.raises(TypeError):  # of other settings
        run_script("generations", **{**other, "outputs": twelve_items / "b" / "p" / "k8" / "0-11.parquet"})


def test_ten_kills_lose_and_repeat_no_finished_completion(twelve_items):
    folder = twelve_items
    job = {
        "folder": str(folder),
        "kills": 10,
        "seed": 5,
        "job": [json.loads(line) for line in job_text(**shard_job(folder)).splitlines()],
    }
    done = subprocess.run([sys.executable, "-c", DRIVER, json.dumps(job)], check=False, timeout=300)
    assert done.returncode == 0
    assert sorted(p.name for p in (folder / "shard").iterdir()) == [".0-11.kept", "0-11.parquet"]
    lines = (folder / "kept.jsonl").read_text().splitlines()
    keys = [json.loads(line)["key"] for line in lines if line.endswith("}}")]
    assert len(keys) == len(set(keys)) == 12
    killed = completions(folder / "shard" / "0-11.parquet")
    for file in (folder / "shard").iterdir():
        file.unlink()
    generate_shard(folder)
    assert completions(folder / "shard" / "0-11.parquet") == killed


def test_a_shard_that_was_deleted_before_its_job_is_back_if_its_settings_are(twelve_items, monkeypatch):
    shard = twelve_items / "shard" / "0-3.parquet"
    generate_shard(twelve_items, last=3)
    before = shard.read_bytes()
    shard.unlink()  # as Snakemake does
    monkeypatch.setattr(completing, "decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(pytest.fail.Exception, match="decoded"):
        generate_shard(twelve_items, last=3, tokens=8)
    assert not shard.exists()
    generate_shard(twelve_items, last=3)
    assert shard.read_bytes() == before


def test_two_jobs_may_remove_the_same_old_shard(tmp_path, monkeypatch):
    """The shards 0-1 and 2-3 both overlap 0-3; one finds it gone when it is about to remove it."""
    for name in ("0-3", "0-1"):
        (tmp_path / f"{name}.parquet").write_text("")
    monkeypatch.setattr(completing, "keep", lambda shard: shard.unlink())
    assert completing.remove_overlapping(tmp_path / "0-1.parquet") == []
    assert [file.name for file in tmp_path.glob("*.parquet")] == ["0-1.parquet"]


def test_a_cut_line_hides_no_completion_behind_it(tmp_path):
    journal = Journal(tmp_path / "a.parquet")
    journal.add([("one", {"item_id": "1"})])
    with journal.path.open("ab") as file:
        file.write(b'5\nnull\n[]\n{}\n{"key": "x", "row": 3}\n\xff\xfe\n{"key": "two", "ro')
    Journal(tmp_path / "a.parquet").add([("three", {"item_id": "3"})])
    assert set(Journal(tmp_path / "a.parquet").rows) == {"one", "three"}
    journal.path.write_bytes(journal.path.read_bytes().replace(b'{"item_id": "3"}', b'{"item_id": "2"}'))
    assert set(Journal(tmp_path / "a.parquet").rows) == {"one"}  # a line that the disk changed


def test_raising_n_keeps_what_a_shorter_shard_holds(twelve_items, monkeypatch):
    generate_shard(twelve_items, last=7)
    short = completions(twelve_items / "shard" / "0-7.parquet")
    made = []
    monkeypatch.setattr(
        completing,
        "decode",
        lambda model, prompts, *a, **k: made.extend(prompts) or decode(model, prompts, *a, **k),
    )
    generate_shard(twelve_items, last=11)
    long = completions(twelve_items / "shard" / "0-11.parquet")
    assert long[:8] == short
    assert len(made) == 4
    # Other shards and batches of the same items say the same.
    generate_shard(twelve_items, batch_size=5, first=4, last=11)
    assert completions(twelve_items / "shard" / "4-11.parquet") == long[4:]
    assert len(made) == 4
    for file in (twelve_items / "shard").iterdir():
        file.unlink()
    generate_shard(twelve_items, batch_size=5, first=4, last=11)
    assert completions(twelve_items / "shard" / "4-11.parquet") == long[4:]
    assert len(made) == 12


def test_a_folder_never_holds_an_item_twice(twelve_items, monkeypatch):
    """Another n, or other shards: what is asked for stays, without decoding anything again."""
    folder = twelve_items / "shard"
    generate_shard(twelve_items, last=11)
    long = completions(folder / "0-11.parquet")
    monkeypatch.setattr(completing, "decode", lambda *_, **__: pytest.fail("decoded"))
    generate_shard(twelve_items, last=7)
    assert [file.name for file in folder.glob("[!.]*")] == ["0-7.parquet"]
    generate_shard(twelve_items, first=8, last=11)
    assert sorted(file.name for file in folder.glob("[!.]*")) == ["0-7.parquet", "8-11.parquet"]
    assert completions(folder / "0-7.parquet") + completions(folder / "8-11.parquet") == long
    generate_shard(twelve_items, last=11)
    assert [file.name for file in folder.glob("[!.]*")] == ["0-11.parquet"]
    assert completions(folder / "0-11.parquet") == long
