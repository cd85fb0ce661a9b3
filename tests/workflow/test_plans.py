"""What a dry run plans after a change of one file of the benchmarks' code: these jobs, and no others."""

import pytest

from small_run import Small

ALL = {"run_page": 1, "all": 1}
TABLES = dict.fromkeys(
    ("cells", "table1", "table2", "table3", "figure1", "likelihood_figure", "comparison"), 1
)
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
MBPP_ITEMS["likelihoods"] = 3 + 3 + 2

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


@pytest.mark.parametrize("name", PLANS)
def test_a_comment_in_a_file_of_the_benchmarks(finished, name):
    file = finished.folder / "workflow" / "goodpart" / "benchmarks" / name
    text = file.read_text()
    file.write_text(f"{text}\n# a comment\n")
    try:
        assert finished.planned() == PLANS[name]
    finally:
        file.write_text(text)


def test_files_that_are_put_back_plan_nothing(finished):
    assert finished.planned() == {}
