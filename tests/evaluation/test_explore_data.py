"""The explore page without a browser: its values, its token texts, and the HTML file."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import ROOT, run_script
from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation.explore import grids, page, tokens
from goodpart.jobs import sources
from goodpart.jobs.files import write_json
from synthetic import write_statistics

MODELS = {
    "deep": {"paper_column": "LLaDA-Instruct", "family": "llada", "layers": 5, "one_pass": False},
    "ar": {"paper_column": None, "family": "qwen2", "layers": 3, "one_pass": True},
}
WINDOWS = {"full": {"decode": "default", "tokens": 6}}
TINY = ROOT / "workflow" / "resources" / "models" / "llada-tiny-instruct"
LIBRARY = "window.vegaEmbed = null;"  # stands for Vega where no browser opens the page


@pytest.fixture
def job(tmp_path):
    """Arguments of the rule's script, on made-up statistics of two models and benchmarks."""
    results = tmp_path / "results"
    selection = write_statistics(results, MODELS, WINDOWS, prompt=4, steps=3, benchmarks=("a", "b"))
    write_json(results / paths.SKIP_SET.format(model="deep", policy="p", k=2), {"layers": [1, 3]})
    return {
        "selection": selection,
        "results": str(results),
        "labels": {"a": "A", "b": "B"},
        "policy": "p",
        "static": True,
        "ks": {"deep": [2], "ar": []},
        "checkpoints": {
            "deep": {"name": str(TINY), "revision": None},
            "ar": {"name": "o/n", "revision": None},
        },
    }


@pytest.fixture
def library(monkeypatch):
    monkeypatch.setattr(page, "library", lambda: LIBRARY)
    monkeypatch.setattr("scripts.explore.library", lambda: LIBRARY)


def data_of(file):
    [text] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', file.read_text(), re.S)
    return json.loads(text)


def values(data, step, measure, shape):
    """Slowly: the values that a packed step stands for."""
    stored = np.frombuffer(base64.b64decode(step[measure]), "<i2").reshape(shape).astype(float)
    return np.exp(stored / data["scale"]["norm"]) if measure == "norm" else stored / data["scale"]["cosine"]


def test_values_are_those_of_the_parquet_files(job, library, tmp_path):
    run_script("explore", tmp_path / "explore.html", **job)
    data = data_of(tmp_path / "explore.html")
    assert data["complete"]
    assert [model["name"] for model in data["models"]] == ["deep", "ar"]
    checked = 0
    for model in data["models"]:
        layers = MODELS[model["name"]]["layers"]
        assert [prompt["benchmark"] for prompt in model["prompts"]] == ["A", "B"]
        for prompt, benchmark in zip(model["prompts"], "ab", strict=True):
            where = {"model": model["name"], "decode": "default", "benchmark": benchmark}
            folder = Path(job["results"])
            read = {
                name: polars.read_parquet(folder / paths.STATISTICS.format(**where, statistic=name))
                for name in ("layers", "tokens", "norms")
            }
            assert [step["step"] for step in prompt["steps"]] == sorted(set(read["norms"]["step"]))
            for step in prompt["steps"]:
                own = {name: table.filter(step=step["step"]) for name, table in read.items()}
                places = own["norms"].filter(depth=0).sort("position")
                assert step["ids"] == places["token_id"].to_list()
                assert step["kinds"] == "".join(kind[0] for kind in places["kind"])
                assert set(step["kinds"]) <= set("pdm")
                length = len(step["ids"])
                for measure, name, row, value, shape in (
                    ("layer", "layers", "layer", "cosine", (layers, length)),
                    ("token", "tokens", "depth", "cosine", (layers + 1, length - 1)),
                    ("norm", "norms", "depth", "norm", (layers + 1, length)),
                ):
                    got = values(data, step, measure, shape)
                    for at in own[name].iter_rows(named=True):
                        there = got[at[row], at["position"]]
                        if measure == "norm":
                            assert there == pytest.approx(at[value], rel=0.00025 + 1e-6)
                        else:
                            assert abs(there - at[value]) <= 0.00005 + 1e-7
                        checked += 1
                    assert got.size == len(own[name])
    assert checked > 1000
    assert data["models"][0]["skip_sets"] == [{"k": 2, "layers": [1, 3]}]
    assert data["models"][1]["skip_sets"] == []


