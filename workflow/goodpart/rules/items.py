"""Load one split of one benchmark, check it, and write its items."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from goodpart.benchmarks import benchmark_module
from goodpart.errors import GoodpartError
from goodpart.parquet import provenance, write_rows
from goodpart.runtime import logger, parser, run

SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("benchmark", pa.string()),
        ("split", pa.string()),
        ("prompt", pa.string()),
        ("reference", pa.string()),  # JSON: what the benchmark's module scores with
    ]
)
SHUFFLE_SEED = 0


def public_rows(source: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of a local JSON file or of the hub, in the public order.

    Raises GoodpartError when they cannot be read, with the way to point at a local copy.
    """
    from datasets import disable_progress_bars, load_dataset
    from datasets.utils.logging import set_verbosity_error

    disable_progress_bars()
    set_verbosity_error()
    try:
        if "path" in source:
            rows = load_dataset("json", data_files=source["path"], split="train")
        else:
            rows = load_dataset(
                source["hub"],
                source.get("name"),
                split=source.get("split", "test"),
                revision=source.get("revision"),
            )
    except Exception as error:
        what = source.get("path") or source["hub"]
        raise GoodpartError(
            f"{what}: cannot be read ({type(error).__name__}: {error}); without network, download the file "
            "and give its path as benchmarks.<name>.<split>.path"
        ) from error
    return rows.to_list()


def content_hash(rows: list[dict[str, Any]], module: ModuleType) -> str:
    """SHA-256 of the fields that are read, independent of the file format and of other columns."""
    fields = [*module.FIELDS, *getattr(module, "OPTIONAL", ())]
    text = "\n".join(json.dumps([row.get(field) for field in fields], sort_keys=True) for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()


def checked_rows(source: dict[str, Any], module: ModuleType) -> list[dict[str, Any]]:
    """Rows with every field, the expected number of them, and the expected content.

    Raises GoodpartError that names what differs.
    """
    what = source.get("path") or source["hub"]
    rows = public_rows(source)
    if "ids" in source:
        first, last = source["ids"]
        rows = [row for row in rows if first <= int(row["task_id"]) <= last]
    for number, row in enumerate(rows):
        missing = [field for field in module.FIELDS if row.get(field) is None]
        if missing:
            raise GoodpartError(f"{what}: row {number} has no {', '.join(missing)}: another data set?")
    if source.get("rows") not in (None, len(rows)):
        raise GoodpartError(
            f"{what}: {len(rows)} rows where {source['rows']} are expected; get the right file, or correct "
            "`rows` in the configuration"
        )
    found = content_hash(rows, module)
    if source.get("sha256") not in (None, found):
        raise GoodpartError(
            f"{what}: the content differs from what the configuration expects (sha256 {found}, expected "
            f"{source['sha256']}); get the right file, or correct `sha256`"
        )
    return rows


def subset(total: int, n: int, kind: str) -> list[int]:
    """Numbers of n rows: the `first`; `shuffled` by datasets' shuffle(seed=0); or `dflash`.

    `dflash` is the subset that the DFlash benchmark, which the paper follows, really evaluates: Python's
    own shuffle of all rows with seed 0.
    """
    rows = list(range(total))
    if kind == "dflash":
        random.Random(SHUFFLE_SEED).shuffle(rows)
    elif kind == "shuffled":
        from datasets import Dataset

        rows = list(Dataset.from_dict({"row": rows}).shuffle(seed=SHUFFLE_SEED)["row"])
    return rows[:n]


def main(arguments: argparse.Namespace) -> None:
    """Write the items of one split."""
    source, split = json.loads(arguments.source), arguments.split
    module = benchmark_module(arguments.kind)
    rows = checked_rows(source, module)
    n = len(rows) if arguments.n is None else arguments.n
    if n > len(rows):
        raise GoodpartError(f"{arguments.benchmark}: {n} items asked for, {len(rows)} exist")
    items = []
    for index in subset(len(rows), n, arguments.subset):
        row = rows[index]
        items.append(
            {
                "item_id": module.item_id(row, split, index),
                "benchmark": arguments.benchmark,
                "split": split,
                "prompt": module.prompt(row, arguments.style),
                "reference": json.dumps(module.reference(row), sort_keys=True),
            }
        )
    if len({item["item_id"] for item in items}) != len(items):
        raise GoodpartError(f"{arguments.benchmark}: an item id occurs twice in the {split} split")
    facts = {"kind": arguments.kind, "style": arguments.style, "source": source, "subset": arguments.subset}
    write_rows(arguments.output, items, SCHEMA, provenance(**facts))
    logger.info("%s %s: %d of %d items", arguments.benchmark, split, len(items), len(rows))


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--benchmark", required=True, help="its name in the configuration")
    options.add_argument("--kind", required=True, help="module of goodpart.benchmarks")
    options.add_argument("--split", choices=["evaluation", "calibration"], required=True)
    options.add_argument("--source", required=True, help="where the rows come from, as JSON")
    options.add_argument("--style", required=True, help="prompt style")
    options.add_argument("--n", type=int, help="number of items (default: all)")
    options.add_argument("--subset", choices=["first", "shuffled", "dflash"], default="first")
    options.add_argument("--output", type=Path, required=True)
    run(main, options.parse_args())
