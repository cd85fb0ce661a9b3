"""What docs/benchmarks.md shows works as it stands."""

import copy
import re

import yaml

from conftest import ROOT
from goodpart import config as settings_of
from goodpart.parquet import read_table

TEXT = (ROOT / "docs" / "benchmarks.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)


def block(language, start):
    return next(text for kind, text in BLOCKS if kind == language and text.startswith(start))


def merged(base, more):
    """As snakemake merges one configuration into another."""
    for key, value in more.items():
        base[key] = merged(base.get(key, {}), value) if isinstance(value, dict) else value
    return base


def test_local_copies_and_examples_fit_the_papers_configuration(tmp_path):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    merged(config, yaml.safe_load((ROOT / "workflow" / "configs" / "paper.yaml").read_text()))
    local = yaml.safe_load(block("yaml", "# local.yaml"))
    merged(config, local)
    merged(config, yaml.safe_load(block("yaml", "benchmarks:")))
    del config["controlled_study"]
    for benchmark in local["benchmarks"].values():
        for source in benchmark.values():
            file = tmp_path / source["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("a row")
    settings_of.check(copy.deepcopy(config), tmp_path)


def test_a_benchmark_of_ones_own(workflow):
    module = workflow.folder / "workflow" / "goodpart" / "benchmarks" / "sums.py"
    module.write_text(block("python", '"""Sums'))
    (workflow.folder / "mine.yaml").write_text(block("yaml", "# mine.yaml"))
    rows = "".join(f'{{"a": {a}, "b": 1}}\n' for a in range(3))
    (workflow.folder / "sums.jsonl").write_text(rows)
    scores = "results/scores/qwen2.5-tiny/default/sums/full/k0.parquet"
    package = str(workflow.folder / "workflow")
    run = workflow.snakemake("--cores", "2", scores, "--configfile", "mine.yaml", PYTHONPATH=package)
    assert run.returncode == 0, run.stdout
    table = read_table(workflow.folder / scores).to_pylist()
    assert [row["item_id"] for row in table] == [f"evaluation/{i}" for i in range(3)]
    assert {row["reason"] for row in table} == {"the last word"}
