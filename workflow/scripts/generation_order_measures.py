"""Local and global AR-ness of every cell of the run, from the steps that committed its tokens."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from goodpart import paths
from goodpart.evaluation.generation_order import ar_ness
from goodpart.evaluation.intervals import mean_interval
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import provenance, read_tables, write_rows

MEASURES = ("local", "global")
SCHEMA = pa.schema(
    [
        ("model", pa.string()),
        ("benchmark", pa.string()),
        ("policy", pa.string()),
        ("asked_k", pa.int32()),
        ("measure", pa.string()),
        ("value", pa.float64()),  # mean over completions, 0 to 1
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("change", pa.float64()),  # from full depth, in pairs; null at full depth
        ("change_low", pa.float64()),
        ("change_high", pa.float64()),
        ("n", pa.int32()),  # completions of two tokens or more
    ]
)
COLUMNS = ["item_id", "sample", "token_ids", "commit_steps", "ended"]


def main(job: Job) -> None:
    """Write the table of all cells."""
    chosen, results = job.params.selection, job.output.parent
    interval = (job.params.level, job.params.resamples)
    full: dict[tuple[str, str], dict[tuple[str, int], tuple[float, float]]] = {}
    rows = []
    for model, benchmark, policy, k in chosen["cells"]:
        where = {"model": model, "decode": chosen["decode"], "benchmark": benchmark, "policy": policy, "k": k}
        files = [
            results / paths.GENERATIONS.format(**where, first=first, last=last)
            for first, last in chosen["benchmarks"][benchmark]
        ]
        found = {}
        for row in read_tables(files, COLUMNS).to_pylist():
            length = len(row["token_ids"]) + row["ended"]  # the end marker is a choice of the model too
            if (both := ar_ness(row["commit_steps"], length)) is not None:
                found[row["item_id"], row["sample"]] = both
        if k == 0:
            full[model, benchmark] = found
        base = full[model, benchmark]
        for number, measure in enumerate(MEASURES):
            values = np.array([both[number] for both in found.values()])
            cell = {
                "model": model,
                "benchmark": benchmark,
                "policy": policy,
                "asked_k": k,
                "measure": measure,
                "n": len(values),
            }
            if len(values):
                low, high = mean_interval(values, *interval)
                cell |= {"value": float(values.mean()), "low": low, "high": high}
            paired = np.array([found[key][number] - base[key][number] for key in found if key in base])
            if k and len(paired):
                low, high = mean_interval(paired, *interval)
                cell |= {"change": float(paired.mean()), "change_low": low, "change_high": high}
            rows.append(cell)
    write_rows(job.output, rows, SCHEMA, provenance(selection=chosen))
