"""Decode calibration prompts and keep only similarities and norms of their hidden states."""

from __future__ import annotations

from pathlib import Path

from goodpart.jobs.job import Job
from goodpart.states.recording import Capture, finish, prompts_of
from goodpart.states.statistics import SCHEMAS, TableWriters, step_tables


def stream_prompt(capture: Capture, path: Path) -> None:
    """Write the four tables of one prompt into the folder `path`."""
    paths = [path / f"{name}.parquet" for name in SCHEMAS]
    with TableWriters(paths, capture.facts) as writers:
        capture.run(lambda states: writers.add(step_tables(states)))


def main(job: Job) -> None:
    """Write one folder for each benchmark, with a folder of tables for each prompt."""
    groups = prompts_of(job, "")
    finish(groups, job.outputs, stream_prompt, "pairs.parquet")
