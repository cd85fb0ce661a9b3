"""The healing study: paired gains and costs on made-up results, and what stops it before any work."""

import copy
import csv

import numpy as np
import pytest
import yaml

from conftest import ROOT, run_script
from goodpart import paths
from goodpart.config import Configuration, check
from goodpart.config.cells import studies
from goodpart.config.healing_mistakes import study_mistakes
from goodpart.errors import GoodpartError
from goodpart.evaluation import cells as cells_room
from goodpart.evaluation import completions, scores
from goodpart.evaluation.intervals import percentile_interval, resampling
from goodpart.jobs.files import write_json
from goodpart.jobs.parquet import provenance, read_table, write_rows
from goodpart.models.flops import Shape, decode_flops, passes
from scripts import likelihoods
from scripts.healing_table import to_markdown

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
SHAPE = {"layers": 8, "width": 16, "attention": 16, "kv": 8, "mlp": 32, "vocabulary": 64}
CHOSEN = {
    "models": ["a"],
    "benchmarks": ["one", "two"],
    "policy": "similarity",
    "healed": "healed",
    "layers_skipped": [4],
    "decode": "default",
    "shards": {"one": [[0, 39]], "two": [[0, 19]]},
    "likelihoods": True,
}
HEAL = {"rank": 8, "steps": 200, "batch": 8, "learning_rate": 0.001, "prompts": 64, "seed": 0}
FULL, SKIPPED, AFTER = ("full", 0), ("similarity", 4), ("healed", 4)
KL = {"kl_before": [0.4, 0.2, 0.3], "kl_after": [0.1, 0.1, 0.3]}


def verdicts(benchmark, policy):
    """Healing brings back half of what skipping loses."""
    right = np.arange(40 if benchmark == "one" else 20) % 4 > 0
    lost = np.arange(len(right)) % 2 == 1
    return {
        "full": right,
        "similarity": right & ~lost,
        "healed": right & ~(lost & (np.arange(len(right)) % 3 > 0)),
    }[policy]


def nats(benchmark, policy):
    base = np.arange(20 if benchmark == "one" else 10) / 10
    return base + {"full": 0.0, "similarity": 0.5 + base / 10, "healed": 0.2}[policy]


@pytest.fixture
def results(tmp_path):
    for benchmark, n in (("one", 40), ("two", 20)):
        for policy, k in (FULL, SKIPPED, AFTER):
            where = {"model": "a", "decode": "default", "benchmark": benchmark, "policy": policy, "k": k}
            table = [
                {"item_id": f"{i}", "sample": 0, "correct": bool(c), "status": "scored", "strict": bool(c)}
                for i, c in enumerate(verdicts(benchmark, policy))
            ]
            write_rows(tmp_path / paths.SCORES.format(**where), table, scores.SCHEMA, provenance())
        full = {"model": "a", "decode": "default", "benchmark": benchmark, "policy": "full", "k": 0}
        made = [{"item_id": f"{i}", "sample": 0, "prompt_tokens": 5, "forward_passes": 6} for i in range(n)]
        facts = {"family": "qwen2", "decode": {"max_new_tokens": 8}, "shape": SHAPE, "model": "a"}
        file = tmp_path / paths.GENERATIONS.format(**full, first=0, last=n - 1)
        write_rows(file, made, completions.SCHEMA, provenance(**facts))
        rows = [
            {"item_id": str(i), "policy": policy, "asked_k": k, "tokens": 1, "nll": float(x)}
            for policy, k in (FULL, SKIPPED, AFTER)
            for i, x in enumerate(nats(benchmark, policy))
        ]
        place = {"table": "healing_study_cells", "model": "a", "benchmark": benchmark}
        write_rows(tmp_path / paths.LIKELIHOODS.format(**place), rows, likelihoods.SCHEMA, provenance())
    folder = tmp_path / paths.HEALED.format(model="a", policy="healed", k=4)
    write_json(folder / "healing.json", {**KL, "flops": {"completions": 10**6, "training": 10**7}})
    put_cells(tmp_path)
    return tmp_path


