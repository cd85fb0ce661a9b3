"""Score the completions of one model and skip set on several benchmarks."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from goodpart import sources
from goodpart.benchmarks import benchmark_module, judge
from goodpart.benchmarks.guard import Guarded
from goodpart.errors import GoodpartError
from goodpart.files import sha256
from goodpart.kept_copies import keep, restore
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
        ("strict", pa.bool_()),  # the verdict of the benchmark's own harness
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


def score_rows(
    module: ModuleType,
    references: dict[str, dict[str, Any]],
    completions: Sequence[dict[str, Any]],
    style: str,
    sandbox: Sandbox | None,
    threads: int,
) -> list[dict[str, Any]]:
    """Rows of SCHEMA for completions (item_id, sample, completion), in order, `threads` at a time.

    references: item_id -> what its benchmark's module scores with.
    """
    # Threads only wait here: programs and hard comparisons run in processes of their own.
    with ThreadPoolExecutor(processors(threads)) as pool:
        waiting = [
            pool.submit(judge, module, references[row["item_id"]], row["completion"], style, sandbox)
            for row in completions
        ]
        return [
            {"item_id": row["item_id"], "sample": row["sample"], **vars(verdict.result())}
            for row, verdict in progress(list(zip(completions, waiting, strict=True)), "scores")
        ]


def score(
    arguments: argparse.Namespace, kind: str, style: str, items_file: Path, generations: list[Path]
) -> list[dict[str, Any]]:
    """Rows of SCHEMA, one a completion of one benchmark, in the order of its generations."""
    module = Guarded(kind)
    sandbox = None
    if module.SANDBOX:
        sandbox = usable_sandbox(
            Sandbox(arguments.sandbox, arguments.cpu_seconds, arguments.wall_seconds, arguments.numpy)
        )
    items = read_table(items_file, ["item_id", "reference"]).to_pylist()
    references = {item["item_id"]: json.loads(item["reference"]) for item in items}
    completions = read_tables(generations, ["item_id", "sample", "completion"]).to_pylist()
    for row in completions:
        if row["item_id"] not in references:
            raise GoodpartError(f"{row['item_id']}: generated, but not among {items_file}; rerun")
    return score_rows(module, references, completions, style, sandbox, arguments.threads)


def main(arguments: argparse.Namespace) -> None:
    """Write one file a benchmark; a file of the same completions, scorer and settings is kept."""
    shards = iter(arguments.generations)
    benchmarks = zip(
        arguments.kinds, arguments.styles, arguments.items, arguments.shards, arguments.output, strict=True
    )
    for kind, style, items_file, count, output in benchmarks:
        generations = list(islice(shards, count))
        facts = {
            "kind": kind,
            "style": style,
            "sandbox": [arguments.sandbox, arguments.cpu_seconds, arguments.wall_seconds, arguments.numpy]
            if benchmark_module(kind).SANDBOX
            else None,
            "files": [sha256(file) for file in (items_file, *generations)],
            "code": sources.digest([__spec__.name, f"goodpart.benchmarks.{kind}"]),
        }
        if restore(output, facts):
            logger.info("%s: complete, kept", output)
            continue
        rows = score(arguments, kind, style, items_file, generations)
        write_rows(output, rows, SCHEMA, provenance(**facts))
        states = Counter(row["status"] for row in rows)
        if set(states) == {"scored"}:
            keep(output)
        right = [sum(bool(row[reading]) for row in rows) for reading in ("correct", "strict")]
        scored = states.pop("scored", 0)
        logger.info("%s: %d correct, %d in the strict reading, of %d", output, *right, scored)
        for status, number in states.items():
            logger.info("%s: %d completions %s", output, number, status)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument(
        "--kinds", nargs="+", required=True, help="module of goodpart.benchmarks, a benchmark"
    )
    options.add_argument(
        "--styles", nargs="+", required=True, help="prompt style, whose stop strings end completions"
    )
    options.add_argument("--items", type=Path, nargs="+", required=True, help="one file a benchmark")
    options.add_argument(
        "--generations", type=Path, nargs="+", required=True, help="all shards, by benchmark"
    )
    options.add_argument(
        "--shards", type=int, nargs="+", required=True, help="how many of them a benchmark has"
    )
    options.add_argument("--sandbox", choices=["bubblewrap", "none"], required=True)
    options.add_argument("--cpu-seconds", type=float, required=True)
    options.add_argument("--wall-seconds", type=float, required=True)
    options.add_argument("--numpy", action="store_true", help="let programs import numpy")
    options.add_argument("--output", type=Path, nargs="+", required=True, help="one file a benchmark")
    run(main, options.parse_args())