def test_rounding_at_its_ends():
    cosines = np.array([-1, -0.00004, 0, 0.99996, 1], np.float32)
    assert grids.rounded_cosine(cosines).tolist() == [-10000, 0, 0, 10000, 10000]
    norms = np.array([0, 1e-12, 1e-7, 1, 1234.5, 1e7, 1e12], np.float32)
    stored = grids.rounded_norm(norms)
    assert stored[0] == grids.ZERO
    assert (np.diff(stored.astype(int)) > 0).all()
    assert np.exp(stored[2:6] / grids.NORM) == pytest.approx(norms[2:6].astype(float), rel=0.00026)


def test_spans_part_the_values_into_quarters():
    rng = np.random.default_rng(0)
    layer = rng.permutation(4000).astype(np.int16).reshape(4, 1000)
    norm = np.full((5, 1000), grids.ZERO, np.int16)
    one = grids.StepGrid(0, [0] * 1000, ["prompt"] * 1000, layer, np.zeros((5, 999), np.int16), norm)
    spans = grids.spans([one])
    assert spans["layer"] == pytest.approx([20, 1000, 2000, 3000, 3980], abs=2)
    assert spans["token"] == [0] * 5
    assert spans["norm"] == [0] * 5  # zeros have no logarithm


def test_a_large_run_gives_the_first_prompts(job, library, tmp_path, monkeypatch):
    """Of every model and benchmark as many; the page says that there are more."""
    from scripts import explore

    where = {"model": "deep", "decode": "default", "benchmark": "a"}
    files = {
        name: Path(job["results"]) / paths.STATISTICS.format(**where, statistic=name)
        for name in grids.STATISTICS
    }
    for file in files.values():  # a second prompt, a copy of the first
        table = pq.read_table(file)
        more = table.set_column(0, "prompt_id", pa.array(["p/1"] * len(table)))
        both = pa.concat_tables([table, more]).replace_schema_metadata(table.schema.metadata)
        pq.write_table(both, file, row_group_size=len(table))
    assert [name for name, _ in grids.read_prompts(files)] == ["p/0", "p/1"]
    run_script("explore", tmp_path / "all.html", **job)
    assert len(data_of(tmp_path / "all.html")["models"][0]["prompts"]) == 3
    monkeypatch.setattr(explore.read, "__defaults__", (1,))
    run_script("explore", tmp_path / "first.html", **job)
    data = data_of(tmp_path / "first.html")
    assert [[p["id"] for p in model["prompts"]] for model in data["models"]] == [["p/0", "p/0"]] * 2
    assert not data["complete"]


@pytest.mark.parametrize("name", ["layers", "tokens", "norms"])
def test_files_that_do_not_fit_together_are_named(job, library, tmp_path, name):
    where = {"model": "deep", "decode": "default", "benchmark": "a", "statistic": name}
    file = Path(job["results"]) / paths.STATISTICS.format(**where)
    table = pq.read_table(file)
    pq.write_table(table.slice(0, len(table) - 1), file)
    with pytest.raises(GoodpartError, match=r"default/a: its files do not fit together .* rerun"):
        run_script("explore", tmp_path / "explore.html", **job)
    assert not (tmp_path / "explore.html").exists()


def test_statistics_without_prompts_are_named(job, library, tmp_path):
    for name in grids.STATISTICS:
        where = {"model": "ar", "decode": "default", "benchmark": "b", "statistic": name}
        file = Path(job["results"]) / paths.STATISTICS.format(**where)
        pq.write_table(pq.read_table(file).slice(0, 0), file)
    with pytest.raises(GoodpartError, match=r"results: the statistics of ar, b lack prompts; .* rerun"):
        run_script("explore", tmp_path / "explore.html", **job)


