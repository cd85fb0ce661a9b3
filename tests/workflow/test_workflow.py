"""The workflow itself, on a cut-down configuration: results, what re-runs, and what a job is made of."""

import base64
import csv
import json
import os
import shutil

import polars
import pyarrow.parquet as pq
import pytest

from conftest import has_sandbox
from goodpart import paths
from goodpart.jobs import files, records, sources
from goodpart_tools import provenance
from small_run import SMALL, Small
from synthetic import FIGURES, SUFFIXES

# Records the package's modules that each job has imported when it ends. A forked one ends with os._exit.
RECORDER = """
import atexit, json, os, sys

def record():
    if "--log" in sys.argv:
        own = ("goodpart", "goodpart_tools", "scripts")
        names = sorted(name for name in sys.modules if name.split(".")[0] in own)
        entry = {"log": sys.argv[sys.argv.index("--log") + 1], "modules": names}
        with open(os.path.join(os.environ["RECORDS"], f"{os.getpid()}.json"), "w") as file:
            json.dump(entry, file)

def leave(status, leave=os._exit):
    record()
    leave(status)

atexit.register(record)
os._exit = leave
"""


# Modules that start a job, whatever it does.
STARTING = [f"goodpart.jobs.{part}" for part in ("start", "forks", "job", "runtime", "sources")]
# The job of items asks a scorer whether it accepts the gold answers; no item depends on how it does.
BESIDE = {"items": tuple(f"goodpart.benchmarks.{part}" for part in ("scoring", "mathematics", "programs"))}


