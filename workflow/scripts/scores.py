"""Score the completions of one benchmark by one model and skip set."""

from __future__ import annotations

from collections import Counter

from goodpart.benchmarks import scorer_module, scorer_name
from goodpart.benchmarks.sandbox import Sandbox
from goodpart.evaluation.scores import SCHEMA, score
from goodpart.jobs import sources
from goodpart.jobs.files import sha256
from goodpart.jobs.job import Job
from goodpart.jobs.kept_copies import keep, restore
from goodpart.jobs.parquet import provenance, write_rows
from goodpart.jobs.runtime import logger


def main(job: Job) -> None:
    """Write one file; a file of the same completions, scorer and settings is kept."""
    params = job.params
    limits = [params.sandbox, params.cpu_seconds, params.wall_seconds, params.numpy]
    facts = {
        "kind": params.kind,
        "style": params.style,
        "sandbox": limits if scorer_module(params.kind).SANDBOX else None,
        "files": [sha256(file) for file in (job.input.item_file, *job.input.generations)],
        "code": sources.digest(["goodpart.evaluation.scores", f"goodpart.{scorer_name(params.kind)}"]),
    }
    if restore(job.output, facts):
        logger.info("%s: complete, kept", job.output)
        return
    sandbox = Sandbox(*limits)
    rows = score(params.kind, params.style, job.input.item_file, job.input.generations, sandbox, job.threads)
    write_rows(job.output, rows, SCHEMA, provenance(**facts))
    states = Counter(row["status"] for row in rows)
    if set(states) == {"scored"}:
        keep(job.output)
    right = [sum(bool(row[reading]) for row in rows) for reading in ("correct", "strict")]
    scored = states.pop("scored", 0)
    if scored:
        logger.info("%s: %d correct, %d in the strict reading, of %d", job.output, *right, scored)
    for status, number in states.items():
        logger.info("%s: %d completions %s", job.output, number, status)
