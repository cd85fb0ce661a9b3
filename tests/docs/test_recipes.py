"""The recipes of the documentation, followed to the letter in a copy of the workflow."""

import csv
import json

import pytest

from conftest import ROOT
from documentation import commands, save


@pytest.mark.parametrize("name", ["benchmarks.md", "extend.md"])
def test_a_recipe_makes_what_it_promises(name, workflow):
    page = ROOT / "docs" / name
    save(page, workflow.folder)
    own = [c for c in commands(page, set()) if c.words[0] == "snakemake" and c.words[-1] == "mine.yaml"]
    assert own
    for command in own:
        run = workflow.snakemake(*command.words[1:])
        assert run.returncode == 0, run.stdout
    made = {word for command in own for word in command.words if word.startswith("paper_figs/")}
    assert all((workflow.folder / file).stat().st_size for file in made)
    if name == "benchmarks.md":
        assert "| sums | 0 (baseline) |" in (workflow.folder / "paper_figs" / "table1.md").read_text()
    else:
        chosen = workflow.folder / "results" / "skip_sets" / "qwen2.5-tiny" / "middle" / "k4.json"
        assert json.loads(chosen.read_text())["layers"] == [12, 13, 14, 15]
        with (workflow.folder / "paper_figs" / "accuracies.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert {(row["policy"], row["asked_k"]) for row in rows} >= {("full", "0"), ("middle", "4")}