def put_cells(results, layers_of_healed=(1, 3, 5), saved=(30.0, 40.0)):
    cells = [
        {"model": "a", "benchmark": b, "policy": p, "asked_k": 4, "got_k": 3,
         "layers": [1, 3, 5] if p == "similarity" else list(layers_of_healed), "flops_reduction_true": x}
        for b, x in zip(("one", "two"), saved, strict=True)
        for p in ("similarity", "healed")
    ]  # fmt: skip
    write_rows(results / paths.HEALING_CELLS, cells, cells_room.SCHEMA, provenance())


def measure(results):
    inputs = {"cells": results / paths.HEALING_CELLS}
    params = {"selection": CHOSEN, "heal": HEAL, "level": 0.95, "resamples": 500}
    run_script("healing_measures", results / paths.HEALING_STUDY, inputs=inputs, **params)
    rows = read_table(results / paths.HEALING_STUDY).to_pylist()
    return {(r["benchmark"], r["weights"], r["measure"]): r for r in rows}


def test_retention_and_its_gain_are_paired(results):
    found = measure(results)
    right = {p: np.concatenate([verdicts(b, p) for b in ("one", "two")]) for p, _ in (FULL, SKIPPED, AFTER)}
    draws = resampling([40, 20], 500)
    base = draws @ right["full"]
    for weights, policy in (("skipped", "similarity"), ("healed", "healed")):
        row = found["all", weights, "retention"]
        assert row["value"] == pytest.approx(100 * right[policy].sum() / right["full"].sum())
        interval = percentile_interval(100 * (draws @ right[policy]) / base, 0.95)
        assert (row["low"], row["high"]) == pytest.approx(interval)
        assert (row["n"], row["asked_k"], row["got_k"]) == (60, 4, 3)
        assert row["flops_reduction_true"] == 35.0
    gain = found["all", "gain", "retention"]
    drawn = 100 * (draws @ (right["healed"].astype(float) - right["similarity"])) / base
    assert gain["value"] == pytest.approx(
        found["all", "healed", "retention"]["value"] - found["all", "skipped", "retention"]["value"]
    )
    assert (gain["low"], gain["high"]) == pytest.approx(percentile_interval(drawn, 0.95))
    assert gain["low"] > 0
    one = found["one", "healed", "accuracy"]
    assert (one["value"], one["n"]) == (verdicts("one", "healed").mean(), 40)


def test_likelihood_divergence_and_cost(results):
    found = measure(results)
    more = {p: np.concatenate([nats(b, p) - nats(b, "full") for b in ("one", "two")])
            for p in ("similarity", "healed")}  # fmt: skip
    assert found["all", "skipped", "nll_increase"]["value"] == pytest.approx(more["similarity"].mean())
    assert found["all", "healed", "nll_increase"]["value"] == pytest.approx(0.2)
    gain = found["all", "gain", "nll_increase"]
    drawn = resampling([20, 10], 500) @ (more["healed"] - more["similarity"]) / 30
    assert (gain["low"], gain["high"]) == pytest.approx(percentile_interval(drawn, 0.95))
    assert gain["n"] == 30
    assert found["all", "skipped", "kl"]["value"] == pytest.approx(0.3)
    assert found["all", "healed", "kl"]["n"] == 3
    one = decode_flops(Shape(**SHAPE), passes("qwen2", {"max_new_tokens": 8}, 5, 6))
    cost = found["all", "healed", "cost"]
    assert cost["value"] == pytest.approx(1.1e7 / one)
    assert cost["low"] is cost["high"] is None
    assert found["all", "healed", "break_even"]["value"] == pytest.approx(1.1e7 / one / 0.35)


def test_what_saves_nothing_never_pays_back(results):
    """A policy may find no layer at all."""
    put_cells(results, saved=(0.0, 0.0))
    measure(results)
    rows = read_table(results / paths.HEALING_STUDY).to_pylist()
    assert [r["value"] for r in rows if r["measure"] == "break_even"] == [None]
    last = to_markdown(rows, {"selection": CHOSEN, "heal": HEAL, "level": 0.95}).splitlines()[2]
    assert last.endswith("| never |")


def test_other_layers_are_no_comparison_at_equal_flops(results):
    put_cells(results, layers_of_healed=(1, 3, 6))
    with pytest.raises(GoodpartError, match="a, k = 4: similarity and healed skip different layers"):
        measure(results)


