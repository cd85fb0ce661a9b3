"""Decode calibration prompts and cache their hidden states at chosen denoising steps."""

from __future__ import annotations

import os
from pathlib import Path

from goodpart.jobs.job import Job
from goodpart.states.cache import CacheWriter
from goodpart.states.captured_steps import MOST_GB
from goodpart.states.recording import Capture, check_size, finish, prompts_of


def cache_prompt(capture: Capture, path: Path) -> None:
    """Write the hidden states of one prompt."""
    with CacheWriter(path, capture.width, capture.facts, capture.place) as writer:
        capture.run(writer.write)


def main(job: Job) -> None:
    """Write one folder of caches for each benchmark."""
    groups = prompts_of(job, ".parquet")
    check_size(groups, float(os.environ.get(MOST_GB, "inf")))
    finish(groups, job.outputs, cache_prompt, "")
