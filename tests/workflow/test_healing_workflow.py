"""The healing study on a cut-down configuration: what it makes, at equal FLOPs, and what stops it."""

import pytest
from test_workflow import RECORDER, STARTING, imported_by_code, sources_of

from goodpart.jobs.files import read_json
from goodpart.jobs.parquet import read_metadata, read_table
from small_run import SMALL, Small

MODELS = ["qwen2.5-tiny"]
CHANGES = {
    **SMALL,
    "policies": {"healed": {"heal": {"rank": 2, "steps": 2, "batch": 2, "prompts": 8}}},
    "generation": {"kl_items": 2, "likelihood_items": 2, "likelihood_draws": 1},
    "table": {"resamples": 100},
    "healing_study": {"models": MODELS, "benchmarks": ["tiny-math500"], "layers_skipped": [2]},
}
RULES = {
    "healed",
    "healing_measures",
    "healing_figure",
    "healing_table",
    "generations",
    "likelihoods",
    "export",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A finished study, with an export."""
    pytest.importorskip("peft", reason="peft is not installed (the extra heal)")
    folder = tmp_path_factory.mktemp("healing")
    workflow = Small(folder)
    workflow.configure(CHANGES)
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(RECORDER)
    (folder / "records").mkdir()
    targets = ["healing_study", "results/exports/qwen2.5-tiny/healed/k2"]
    run = workflow.run(*targets, PYTHONPATH=str(folder / "hook"), RECORDS=str(folder / "records"))
    assert run.returncode == 0, run.stdout[-5000:]
    return workflow


def test_everything_is_made_once(small):
    for name in ("healing.pdf", "healing.png", "healing.csv", "healing_table.csv", "healing_table.md"):
        assert (small.folder / "paper_figs" / name).stat().st_size > 50
    assert small.planned_for("healing_study", "results/exports/qwen2.5-tiny/healed/k2") == {}
    assert "healed" not in small.planned_for("all")  # not part of the default run


def test_cells_stand_side_by_side_at_equal_flops(small):
    rows = read_table(small.folder / "results" / "healing_study_cells.parquet").to_pylist()
    assert {(r["policy"], r["asked_k"]) for r in rows} == {("full", 0), ("similarity", 2), ("healed", 2)}
    for model in MODELS:
        before, after = (next(r for r in rows if (r["model"], r["policy"]) == (model, p))
                         for p in ("similarity", "healed"))  # fmt: skip
        assert before["layers"] == after["layers"]
        assert before["flops_reduction_layers"] == after["flops_reduction_layers"]
        # Per pass; completions, and with them the number of passes, may differ.
        assert after["flops_reduction_true"] == pytest.approx(before["flops_reduction_true"], abs=0.5)
        assert before["kl"] != after["kl"]
        assert before["nll"] != after["nll"]
    files = {p: small.folder / f"results/generations/qwen2.5-tiny/default/tiny-math500/{p}/k2/0-3.parquet"
             for p in ("similarity", "healed")}  # fmt: skip
    assert read_metadata(files["similarity"])["shape"] == read_metadata(files["healed"])["shape"]


def test_an_export_of_a_healed_model_has_its_weights(small):
    from goodpart.models.loading import load

    healed = load(str(small.folder / "results/healed/qwen2.5-tiny/healed/k2"), device="cpu")
    short = load(str(small.folder / "results/exports/qwen2.5-tiny/healed/k2"), device="cpu")
    skipped = read_json(small.folder / "results/skip_sets/qwen2.5-tiny/healed/k2.json")["layers"]
    kept = [i for i in range(healed.layers) if i not in skipped]
    assert short.layers == len(kept) == healed.layers - 2
    for number, old in enumerate(kept):
        of = [model.module.model.layers[i].state_dict() for model, i in ((short, number), (healed, old))]
        assert all(of[0][name].equal(of[1][name]) for name in of[0])


def test_trained_prompts_are_calibration_prompts_that_are_not_evaluated(small):
    folder = small.folder / "results" / "items"
    trained = set(read_table(folder / "tiny-mbpp" / "healing.parquet")["prompt"].to_pylist())
    for benchmark in ("tiny-math500",):
        evaluated = read_table(folder / benchmark / "evaluation.parquet")["prompt"].to_pylist()
        assert not trained & set(evaluated)
    assert read_json(small.folder / "results/healed/qwen2.5-tiny/healed/k2/healing.json")["prompts"] == [7, 1]


def test_declared_sources_are_the_imported_modules(small):
    union = {key: found for key, found in imported_by_code(small.folder).items() if key[0] in RULES}
    assert {rule for rule, _ in union} == RULES
    for (rule, code), modules in union.items():
        real = set(sources_of(modules))
        assert set(code) <= real, rule
        assert real - set(code) <= set(sources_of(STARTING)), rule


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "healing needs peft, which is not installed; run pip install -c envs/lock.txt -e '.[heal]'"),
        ({"policies": {"healed": {"threshold": 0.5, "heal": {}}}}, "it chooses other layers than similarity"),
        ({"policies": {"healed": {"heal": None}}}, "healing_study.healed names it, and it has no heal"),
        ({"healing_study": None}, "healing_study: is missing; add it"),
    ],
)
def test_what_is_missing_or_wrong_is_one_line_before_any_job(tmp_path, changes, said):
    workflow = Small(tmp_path)
    workflow.configure({**CHANGES, **changes})
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text('import sys\n\nsys.modules["peft"] = None\n')
    run = workflow.run("healing_study", PYTHONPATH=str(tmp_path / "hook"))
    assert run.returncode != 0
    assert said in run.stdout
    assert not (tmp_path / "results").exists()
    # What does not ask for it runs.
    assert workflow.planned_for("paper_figs/table1.csv")["table1"] == 1