def test_the_same_results_give_the_same_bytes(job, library, tmp_path):
    for name in ("one", "two"):
        run_script("explore", tmp_path / f"{name}.html", **job)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_texts_are_the_tokenizers_with_nothing_invisible():
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(TINY / "tokenizer.json"))
    ids = range(len(tokenizer))
    found = tokens.texts(TINY, ids)
    plain = {" ": "␣", "\n": "↵", "\r": "␍", "\t": "⇥"}
    for number in ids:
        text = tokenizer.decode([number])
        if text.isascii() and text.isprintable() | (set(text) <= set(plain)):
            assert found[number] == "".join(plain.get(c, c) for c in text)
        assert found[number].isprintable()
        assert found[number]
    assert found[2] == "<|mask|>"
    assert tokens.texts(TINY, [99999]) == {99999: "#99999"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" a\n", "␣a↵"),
        ("\x00\x1b", "\\u{0}\\u{1b}"),
        ("a\u202eb", "a\\u{202e}b"),  # turns the text around
        ("\u2028\xa0\u200b", "\\u{2028}\\u{a0}\\u{200b}"),
        ("\ud800", "\\u{d800}"),
        ("é漢🙂</script>", "é漢🙂</script>"),
    ],
)
def test_signs_of_what_cannot_be_seen(text, shown):
    assert tokens.visible(text) == shown


def test_pieces_of_other_decoders_keep_their_spaces(tmp_path):
    """SentencePiece as Llama has it, whose decoder takes the first space away; and no decoder at all."""
    from tokenizers import Tokenizer, decoders, models

    made = Tokenizer(models.BPE({"▁the": 0, "x": 1, "<0x0A>": 2}, [], byte_fallback=True))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(steps)
    made.save(str(tmp_path / "tokenizer.json"))
    assert tokens.texts(tmp_path, range(3)) == {0: "␣the", 1: "x", 2: "↵"}
    Tokenizer(models.WordLevel({"the": 0, "x": 1}, "x")).save(str(tmp_path / "tokenizer.json"))
    assert tokens.texts(tmp_path, range(2)) == {0: "the", 1: "x"}


def test_pieces_of_a_vocabulary_without_a_tokenizer_json(tmp_path):
    (tmp_path / "vocab.json").write_text('{"Ġthe": 0, "Ċ": 1, "Ã©": 2}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\nĠ the\n")
    (tmp_path / "added_tokens.json").write_text('{"<|mask|>": 3}')
    assert tokens.texts(tmp_path, range(4)) == {0: "␣the", 1: "↵", 2: "é", 3: "<|mask|>"}


def test_no_text_leaves_its_place():
    hostile = "</script><script>alert(1)</script><!--<script>{{library}}"
    made = page.html({"text": hostile}, 'const a = "</script>", b = /<\\/SCRIPT>/, c = "</Script>";')
    assert made.count("</script>") == 3
    assert made.lower().count("</script") == 3
    [text] = re.findall(r'id="data">(.*)</script>', made)
    assert json.loads(text) == {"text": hostile}
    assert made.count("<!--") == 1  # the one about the library
    assert "{{" not in made.replace("{{library}}", "")


def test_without_the_library_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(GoodpartError, match=r"pip install -c envs/lock\.txt -e '\.\[explore\]'"):
        page.library()


def test_the_job_declares_the_modules_that_it_imports(job, tmp_path):
    """In a process of its own, which has imported nothing before."""
    code = (
        "import json, sys\n"
        "from goodpart.jobs.job import Job\n"
        "from goodpart.evaluation.explore import page\n"
        "import scripts.explore as script\n"
        "script.library = lambda: ''\n"
        f"told = {{'params': {job!r}, 'wildcards': {{}}}}\n"
        f"files = {{'input': {{}}, 'output': [{str(tmp_path / 'e.html')!r}]}}\n"
        "script.main(Job.of('explore', 1, files, told))\n"
        "print(json.dumps([m for m in sys.modules if m.split('.')[0] in ('goodpart', 'scripts')]))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "workflow"), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(json.loads(run.stdout)) == sources.modules("scripts.explore")
