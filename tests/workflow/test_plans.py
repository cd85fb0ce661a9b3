"""What a dry run plans after a change of one file of the code, or of one key: these jobs, and no others."""

import copy
import os

import pytest
from snakemake.utils import update_config

from small_run import SMALL, Small

ALL = {"run_page": 1, "all": 1}
TABLES = dict.fromkeys(("cells", "table1", "table2", "table3", "figure1", "comparison"), 1)
LIKELY = {"likelihood_figure": 1}
LATENCY = {"quality_latency": 1, "quality_latency_table": 1}
# Scores of a benchmark: three models with and without layers skipped, and for tiny-math500 those of the
# quality-latency study, whose two decodings have cells of their own.
MBPP_SCORES = {"scores": 6, **TABLES, **ALL}
MATH_SCORES = {"scores": 6 + 4, **TABLES, **LATENCY, "cells": 3, **ALL}
EVERY_SCORE = {**MATH_SCORES, "scores": 6 + 6 + 4}
# The prompts of tiny-math500 calibrate nothing: one split, its completions and what they are drawn from.
MATH_ITEMS = {
    "items": 1,
    "generations": 6 + 4,
    "latency": 1,
    "prompt_similarities": 1,
    "figure8": 1,
    "likelihoods": 3 + 2,
    **LIKELY,
    **MATH_SCORES,
}
# Those of tiny-mbpp choose the layers that all models skip.
STATES = {
    **{"calibration": 3, "hidden_states": 6, "streamed_statistics": 6, "statistics": 6, "skip_set": 4},
    **{"prompt_similarities": 1, "profiles": 3, "latency": 1, "mask_ratio": 1, "block_similarity": 1},
    **{f"figure{number}": 1 for number in (2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14)},
}
# Both splits; completions and scores of tiny-mbpp, and those of tiny-math500 with layers skipped.
MBPP_ITEMS = {**STATES, **MATH_SCORES, "items": 2, "generations": 6 + 3 + 2, "scores": 6 + 3 + 2}
MBPP_ITEMS |= {"likelihoods": 3 + 3 + 2, **LIKELY}

DRAWN_STATES = dict.fromkeys(
    [*(f"figure{n}" for n in (3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14)), "block_similarity", "mask_ratio"], 1
)
# Hidden states of both windows of some models, and what is drawn from them.
CAPTURED = {"hidden_states": 2, "streamed_statistics": 2, "statistics": 2, "profiles": 1, **DRAWN_STATES}
CAPTURED_BY_ALL = {**CAPTURED, "hidden_states": 6, "streamed_statistics": 6, "statistics": 6, "profiles": 3}
CHOSEN = {
    **{"skip_set": 4, "generations": 8, "scores": 8, "likelihoods": 8, "figure2": 1, "latency": 1},
    **LIKELY,
}
STUDIES = {**TABLES, **LATENCY, "cells": 3, **ALL}
LLADA = {
    **{**CAPTURED, **STUDIES, "calibration": 1, "prompt_similarities": 2, "figure8": 1, "skip_set": 2},
    **{"generations": 8, "scores": 8, "figure2": 1, "latency": 1, "likelihoods": 4},
    **LIKELY,
}
SIMILAR = dict.fromkeys(("calibration", "prompt_similarities", "figure8"), 1)
EVERY_MODEL = {
    **{**CAPTURED_BY_ALL, **CHOSEN, **STUDIES, "generations": 16, "scores": 16},
    **{**SIMILAR, "calibration": 3, "prompt_similarities": 2},
}
DRAWINGS = {**DRAWN_STATES, **dict.fromkeys(("figure1", "figure2", "figure8", "likelihood_figure"), 1)}