def test_the_table_and_the_figure_show_the_measures(results, tmp_path):
    found = measure(results)
    study = {"study": results / paths.HEALING_STUDY}
    files = [tmp_path / f"healing_table.{suffix}" for suffix in ("csv", "md", "html")]
    run_script("healing_table", files, inputs=study)
    [line] = [line for line in files[1].read_text().splitlines() if line.startswith("| a |")]
    words = [word.strip() for word in line.strip("|").split("|")]
    assert words[:3] == ["a", "4 [3 layers]", "35.0 %"]
    assert words[4].startswith(f"{found['all', 'healed', 'retention']['value']:.1f} (")
    assert words[5].startswith("+")
    assert words[5].endswith("\\*")
    for at, benchmark in ((6, "one"), (7, "two")):
        assert words[at].startswith(f"{found[benchmark, 'gain', 'retention']['value']:+.1f} (")
    assert "over 60 items of 2 benchmarks" in " ".join(files[1].read_text().split())
    with files[0].open() as file:
        assert len(list(csv.DictReader(file))) == len(found)
    drawn = [tmp_path / f"healing.{suffix}" for suffix in ("pdf", "png", "csv")]
    run_script("healing_figure", drawn, inputs=study, models={"a": None})
    with drawn[2].open() as file:
        rows = list(csv.DictReader(file))
    assert {(r["weights"], r["measure"]) for r in rows} == {
        (weights, measure) for weights in ("skipped", "healed") for measure in ("retention", "nll_increase")
    }
    before = [file.read_bytes() for file in drawn]
    run_script("healing_figure", drawn, inputs=study, models={"a": None})
    assert [file.read_bytes() for file in drawn] == before


def broken(**changes):
    config = copy.deepcopy(CONFIG)
    for place, value in changes.items():
        *keys, last = place.split("__")
        section = config
        for key in keys:
            section = section[key.replace("_dash_", "-")]
        section[last] = value
    return config


def test_the_study_is_its_policy_and_the_healed_one():
    cells = studies(Configuration.model_validate(copy.deepcopy(CONFIG)))["healing_study_cells"].cells
    assert len(cells) == 3 * 2 * (1 + 2 * 4)
    assert {(p, k) for _, _, p, k in cells} == {
        FULL, *((policy, k) for policy in ("similarity", "healed") for k in (4, 6, 8, 12))
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"policies__healed__heal": {"rank": 0}}, "policies.healed.heal.rank: 0 is not allowed"),
        ({"policies__healed__heal": {"ranks": 4}}, "policies.healed.heal"),
        ({"studies": {"healing_study": {"models": ["qwen2.5-tiny"], "benchmarks": ["tiny-gsm8k"],
                                        "policies": ["healed"], "layers_skipped": [2]}}}, "is taken by"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_fix(changes, said):
    with pytest.raises(GoodpartError) as error:
        check(broken(**changes), ROOT)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"healing_study__models": ["gpt"]}, "healing_study.models: 'gpt' is not in models"),
        ({"healing_study__benchmarks": ["tiny-gsm8k-129"]}, "did you mean 'tiny-gsm8k-128'?"),
        ({"healing_study__healed": "heeled"}, "healing_study.healed: 'heeled' is not in policies; did you"),
        ({"healing_study__healed": "similarity"}, "is also its policy; name an entry with heal"),
        ({"healing_study__layers_skipped": [15]}, "healing_study.layers_skipped: 15 is more than 28 layers"),
        ({"policies__healed__threshold": 0.9}, "it chooses other layers than similarity"),
        ({"policies__healed__heal": None}, "it has no heal; add heal: {}"),
        ({"policies__healed__mode": "per_prompt"}, "layers change by prompt, and one fixed set is healed"),
        ({"benchmarks__tiny-mbpp__calibration": "evaluation"},
         "it would train on evaluated items, which are the calibration split of tiny-mbpp"),
    ],
)  # fmt: skip
def test_what_cannot_be_healed_stops_only_who_asks_for_it(changes, said):
    config = broken(**changes)
    configuration = check(config, ROOT)
    assert said in "\n".join(study_mistakes(configuration, ROOT))


def test_the_default_can_be_healed():
    assert list(study_mistakes(check(copy.deepcopy(CONFIG), ROOT), ROOT)) == []
