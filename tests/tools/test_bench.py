"""The scripts of tests/bench still run, at their smallest. What they measure is for their readers."""

import os
import subprocess
import sys

import pytest

from conftest import ROOT

SMALLEST = {
    "batch_dtype.py": "--items 1 --batch 2 --dtypes float32 --models qwen2.5-tiny",
    "cache.py": "--gb 0.001 --width 64 --repeats 1 --folder {folder}/cache",
    "capture.py": "qwen2.5-tiny --steps 1 --repeats 1",
    "coverage.py": "--repetitions 5 --resamples 50 --baselines 0.5 --retentions 0.9 --correlations 0.5",
    "decoding.py": "batch --repeats 1",
    "loading.py": "--checkpoint workflow/resources/models/qwen2.5-tiny --dtypes float32",
    "scoring.py": "{folder} accuracy --threads 1",
    "tables.py": "--cells 20 --resamples 50",
}
ELSEWHERE = {"machine_limit.py", "public_formats.py"}  # a module of another script; one of many minutes


def test_every_script_is_run_or_excused():
    """A new script has a line above."""
    assert {path.name for path in (ROOT / "tests/bench").glob("*.py")} == {*SMALLEST, *ELSEWHERE}


@pytest.mark.parametrize("script", SMALLEST)
def test_script_runs(script, tmp_path):
    """It ends without an error and prints something."""
    words = SMALLEST[script].format(folder=tmp_path).split()
    made = subprocess.run(
        [sys.executable, f"tests/bench/{script}", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "workflow", ROOT / "tests")))},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip()
