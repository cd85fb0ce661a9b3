"""Layer-wise, token-wise and all-pairs similarity and l2 norms: of cached states, and those streamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import DamagedError, provenance, read_metadata
from goodpart.jobs.runtime import progress
from goodpart.states.cache import read_steps
from goodpart.states.statistics import SCHEMAS, TableWriters, step_tables

FACTS = ("model", "revision", "family", "dtype", "decode", "capture_steps")


def facts_of(sources: list[Path]) -> dict[str, Any]:
    """What made the states: one for all files. Raises GoodpartError where two of them differ."""
    facts: dict[str, Any] = {}
    for source in sources:
        made = {key: read_metadata(source).get(key) for key in FACTS}
        if facts and made != facts:
            raise GoodpartError(f"{source}: made with other settings than {sources[0]}; delete both, rerun")
        facts = made
    return facts


def main(job: Job) -> None:
    """Write layers.parquet, tokens.parquet, norms.parquet and pairs.parquet."""
    try:
        write(job)
    except DamagedError as error:  # no run misses a single file of a folder
        folders = [job.input.hidden_states, *([job.input.streamed] if job.input.streamed else [])]
        folder = next(folder for folder in folders if folder in error.path.parents)
        raise DamagedError(error.path, error.why, f"its folder {folder}") from error


def write(job: Job) -> None:
    """Write the four tables from the files of hidden states, and from those streamed."""
    files = sorted(job.input.hidden_states.glob("[!.]*.parquet"))
    if not files:
        raise GoodpartError(f"{job.input.hidden_states}: no cached hidden states; rerun hidden_states")
    streamed = sorted(job.input.streamed.glob("[!.]*/layers.parquet")) if job.input.streamed else []
    facts = facts_of([*files, *streamed])
    place = (job.wildcards.model, job.wildcards.benchmark)
    with TableWriters(job.outputs, provenance(**facts), place) as writers:
        for states in read_steps(progress(files, "statistics")):
            writers.add(step_tables(states))
        for file in streamed:
            writers.copy([file.with_name(f"{name}.parquet") for name in SCHEMAS])
