"""Collect all cells of a study into one table, the source of its tables and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodpart import paths
from goodpart.evaluation.cells import SCHEMA, cell, generation_facts, skipped, tables
from goodpart.evaluation.nats import item_nats, likelihood
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import provenance, write_rows
from goodpart.policies.skip_sets import read_skip_set

if TYPE_CHECKING:
    import pyarrow as pa


def main(job: Job) -> None:
    """Write the table of the selected cells."""
    chosen, results = job.params.selection, job.output.parent
    interval = (job.params.level, job.params.resamples)
    full: dict[tuple[str, str], tuple[pa.Table, pa.Table]] = {}
    likelihoods = {(file.parent.name, file.stem): item_nats(file) for file in job.input.likelihoods}
    rows = []
    for model, benchmark, policy, k in chosen["cells"]:
        entry, shards = chosen["models"][model], chosen["benchmarks"][benchmark]
        place = {"model": model, "decode": chosen["decode"], "benchmark": benchmark}
        if (model, benchmark) not in full:
            base = {**place, "policy": paths.FULL_DEPTH, "k": 0}
            full[model, benchmark] = tables(results, base, shards)
        where = {**place, "policy": policy, "k": k}
        found = tables(results, where, shards) if k else full[model, benchmark]
        settings = chosen["policies"].get(policy, {})
        file = None
        if k:
            pattern = paths.SKIP_SETS if chosen["varies"][policy] else paths.SKIP_SET
            file = results / pattern.format(**where)
        facts = generation_facts(results, where, shards)
        skip_set = read_skip_set(file, entry["layers"])
        rows.append(
            {
                **place,
                "paper_column": entry["paper_column"],
                "policy": policy,
                "adjacent": settings.get("adjacent"),
                "tau": settings.get("threshold"),
                "asked_k": k,
                "layers": skip_set.layers,
                **skipped(skip_set, benchmark, found[1], facts, entry["layers"]),
                **cell(*found, *full[model, benchmark], *interval),
                **likelihood(likelihoods.get((model, benchmark), {}), policy, k, *interval),
            }
        )
    write_rows(job.output, rows, SCHEMA, provenance(selection=chosen))