# Comments in other files, in workflow/.
OTHERS = {
    "goodpart/models/families/llada.py": LLADA,
    "goodpart/decoding/samplers/dream.py": {**CAPTURED, **TABLES, **ALL, "generations": 4, "scores": 4},
    "goodpart/policies/algorithm1.py": {**CHOSEN, **STUDIES, "figure8": 1},
    "goodpart/evaluation/retention_tables.py": {"table1": 1, "table2": 1, "table3": 1, "all": 1},
    "goodpart/evaluation/drawing/style.py": {**DRAWINGS, "quality_latency": 1, "all": 1},
    "scripts/figure3.py": {"figure3": 1, "all": 1},
    "goodpart/models/skipping.py": EVERY_MODEL,
    "goodpart/jobs/runtime.py": {**EVERY_MODEL, "items": 3},
}
RUN_PAGE = {"run_page": 1, "all": 1}
# Changes of the configuration.
CHANGES = {
    "a new k": (
        {"models": {"qwen2.5-tiny": {"layers_skipped": [0, 2, 3]}}},
        {"skip_set": 1, "generations": 2, "scores": 2, "likelihoods": 2, **LIKELY, **TABLES, **ALL},
    ),
    "one model more": (
        {
            "run": {"models": [*SMALL["run"]["models"], "dream-tiny-instruct"]},
            "models": {"dream-tiny-instruct": {"layers_skipped": [0, 2]}},
        },
        {
            **{**CAPTURED, **TABLES, **ALL, "calibration": 1, "skip_set": 1, "figure8": 1},
            **{"generations": 4, "scores": 4, "likelihoods": 2, **LIKELY},
        },
    ),
    "one benchmark less": ({"run": {"benchmarks": ["tiny-math500"]}}, {**TABLES, **LIKELY, **ALL}),
    "more items": (
        {"benchmarks": {"tiny-math500": {"n": 6}}},
        {**MATH_ITEMS},
    ),
    "another order of benchmarks": (
        {"run": {"benchmarks": ["tiny-mbpp", "tiny-math500"]}},
        {**TABLES, **LIKELY, **ALL, "figure2": 1, "figure8": 1},
    ),
    "another order of models": (
        {"run": {"models": ["qwen2.5-tiny", "llada-tiny-instruct", "dream-tiny-base"]}},
        # Figures 13 and 14 show LLaDA and Dream, whose order is the same.
        {
            **{n: 1 for n in DRAWN_STATES if n not in ("figure13", "figure14")},
            **{**TABLES, **LIKELY, **ALL, "figure8": 1},
        },
    ),
    "another order of k": ({"models": {"qwen2.5-tiny": {"layers_skipped": [2, 0]}}}, RUN_PAGE),
    "memory and time": ({"models": {"qwen2.5-tiny": {"mem_mb": 9000, "runtime": 90}}}, RUN_PAGE),
    "threads": ({"scoring": {"threads": 2}}, RUN_PAGE),
    "a bound on the size of states": ({"capture": {"max_gb": 3}}, RUN_PAGE),
    "fewer stored states": (
        {"capture": {"stored": 1}},
        {**CAPTURED_BY_ALL, "comparison": 1, **RUN_PAGE},
    ),
    "other steps": ({"capture": {"steps": [0, 1]}}, {**CAPTURED_BY_ALL, "comparison": 1, **RUN_PAGE}),
    "more calibration prompts": (
        {"capture": {"prompts": 4}},
        {**CAPTURED_BY_ALL, **CHOSEN, **STUDIES, "items": 1, "calibration": 3},
    ),
    "another level": ({"table": {"level": 0.9}}, {**STUDIES, **LIKELY, "figure8": 1}),
    "another label": (
        {"benchmarks": {"tiny-mbpp": {"label": "M"}}},
        {"table1": 1, "table2": 1, "table3": 1, "likelihood_figure": 1, **RUN_PAGE},
    ),
}

PLANS = {
    "scoring/mbpp.py": MBPP_SCORES,
    "scoring/math500.py": MATH_SCORES,
    "scoring/gsm8k.py": {},  # no benchmark of the run
    "scoring/__init__.py": EVERY_SCORE,
    "programs/blocks.py": MBPP_SCORES,
    "programs/code.py": MBPP_SCORES,
    "mathematics/latex.py": MATH_SCORES,
    "mathematics/equivalence.py": MATH_SCORES,
    "sandbox.py": EVERY_SCORE,
    "sandbox_child.py": EVERY_SCORE,
    "bubblewrap.py": EVERY_SCORE,
    "gsm8k.py": {},
    "math500.py": MATH_ITEMS,
    "mbpp.py": MBPP_ITEMS,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run; tests change a file, plan, and put it back."""
    small = Small(tmp_path_factory.mktemp("plans"))
    run = small.run("all")
    assert run.returncode == 0, run.stdout[-5000:]
    assert small.planned() == {}
    return small


EVERY_PLAN = {**{f"goodpart/benchmarks/{name}": jobs for name, jobs in PLANS.items()}, **OTHERS}


@pytest.mark.parametrize("name", EVERY_PLAN)
def test_a_comment_in_a_file(finished, name):
    file = finished.folder / "workflow" / name
    text = file.read_text()
    file.write_text(f"{text}\n# a comment\n")
    try:
        assert finished.planned() == EVERY_PLAN[name]
    finally:
        file.write_text(text)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_configuration(finished, name):
    changes, jobs = CHANGES[name]
    config = copy.deepcopy(SMALL)
    update_config(config, changes)
    finished.configure(config)
    try:
        assert finished.planned() == jobs
    finally:
        finished.configure(SMALL)


def test_files_that_are_put_back_or_touched_plan_nothing(finished):
    for file in (finished.folder / "workflow").rglob("*.*"):
        os.utime(file)
    assert finished.planned() == {}


def test_what_is_complete_is_neither_loaded_nor_decoded_after_a_comment(finished):
    """Completions, likelihoods and verdicts are those of the same code."""
    shard = "results/generations/qwen2.5-tiny/default/tiny-mbpp/similarity/k2/0-3.parquet"
    likelihoods = "results/likelihoods/cells/qwen2.5-tiny/tiny-mbpp.parquet"
    before = [(finished.folder / name).read_bytes() for name in (shard, likelihoods)]
    changed = {}
    for name in (
        "goodpart/jobs/runtime.py",
        "goodpart/models/skipping.py",
        "goodpart/models/families/qwen2.py",
    ):
        file = finished.folder / "workflow" / name
        changed[file] = file.read_text()
        file.write_text(f"{changed[file]}\n# a comment\n")
    try:
        run = finished.run(shard, likelihoods)
        assert run.returncode == 0, run.stdout
    finally:
        for file, text in changed.items():
            file.write_text(text)
    logs = finished.folder / "results" / "logs"
    assert (finished.folder / shard).read_bytes() == before[0]
    kept = list((logs / "generations" / "qwen2.5-tiny").rglob("*.log"))
    assert any("complete, kept" in log.read_text() for log in kept)
    [log] = (logs / "likelihoods" / "cells" / "qwen2.5-tiny").glob("tiny-mbpp.log")
    assert "likelihoods" not in log.read_text()  # none was computed
