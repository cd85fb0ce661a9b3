"""Scores: a verdict on each completion of a benchmark."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from goodpart.benchmarks import refuse_wrong_gold, scorer_module
from goodpart.benchmarks.guard import Guarded
from goodpart.benchmarks.sandbox import Sandbox
from goodpart.benchmarks.scoring import RESULTS, judge
from goodpart.errors import GoodpartError
from goodpart.jobs.parquet import read_table, read_tables
from goodpart.jobs.runtime import logger, processors, progress

SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("sample", pa.int32()),
        ("correct", pa.bool_()),
        ("extracted", pa.string()),
        ("reason", pa.string()),
        ("status", pa.string()),
        ("last_number", pa.bool_()),  # of GSM8K, lenient: the last number counts where no answer is marked
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
    scorer: ModuleType,
    references: dict[str, dict[str, Any]],
    completions: Sequence[dict[str, Any]],
    style: str,
    sandbox: Sandbox | None,
    threads: int,
) -> list[dict[str, Any]]:
    """Rows of SCHEMA for completions (item_id, sample, completion), in order, `threads` at a time.

    references: item_id -> what the scorer of its benchmark reads.
    """
    # Threads only wait here: programs and hard comparisons run in processes of their own.
    with ThreadPoolExecutor(processors(threads)) as pool:
        waiting = [
            pool.submit(judge, scorer, references[row["item_id"]], row["completion"], style, sandbox)
            for row in completions
        ]
        return [
            {"item_id": row["item_id"], "sample": row["sample"], **vars(verdict.result())}
            for row, verdict in progress(list(zip(completions, waiting, strict=True)), "scores")
        ]


def score(
    kind: str, style: str, items_file: Path, generations: list[Path], sandbox: Sandbox, threads: int
) -> list[dict[str, Any]]:
    """Rows of SCHEMA, one a completion of one benchmark, in the order of its generations.

    Raises GoodpartError where the scorer would not accept the gold answer of an item.
    """
    scorer = Guarded(scorer_module(kind), RESULTS)
    usable = usable_sandbox(sandbox) if scorer.SANDBOX else None
    items = read_table(items_file, ["item_id", "reference"]).to_pylist()
    references = {item["item_id"]: json.loads(item["reference"]) for item in items}
    for item_id, reference in references.items():  # the scorer may have changed since the items were made
        refuse_wrong_gold(scorer, reference, f"{items_file}: {item_id}")
    completions = read_tables(generations, ["item_id", "sample", "completion"]).to_pylist()
    for row in completions:
        if row["item_id"] not in references:
            raise GoodpartError(f"{row['item_id']}: generated, but not among {items_file}; rerun")
    return score_rows(scorer, references, completions, style, usable, threads)
