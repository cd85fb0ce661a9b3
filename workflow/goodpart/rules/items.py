"""Load one split of one benchmark, check it, and write its items."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tempfile
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from goodpart.benchmarks import gold_fault
from goodpart.benchmarks.guard import Guarded
from goodpart.downloads import downloaded
from goodpart.errors import GoodpartError
from goodpart.parquet import provenance, write_rows
from goodpart.rows import read_rows
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
    """Rows of a local file, or of the hub or what was downloaded of it, in the public order.

    Raises GoodpartError when they cannot be read, with the way to point at a local copy.
    """
    return read_rows(Path(source["path"])) if "path" in source else hub_rows(source)


def hub_rows(source: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of a data set of the hub, from its download where there is one."""
    from datasets import disable_progress_bars, load_dataset
    from datasets.utils.logging import set_verbosity_error

    disable_progress_bars()
    set_verbosity_error()
    revision = source.get("revision")
    here = downloaded("dataset", source["hub"], revision)
    try:
        # Its cache knows files by name and time, so that of a download could hold rows of an earlier one.
        with tempfile.TemporaryDirectory() as empty:
            rows = load_dataset(
                str(here) if here else source["hub"],
                source.get("name"),
                split=source.get("split", "test"),
                revision=None if here else revision,
                cache_dir=empty if here else None,
            )
            return rows.to_list()
    except Exception as error:
        cause = error.__cause__ or error
        said = " ".join(f"{type(cause).__name__}: {cause}".split())[:300]
        raise GoodpartError(
            f"{source['hub']}: cannot be read ({said}); without network, download the file elsewhere (JSON, "
            "JSON lines, gzipped, or Parquet) and give its path as benchmarks.<name>.<split>.path"
        ) from error


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
    for number, row in enumerate(rows):
        missing = [field for field in module.FIELDS if row.get(field) is None]
        if missing:
            raise GoodpartError(
                f"{what}: row {number} has no {', '.join(missing)}: another data set? Give the file that "
                f"benchmarks.<name>.<split> expects, with the fields {', '.join(module.FIELDS)}"
            )
    if "ids" in source:
        first, last = source["ids"]
        rows = [row for row in rows if first <= int(row["task_id"]) <= last]
    for number, row in enumerate(rows):
        try:
            fault = gold_fault(module, module.reference(row))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise GoodpartError(
                f"{what}: row {number} cannot be scored ({type(error).__name__}: {error}): another data set?"
            ) from None
        if fault:
            raise GoodpartError(
                f"{what}: row {number} cannot be scored, for its own gold answer would be wrong: {fault}; "
                "correct the row or leave it out"
            )
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


def worked_examples(spec: dict[str, Any], module: ModuleType, style: str) -> tuple[list[Any], list[str]]:
    """Solved problems for few-shot prompts: their rows, and the texts that the prompts show.

    spec: `count` or `rows` of a `source`, or of the module's own where that is None.
    """
    rows = checked_rows(spec["source"], module) if spec["source"] else list(module.EXAMPLES)
    numbers = list(range(spec["count"])) if spec["rows"] is None else spec["rows"]
    if max(numbers) >= len(rows):
        raise GoodpartError(f"examples: there is no row {max(numbers)}, the last is {len(rows) - 1}")
    chosen = [rows[number] for number in numbers]
    return chosen, [module.example(row, style) for row in chosen]


def main(arguments: argparse.Namespace) -> None:
    """Write the items of one split."""
    source, split = json.loads(arguments.source), arguments.split
    module = Guarded(arguments.kind)
    rows = checked_rows(source, module)
    shown: list[Any] = []
    texts: list[str] = []
    if arguments.examples:
        shown, texts = worked_examples(arguments.examples, module, arguments.style)
    # No prompt shows its own solution: calibration goes on behind the examples.
    numbers = [i for i in subset(len(rows), len(rows), arguments.subset) if rows[i] not in shown]
    if split == "evaluation" and len(numbers) < len(rows):
        raise GoodpartError(f"{arguments.benchmark}: an example is among the evaluated items; choose others")
    n = len(numbers) if arguments.n is None else arguments.n
    if n > len(numbers):
        key = f"benchmarks.{arguments.benchmark}.n" if split == "evaluation" else "capture.prompts"
        less = len(rows) - len(numbers)
        raise GoodpartError(
            f"{arguments.benchmark}: {n} items of the {split} split asked for, {len(numbers)} exist"
            f"{f' beside {less} that prompts show as examples' if less else ''}; set {key} to {len(numbers)} "
            "or less"
        )
    items = []
    for index in numbers[:n]:
        row = rows[index]
        items.append(
            {
                "item_id": module.item_id(row, split, index),
                "benchmark": arguments.benchmark,
                "split": split,
                "prompt": module.prompt(row, arguments.style, *([tuple(texts)] if texts else [])),
                "reference": json.dumps(module.reference(row), sort_keys=True),
            }
        )
    twice = [name for name, count in Counter(item["item_id"] for item in items).items() if count > 1]
    if twice:
        what = source.get("path") or source["hub"]
        raise GoodpartError(
            f"{what}: the item id {twice[0]} occurs twice in the {split} split of {arguments.benchmark}; "
            "remove one of the rows"
        )
    facts = {"kind": arguments.kind, "style": arguments.style, "source": source, "subset": arguments.subset}
    facts |= {"examples": arguments.examples, "rows": len(rows)}
    write_rows(arguments.output, items, SCHEMA, provenance(**facts))
    logger.info("%s %s: %d of %d items", arguments.benchmark, split, len(items), len(rows))


def options() -> argparse.ArgumentParser:
    """The job's command line."""
    made = parser(__doc__)
    made.add_argument("--benchmark", required=True, help="its name in the configuration")
    made.add_argument("--kind", required=True, help="module of goodpart.benchmarks")
    made.add_argument("--split", choices=["evaluation", "calibration"], required=True)
    made.add_argument("--source", required=True, help="where the rows come from, as JSON")
    made.add_argument("--style", required=True, help="prompt style")
    made.add_argument("--examples", type=json.loads, help="solved problems in prompts, as JSON")
    made.add_argument("--n", type=int, help="number of items (default: all)")
    made.add_argument("--subset", choices=["first", "shuffled", "dflash"], default="first")
    made.add_argument("--output", type=Path, required=True)
    return made


if __name__ == "__main__":
    run(main, options().parse_args())
