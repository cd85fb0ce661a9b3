"""Decode calibration prompts and keep only similarities and norms of their hidden states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from goodpart.jobs.job import Job
from goodpart.states.cache import StepStates
from goodpart.states.recording import Capture, finish, prompts_of
from goodpart.states.statistics import SCHEMAS, TableWriters, step_tables


@contextmanager
def tables(capture: Capture, path: Path) -> Iterator[Callable[[StepStates], None]]:
    """Open the four tables of one prompt, in the folder `path`."""
    paths = [path / f"{name}.parquet" for name in SCHEMAS]
    with TableWriters(paths, capture.facts) as writers:
        yield lambda states: writers.add(step_tables(states))


def main(job: Job) -> None:
    """Write one folder for each benchmark, with a folder of tables for each prompt."""
    finish(prompts_of(job, ""), job.outputs, tables, "pairs.parquet", job.params.batch_size)
