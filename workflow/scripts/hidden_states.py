"""Decode calibration prompts and cache their hidden states at chosen denoising steps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from goodpart.jobs.job import Job
from goodpart.states.cache import CacheWriter, StepStates
from goodpart.states.captured_steps import MOST_GB
from goodpart.states.recording import Capture, finish, prompts_of


@contextmanager
def cache(capture: Capture, path: Path) -> Iterator[Callable[[StepStates], None]]:
    """Open the file of one prompt's hidden states."""
    with CacheWriter(path, capture.width, capture.facts, capture.place) as writer:
        yield writer.write


def main(job: Job) -> None:
    """Write one folder of caches for each benchmark."""
    most = float(os.environ.get(MOST_GB, "inf"))
    finish(prompts_of(job, ".parquet"), job.outputs, cache, "", job.params.batch_size, most)
