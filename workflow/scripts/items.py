"""Load one split of one benchmark, check it, and write its items."""

from __future__ import annotations

from goodpart.benchmarks.guard import Guarded
from goodpart.benchmarks.items import SCHEMA, checked_rows, items_of, worked_examples
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import provenance, write_rows
from goodpart.jobs.runtime import logger


def main(job: Job) -> None:
    """Write the items of one split."""
    params, benchmark, split = job.params, job.wildcards.benchmark, job.wildcards.split
    module = Guarded(params.kind)
    rows = checked_rows(params.source, module)
    examples = worked_examples(params.examples, module, params.style) if params.examples else ([], [])
    source = params.source.get("path") or params.source["hub"]
    chosen = {"n": params.n, "kind": params.subset, "examples": examples, "source": source}
    items = items_of(rows, module, benchmark, split, params.style, **chosen)
    facts = {name: getattr(params, name) for name in ("kind", "style", "source", "subset", "examples")}
    write_rows(job.output, items, SCHEMA, provenance(**facts, rows=len(rows)))
    logger.info("%s %s: %d of %d items", benchmark, split, len(items), len(rows))
