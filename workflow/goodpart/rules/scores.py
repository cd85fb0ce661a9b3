"""Score the completions of one cell: one model, benchmark and skip set."""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from goodpart.benchmarks import cut
from goodpart.benchmarks.guard import Guarded
from goodpart.errors import GoodpartError
from goodpart.parquet import provenance, read_table, read_tables, write_rows
from goodpart.runtime import logger, parser, processors, progress, run
from goodpart.sandbox import Sandbox

SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("sample", pa.int32()),
        ("correct", pa.bool_()),
        ("extracted", pa.string()),
        ("reason", pa.string()),
        ("status", pa.string()),
        ("last_number", pa.bool_()),  # a lenient metric of GSM8K: any last number counts as the answer
    ]
)


def usable_sandbox(sandbox: Sandbox) -> Sandbox | None:
    """The sandbox if it works here; else None, after saying once how to allow it or do without."""
    try:
        sandbox.probe()
    except GoodpartError as error:
        logger.warning("%s", error)
        return None
    return sandbox


def main(arguments: argparse.Namespace) -> None:
    """Write one row a completion."""
    module = Guarded(arguments.kind)
    sandbox = None
    if module.SANDBOX:
        sandbox = usable_sandbox(Sandbox(arguments.sandbox, arguments.cpu_seconds, arguments.wall_seconds))
    items = read_table(arguments.items, ["item_id", "reference"]).to_pylist()
    references = {item["item_id"]: json.loads(item["reference"]) for item in items}
    generations = read_tables(arguments.generations, ["item_id", "sample", "completion"]).to_pylist()
    for row in generations:
        if row["item_id"] not in references:
            raise GoodpartError(f"{row['item_id']}: generated, but not among {arguments.items}; rerun")
    rows = []
    # Threads only wait here: programs and hard comparisons run in processes of their own.
    with ThreadPoolExecutor(processors(arguments.threads)) as pool:
        waiting = [
            pool.submit(
                module.score,
                references[row["item_id"]],
                cut(module, row["completion"], arguments.style),
                sandbox,
            )
            for row in generations
        ]
        for row, verdict in progress(list(zip(generations, waiting, strict=True)), "scores"):
            rows.append({"item_id": row["item_id"], "sample": row["sample"], **vars(verdict.result())})
    facts = {"kind": arguments.kind, "sandbox": arguments.sandbox if module.SANDBOX else None}
    write_rows(arguments.output, rows, SCHEMA, provenance(**facts))
    logger.info("%d of %d correct", sum(bool(row["correct"]) for row in rows), len(rows))


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--kind", required=True, help="module of goodpart.benchmarks")
    options.add_argument("--style", required=True, help="prompt style, whose stop strings end completions")
    options.add_argument("--items", type=Path, required=True)
    options.add_argument("--generations", type=Path, nargs="+", required=True, help="all shards")
    options.add_argument("--sandbox", choices=["bubblewrap", "none"], required=True)
    options.add_argument("--cpu-seconds", type=float, required=True)
    options.add_argument("--wall-seconds", type=float, required=True)
    options.add_argument("--output", type=Path, required=True)
    run(main, options.parse_args())
