"""Every example of docs/parquet.md runs as it stands, on files like those of the workflow."""

import re

import numpy as np
import pyarrow as pa
import pytest

from conftest import ROOT
from goodpart import paths
from goodpart.evaluation import cells, completions, scores
from goodpart.jobs.parquet import PLACE, provenance, write_rows
from goodpart.states.cache import CacheWriter, StepStates
from goodpart.states.cache import schema as states_schema
from goodpart.states.statistics import SCHEMAS, TableWriters, step_tables
from scripts import likelihoods

TEXT = (ROOT / "docs" / "parquet.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
DEPTHS, POSITIONS, WIDTH = 29, 7, 64


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("docs"), np.random.default_rng(0)
    where = {"model": "dream-tiny-base", "decode": "default", "benchmark": "tiny-mbpp"}
    cache = folder / "results" / paths.HIDDEN_STATES.format(**where)
    cache.mkdir(parents=True)
    files = [folder / "results" / paths.STATISTICS.format(**where, statistic=s) for s in SCHEMAS]
    kinds = np.array([0, 0, 0, 0, 2, 1, 1], np.int8)
    place = ("dream-tiny-base", "tiny-mbpp")
    with TableWriters(files, provenance(), place) as tables:
        for prompt in ("p-0", "p-1"):
            with CacheWriter(cache / f"{prompt}.parquet", WIDTH, provenance(), place) as writer:
                for step in (0, 3):
                    hidden = rng.normal(size=(DEPTHS, POSITIONS, WIDTH)).astype(np.float32)
                    states = StepStates(prompt, step, np.arange(POSITIONS), kinds, hidden)
                    writer.write(states)
                    tables.add(step_tables(states))
    file = folder / "results" / paths.SCORES.format(**where, policy="similarity", k=4)
    file.parent.mkdir(parents=True)
    blank = dict.fromkeys(scores.SCHEMA.names)
    rows = [{**blank, "item_id": f"{name}-one", "correct": name == "right"} for name in ("wrong", "right")]
    write_rows(file, rows, scores.SCHEMA, provenance())
    return folder


@pytest.mark.parametrize(
    "code", EXAMPLES, ids=lambda code: re.search(r"pandas|polars|duckdb|goodpart", code)[0]
)
def test_an_example_runs_and_prints(code, results, monkeypatch, capsys):
    monkeypatch.chdir(results)
    exec(code, {})
    said = capsys.readouterr().out
    assert said.strip()
    if "pandas" in code:
        assert said.strip() == f"({DEPTHS}, {WIDTH})"
    if "array_inner_product" in code:
        assert f"[{DEPTHS * 3} rows x 3 columns]" in said
    if "results/scores" in code:
        assert "wrong-one" in said
        assert "right-one" not in said


@pytest.mark.parametrize(
    ("page", "heading", "schema"),
    [
        ("parquet.md", "## Completions", completions.SCHEMA),
        ("parquet.md", "## Scores", scores.SCHEMA),
        ("parquet.md", "## Hidden states", pa.schema([*states_schema(1), *PLACE])),
        ("parquet.md", "## Likelihoods", likelihoods.SCHEMA),
        ("statistics.md", "# What the numbers mean", cells.SCHEMA),
    ],
    ids=["completions", "scores", "states", "likelihoods", "cells"],
)
def test_the_columns_shown_are_those_of_the_file(page, heading, schema):
    text = (ROOT / "docs" / page).read_text()
    section = re.split(r"\n## ", text[text.index(heading) + len(heading) :])[0]
    shown = [name for row in re.findall(r"^\|(.*?)\|", section, re.M) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(shown) == sorted(schema.names)


def test_the_three_libraries_have_an_example():
    assert {"pandas", "polars", "duckdb"} <= {
        name for code in EXAMPLES for name in re.findall(r"^import (\w+)", code, re.MULTILINE)
    }