def study_targets():
    """All of the controlled study, or nothing where code cannot be scored."""
    return ["controlled_study"] if has_sandbox() else []


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A finished run; the tests below only look at it or plan from it."""
    folder = tmp_path_factory.mktemp("small")
    workflow = Small(folder)
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(RECORDER)
    (folder / "records").mkdir()
    targets = ["all", "results/exports/qwen2.5-tiny/similarity/k2", *study_targets()]
    run = workflow.run(*targets, PYTHONPATH=str(folder / "hook"), RECORDS=str(folder / "records"))
    assert run.returncode == 0, run.stdout[-5000:]
    return workflow


@pytest.fixture
def edited(small):
    """The finished run, whose files a test may change; they are put back."""
    saved = small.folder / "saved"
    shutil.copytree(small.folder / "workflow", saved)
    yield small
    small.configure(SMALL)
    shutil.rmtree(small.folder / "workflow")
    saved.rename(small.folder / "workflow")


def test_everything_is_made_and_a_second_call_has_nothing_to_do(small):
    names = [f"table{n}.{kind}" for n in (1, 2, 3) for kind in ("csv", "md", "tex")]
    names += [f"figure{n}.{kind}" for n in (1, 2, 8) for kind in ("pdf", "png", "csv")]
    names += [f"{name}.{suffix}" for name in FIGURES for suffix in SUFFIXES]
    for name in names:
        assert (small.folder / "paper_figs" / name).stat().st_size > 50
    run = small.run()
    assert "Nothing to be done" in run.stdout


def test_cells_hold_what_was_measured(small):
    cells = polars.read_parquet(small.folder / "results" / "cells.parquet")
    assert len(cells) == 3 * 2 * 2
    assert set(cells["status"]) == {"scored"} or not has_sandbox()
    full = cells.filter(policy="full")
    assert set(full["equivalence"]) == {1.0}
    assert set(full["got_k"]) == {0}
    scored = cells.filter(polars.col("status") == "scored")
    assert (scored["accuracy"] * scored["n"] - scored["correct"]).abs().max() < 1e-9
    assert cells["n"].to_list() == [4] * len(cells)
    llada = cells.filter(model="llada-tiny-instruct", policy="similarity")
    assert set(llada["flops_reduction_layers"]) == {100 * 2 / 32}
    saved = scored.filter(policy="similarity")
    assert (saved["flops_reduction_true"] < saved["flops_reduction_layers"]).all()
    assert (saved["flops_reduction_true"] > 0.9 * saved["flops_reduction_layers"]).all()
    assert set(full["flops_reduction_true"]) == {0.0}


def test_generations_were_made_with_the_layers_of_the_skip_set(small):
    at = small.folder / "results"
    where = {"model": "dream-tiny-base", "decode": "default", "benchmark": "tiny-mbpp"}
    skip_set = json.loads(
        (at / paths.SKIP_SET.format(model=where["model"], policy="similarity", k=2)).read_text()
    )
    assert skip_set["index_base"] == 0
    assert len(skip_set["layers"]) == skip_set["got_k"] == 2
    for policy, k, layers in (("full", 0, []), ("similarity", 2, skip_set["layers"])):
        shard = at / paths.GENERATIONS.format(**where, policy=policy, k=k, first=0, last=3)
        made = json.loads(pq.read_schema(shard).metadata[b"goodpart"])
        assert made["layers_skipped"] == layers
        assert [file.name for file in shard.parent.glob(".*")] == [".0-3.kept"]  # the journal is gone


def test_an_export_is_a_checkpoint_without_the_layers(small):
    config = json.loads((small.folder / "results/exports/qwen2.5-tiny/similarity/k2/config.json").read_text())
    assert config["num_hidden_layers"] == 26


def test_the_cache_opens_in_polars_and_holds_every_depth(small):
    folder = small.folder / "results" / "hidden_states" / "dream-tiny-base" / "default" / "tiny-mbpp"
    files = sorted(folder.glob("*.parquet"))
    assert len(files) == 2
    table = polars.read_parquet(files[0])
    assert set(table["depth"]) == set(range(29))
    assert set(table["step"]) == {0, 31}
    assert set(table.filter(step=0)["kind"]) == {"prompt", "masked"}
    assert table.schema["hidden"] == polars.Array(polars.Float32, 64)


def test_statistics_cover_the_stored_and_the_streamed_prompts(small):
    at = small.folder / "results"
    where = {"model": "llada-tiny-instruct", "benchmark": "tiny-mbpp"}
    for decode, last in (("default", 31), ("first8", 7)):
        assert len(list((at / paths.HIDDEN_STATES.format(**where, decode=decode)).glob("*.parquet"))) == 2
        assert len(list((at / paths.STREAMED.format(**where, decode=decode)).glob("*/pairs.parquet"))) == 1
        for statistic in ("layers", "tokens", "norms", "pairs"):
            file = at / paths.STATISTICS.format(**where, decode=decode, statistic=statistic)
            table = polars.read_parquet(file)
            assert table["prompt_id"].n_unique() == 3
            assert set(table["step"]) == {0, last}
            assert table.filter(step=0)["mask_ratio"].unique().to_list() == [1.0]


def test_hidden_states_can_be_deleted_and_nothing_runs_again(small):
    folder = small.folder / "results" / "hidden_states"
    saved = small.folder / "kept"
    shutil.copytree(folder, saved)
    try:
        assert small.run("delete_hidden_states").returncode == 0
        assert not folder.exists()
        assert small.planned() == {}
    finally:
        saved.rename(folder)


def test_figures_need_statistics_only(small):
    """So they are redrawn from a copied results folder, without checkpoints."""
    shown = {f"paper_figs/{name}.png" for name in FIGURES}
    seen = set()
    for file in (small.folder / ".snakemake" / "metadata").rglob("*"):
        if file.is_file():
            name = base64.b64decode(file.name, altchars=b"-_").decode(errors="replace")
            if name in shown:
                seen.add(name)
                for path in json.loads(file.read_text())["input"]:
                    assert path.startswith("results/statistics/"), (name, path)
    assert seen == shown


@pytest.mark.skipif(not has_sandbox(), reason="no sandbox works here")
def test_the_controlled_study_shows_its_models_side_by_side(small):
    study = polars.read_parquet(small.folder / "results" / "controlled_study.parquet")
    assert set(study.filter(kind="model")["name"]) == {"qwen2.5-tiny", "dream-tiny-base"}
    cells = polars.read_parquet(small.folder / "results" / "cells.parquet")
    for model in ("qwen2.5-tiny", "dream-tiny-base"):
        for benchmark in ("tiny-math500", "tiny-mbpp"):
            [one] = study.filter(name=model, measure="accuracy", benchmark=benchmark, at=2)["value"]
            assert one == cells.filter(model=model, benchmark=benchmark, asked_k=2)["accuracy"][0]
    text = (small.folder / "paper_figs" / "controlled_study_table.md").read_text()
    assert "both: dream-tiny-base - qwen2.5-tiny" in text
    curves = (small.folder / "paper_figs" / "training_curves.csv").read_text()
    assert "dream-tiny-base,1000," in curves


def test_provenance_leads_from_the_table_to_models_and_data(edited, tmp_path):
    said = provenance.report(edited.folder / "paper_figs" / "table1.csv")
    for stage in ("table1: ", "cells: ", "scores: ", "generations: ", "skip_set: ", "items: "):
        assert f"\n{stage}" in said
    assert "setting  seed = 0" in said
    weights = edited.folder / "workflow" / "resources" / "models" / "qwen2.5-tiny" / "model.safetensors"
    name = weights.relative_to(edited.folder)
    assert f"input  {name}  sha256:{files.sha256(weights)}" in said
    assert said.endswith("changed since: nothing")
    # The records travel with the results, without Snakemake's own folder.
    for folder in ("results", "paper_figs"):
        shutil.copytree(edited.folder / folder, tmp_path / folder)
    elsewhere = provenance.report(tmp_path / "paper_figs" / "table1.csv")
    assert (
        elsewhere.split("changed since")[0].splitlines()[1:]
        == said.split("changed since")[0].splitlines()[1:]
    )
    file = edited.folder / "workflow" / "goodpart" / "evaluation" / "retention_tables.py"
    file.write_text(file.read_text() + "\n# changed\n")
    changed = provenance.report(edited.folder / "paper_figs" / "table1.csv")
    assert (
        "workflow/goodpart/evaluation/retention_tables.py: its content has changed since table1 read it"
        in changed
    )


def test_tables_are_drawn_from_results_made_elsewhere(small, tmp_path):
    here = Small(tmp_path)
    shutil.copytree(small.folder / "results", tmp_path / "results")
    run = here.run("results/cells.parquet", "--touch")
    assert run.returncode == 0, run.stdout[-3000:]
    assert here.jobs("paper_figs/table1.csv", "--configfile", "small.yaml") == {"table1": 1}


def test_the_likelihood_figure_needs_no_completions(small, tmp_path):
    """And has the numbers of the cells."""
    with (small.folder / "paper_figs" / "likelihood.csv").open() as file:
        drawn = list(csv.DictReader(file))
    cells = polars.read_parquet(small.folder / "results" / "cells.parquet")
    cells = cells.filter(polars.col("policy").is_in(["full", "similarity"]))
    assert len(drawn) == len(cells) > 6
    for row, cell in zip(drawn, cells.iter_rows(named=True), strict=True):
        for name, shown in row.items():
            value = "" if cell[name] is None else cell[name]
            assert shown == (f"{value:.4f}" if isinstance(value, float) else str(value)), name
    planned = Small(tmp_path).jobs("paper_figs/likelihood.pdf", "--configfile", "small.yaml")
    assert set(planned) == {"items", "calibration", "skip_set", "likelihoods", "likelihood_figure"}


def test_one_more_k_of_one_model_makes_its_cells_only(edited):
    config = {**SMALL, "models": {**SMALL["models"], "qwen2.5-tiny": {"layers_skipped": [0, 2, 3]}}}
    edited.configure(config)
    assert edited.planned() == {
        "skip_set": 1,
        "generations": 2,
        "scores": 2,
        "cells": 1,
        "likelihoods": 2,
        "likelihood_figure": 1,
        "figure1": 1,
        "table1": 1,
        "table2": 1,
        "table3": 1,
        "comparison": 1,
        "run_page": 1,
        "all": 1,
    }


def test_touching_files_runs_nothing_again(edited):
    weights = "../resources/models/qwen2.5-tiny/model.safetensors"
    for name in ("../scripts/generations.py", "states/similarity.py", "models/loading.py", weights):
        os.utime(edited.folder / "workflow" / "goodpart" / name)
    assert edited.planned() == {}


def test_neighbours_of_a_checkpoint_and_of_states_run_nothing_again(edited):
    """What macOS, an editor or a person leaves there; a changed weight is another matter."""
    folder = edited.folder / "workflow" / "resources" / "models" / "qwen2.5-tiny"
    states = next((edited.folder / "results" / "hidden_states").rglob("*.parquet"))
    strange = [
        folder / name for name in ("._model.safetensors", ".DS_Store", "notes.txt", "old.json", "a.jinja")
    ]
    strange.append(states.with_name(f"._{states.name}"))
    try:
        for file in strange:
            file.write_bytes(b"\0\5\26\7")
        assert edited.planned() == {}
        copied = shutil.copy(folder / "model.safetensors", edited.folder / "copy")
        (folder / "model.safetensors").unlink()
        shutil.move(copied, folder / "model.safetensors")
        assert edited.planned() == {}
        run = edited.run("--forcerun", "statistics", "--until", "statistics")
        assert run.returncode == 0, run.stdout[-3000:]
        content = bytearray((folder / "model.safetensors").read_bytes())
        content[-1] ^= 1
        (folder / "model.safetensors").write_bytes(content)
        planned = edited.planned()
        assert planned["calibration"] == 1
        assert planned["generations"] == 4  # two benchmarks, two depths
    finally:
        strange[-1].unlink()


def test_changed_similarity_code_runs_from_the_similarities_on(edited):
    file = edited.folder / "workflow" / "goodpart" / "states" / "similarity.py"
    file.write_text(file.read_text() + "\n# changed\n")
    planned = edited.planned()
    assert planned["statistics"] == 3 * 2
    assert planned["skip_set"] == 4  # and the set of Figure 2
    assert planned["streamed_statistics"] == 3 * 2  # nothing is left of those but their statistics
    assert "hidden_states" not in planned
    assert "items" not in planned


def test_a_changed_sampler_runs_its_family_only(edited):
    """test_plans.py has the plans of a changed scorer or prompt."""
    file = edited.folder / "workflow" / "goodpart" / "decoding" / "samplers" / "dream.py"
    file.write_text(file.read_text() + "\n# changed\n")
    planned = edited.planned()
    assert planned["hidden_states"] == 2  # windows
    assert planned["generations"] == 4  # two benchmarks, two depths


def test_declared_sources_are_the_imported_modules(small):
    """Each job's declared source files are the modules of the package that it really imported."""
    union = imported_by_code(small.folder)
    assert {rule for rule, _ in union} >= {
        "items", "hidden_states", "streamed_statistics", "statistics", "skip_set", "generations",
        "scores", "cells", "table1", "export", *FIGURES,
    }  # fmt: skip
    if study_targets():
        assert {rule for rule, _ in union} >= {
            "controlled_study_measures", "controlled_study_figure", "controlled_study_table",
            "training_curves",
        }  # fmt: skip
    for (rule, code), modules in union.items():
        names = {name for name in modules if not name.startswith(BESIDE.get(rule, ()))}
        real = set(sources_of(names))
        assert set(code) <= real, rule
        assert real - set(code) <= set(sources_of(STARTING)), rule


def imported_by_code(folder):
    """The modules that jobs imported (RECORDER), by rule and the source files that the jobs declare."""
    imported = {}
    for file in (folder / "records").iterdir():
        record = json.loads(file.read_text())
        imported.setdefault(record["log"], set()).update(record["modules"])
    union = {}
    for record in records.recorded_by_snakemake(folder).values():
        log = (record.log or [None])[0]
        if log in imported:
            code = frozenset(f for f in record.input if f.startswith("workflow/") and f.endswith(".py"))
            union.setdefault((record.rule, code), set()).update(imported[log])
    return union


def sources_of(modules):
    return [sources._file(module).relative_to(sources.ROOT.parent).as_posix() for module in sorted(modules)]


def test_metadata_names_are_what_the_source_test_reads(small):
    """The test of the sources reads Snakemake's records; if their form changes, it must not pass empty."""
    records = [f for f in (small.folder / ".snakemake" / "metadata").rglob("*") if f.is_file()]
    assert len(records) > 10
    names = {base64.b64decode(f.name, altchars=b"-_").decode(errors="replace") for f in records[:3]}
    assert all("results" in name or "paper_figs" in name for name in names)
