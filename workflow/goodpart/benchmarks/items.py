"""Benchmark items: rows that are read, checked, chosen, and turned into prompts and references."""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from goodpart.benchmarks import refuse_wrong_gold
from goodpart.benchmarks.rows import read_rows
from goodpart.errors import GoodpartError
from goodpart.jobs.downloads import downloaded

SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("benchmark", pa.string()),
        ("split", pa.string()),
        ("prompt", pa.string()),
        ("reference", pa.string()),  # JSON: what the benchmark's module scores with
        ("solution", pa.string()),  # the data set's own, as a completion of the prompt
    ]
)
# What a module's functions return.
RESULTS = {**dict.fromkeys(("item_id", "prompt", "example"), str), "solution": str | None}
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


def checked_rows(
    source: dict[str, Any], module: ModuleType, scorer: ModuleType | None = None
) -> list[dict[str, Any]]:
    """Rows with every field, the expected number of them, and the expected content.

    scorer: what must accept the gold answer of each row; by default the module itself. Raises GoodpartError
    that names what differs.
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
        odd = next((row for row in rows if not str(row.get("task_id")).isdecimal()), None)
        if odd is not None:
            raise GoodpartError(
                f"{what}: task_id {odd.get('task_id')!r} is no number, which `ids` selects by; leave it out"
            )
        rows = [row for row in rows if first <= int(row["task_id"]) <= last]
    for number, row in enumerate(rows):
        try:
            reference = module.reference(row)
            refuse_wrong_gold(scorer or module, reference, f"{what}: row {number}")
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise GoodpartError(
                f"{what}: row {number} cannot be scored ({type(error).__name__}: {error}): another data set?"
            ) from None
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


def worked_examples(
    spec: dict[str, Any], module: ModuleType, scorer: ModuleType, style: str
) -> tuple[list[Any], list[str]]:
    """Solved problems for few-shot prompts: their rows, and the texts that the prompts show.

    spec: `count` or `rows` of a `source`, or of the module's own where that is None. scorer: as in
    `checked_rows`.
    """
    rows = checked_rows(spec["source"], module, scorer) if spec["source"] else list(module.EXAMPLES)
    numbers = list(range(spec["count"])) if spec["rows"] is None else spec["rows"]
    if max(numbers) >= len(rows):
        raise GoodpartError(f"examples: there is no row {max(numbers)}, the last is {len(rows) - 1}")
    chosen = [rows[number] for number in numbers]
    return chosen, [module.example(row, style) for row in chosen]


def items_of(
    rows: list[dict[str, Any]],
    module: ModuleType,
    benchmark: str,
    split: str,
    style: str,
    *,
    n: int | None,
    kind: str,
    examples: tuple[list[Any], list[str]],
    source: str,
) -> list[dict[str, Any]]:
    """Rows of SCHEMA: `n` items (None: all) of a split, in the order of the subset `kind`.

    `source`: what an error names. `examples`: the rows of solved problems that prompts show, and their texts.
    No prompt shows its own solution: calibration goes on after the examples. Raises GoodpartError where
    items are too few or alike.
    """
    shown, texts = examples
    numbers = [i for i in subset(len(rows), len(rows), kind) if rows[i] not in shown]
    if split == "evaluation" and len(numbers) < len(rows):
        raise GoodpartError(f"{benchmark}: an example is among the evaluated items; choose others")
    wanted = len(numbers) if n is None else n
    if wanted > len(numbers):
        key = f"benchmarks.{benchmark}.n" if split == "evaluation" else "capture.prompts"
        less = len(rows) - len(numbers)
        raise GoodpartError(
            f"{benchmark}: {wanted} items of the {split} split asked for, {len(numbers)} exist"
            f"{f' beside {less} that prompts show as examples' if less else ''}; set {key} to {len(numbers)} "
            "or less"
        )
    chosen = [(index, rows[index]) for index in numbers[:wanted]]
    items = [
        {
            "item_id": module.item_id(row, split, index),
            "benchmark": benchmark,
            "split": split,
            "prompt": module.prompt(row, style, *([tuple(texts)] if texts else [])),
            "reference": json.dumps(module.reference(row), sort_keys=True),
            "solution": module.solution(row, style) if hasattr(module, "solution") else None,
        }
        for index, row in chosen
    ]
    twice = [name for name, count in Counter(item["item_id"] for item in items).items() if count > 1]
    if twice:
        raise GoodpartError(
            f"{source}: the item id {twice[0]} occurs twice in the {split} split of {benchmark}; "
            "remove one of the rows"
        )
    return items
