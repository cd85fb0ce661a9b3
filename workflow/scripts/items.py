"""Load one split of one benchmark, check it, and write its items."""

from __future__ import annotations

from goodpart.benchmarks import benchmark_module, scorer_module
from goodpart.benchmarks.guard import Guarded
from goodpart.benchmarks.items import RESULTS, SCHEMA, checked_rows, items_of, worked_examples
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import provenance, write_rows
from goodpart.jobs.runtime import logger


def main(job: Job) -> None:
    """Write the items of one split."""
    params, benchmark, split = job.params, job.wildcards.benchmark, job.wildcards.split
    module = Guarded(benchmark_module(params.kind), RESULTS)
    # Gold answers are checked before any model is loaded. The scorer is no source file of this job all the
    # same: it changes no item, and a changed one checks the gold answers again where it scores.
    scorer = Guarded(scorer_module(params.kind), {})
    rows = checked_rows(params.source, module, scorer)
    examples = ([], [])
    if params.examples:
        examples = worked_examples(params.examples, module, scorer, params.style)
    source = params.source.get("path") or params.source["hub"]
    chosen = {"n": params.n, "kind": params.subset, "examples": examples, "source": source}
    items = items_of(rows, module, benchmark, split, params.style, **chosen)
    facts = {name: getattr(params, name) for name in ("kind", "style", "source", "subset", "examples")}
    write_rows(job.output, items, SCHEMA, provenance(**facts, rows=len(rows)))
    logger.info("%s %s: %d of %d items", benchmark, split, len(items), len(rows))
