"""Random weights in the public formats of LLaDA-8B and Dream-7B, narrow but with every layer and token, from
sharded files to Table 1. `tests/bench/public_formats.py` runs other widths and measures."""

import csv
import json

import pytest
import torch

from conftest import ROOT
from formats import FORMATS, public_config, tensors, write_checkpoint
from goodpart.models.loading import load

WIDTH = 1 / 32


@pytest.mark.parametrize(("name", "parameters", "count"), [
    ("llada-8b", 8_015_581_184, 291), ("dream-7b", 7_615_616_512, 339)])  # fmt: skip
def test_the_full_format_has_the_public_tensors(name, parameters, count):
    shapes = dict(tensors(name, public_config(name, 1.0)))
    assert len(shapes) == count
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == parameters


@pytest.mark.parametrize("name", FORMATS)
def test_shards_load(name, tmp_path):
    total = write_checkpoint(tmp_path / name, name, WIDTH / 2, shard_bytes=4 << 20)
    assert len(list((tmp_path / name).glob("*.safetensors"))) >= 3
    model = load(str(tmp_path / name), dtype="bfloat16", device="cpu")
    assert sum(p.numel() for p in model.module.parameters()) == total
    assert model.layers == {"llada-8b": 32, "dream-7b": 28}[name]


def test_the_whole_path_runs_on_both(workflow):
    """Load, capture, similarity, skip set, generation, score: no answer is right, and every cell is there."""
    models = {}
    for name, family, layers in (("llada-8b", "llada", 32), ("dream-7b", "dream", 28)):
        write_checkpoint(workflow.folder / "checkpoints" / name, name, WIDTH, shard_bytes=16 << 20)
        models[f"random-{name}"] = {
            "path": f"checkpoints/{name}", "family": family, "layers": layers,
            "layers_skipped": [0, 2], "dtype": "bfloat16",
        }  # fmt: skip
    config = {
        "run": {"models": list(models), "benchmarks": ["tiny-math500"]},
        "models": models,
        "benchmarks": {"tiny-math500": {"n": 2, "max_new_tokens": 8}},
        "capture": {"benchmarks": ["tiny-mbpp"], "prompts": 1, "steps": [0]},
        "policies": {"similarity": {"threshold": -1}},
        "generation": {"kl_items": 1, "kl_states": 1},
    }
    (workflow.folder / "random.yaml").write_text(json.dumps(config))
    run = workflow.snakemake("paper_figs/table1.csv", "--cores", "1", "--configfile", "random.yaml")
    assert run.returncode == 0, run.stdout[-4000:]
    rows = list(csv.DictReader((workflow.folder / "paper_figs" / "table1.csv").open()))
    assert [row["layers_skipped"] for row in rows] == ["0", "2"]
    for name in models:
        [chosen] = (workflow.folder / "results" / "skip_sets" / name / "similarity").glob("k2.json")
        assert json.loads(chosen.read_text())["got_k"] == 2


def test_the_shapes_are_what_the_configuration_names():
    text = (ROOT / "workflow" / "configs" / "paper.yaml").read_text()
    for name in FORMATS:
        assert f"workflow/resources/shapes/{name}.json" in text
