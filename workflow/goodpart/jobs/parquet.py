"""Parquet files: written whole or not at all, with what made them in the metadata, refused by name.

Every page has a checksum: a file that a disk or a copy has changed is refused, and never read as numbers.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from goodpart.errors import GoodpartError
from goodpart.jobs import sources
from goodpart.jobs.files import written

KEY = b"goodpart"
CHECKED = {"compression": "zstd", "write_page_checksum": True}  # how every file is written


def provenance(**facts: Any) -> dict[str, Any]:
    """Facts about a result, completed by commit, versions, host and time."""
    versions = {}
    for package in ("goodpart", "torch", "transformers", "datasets", "pyarrow"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    made = {"host": platform.node(), "time": datetime.now(UTC).isoformat(timespec="seconds")}
    return {**facts, "commit": sources.commit(), "versions": versions, **made}


def with_metadata(schema: pa.Schema, metadata: dict[str, Any]) -> pa.Schema:
    """The schema with `metadata` as JSON under the project's key."""
    return schema.with_metadata({KEY: json.dumps(metadata, sort_keys=True)})


def write_rows(
    path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema, metadata: dict[str, Any]
) -> None:
    """Write rows (dicts) as one Parquet file."""
    write_table(path, pa.Table.from_pylist(list(rows), schema=schema), metadata)


def write_table(path: Path, table: pa.Table, metadata: dict[str, Any]) -> None:
    """Write an Arrow table as one Parquet file."""
    with written(path) as partial:
        pq.write_table(table.cast(with_metadata(table.schema, metadata)), partial, **CHECKED)


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open one of the project's Parquet files; GoodpartError for a missing, cut or foreign one."""
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise GoodpartError(f"{path}: no such file") from None
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, error) from error
    if KEY not in (file.schema_arrow.metadata or {}):
        raise GoodpartError(f"{path}: a Parquet file that this project did not write; move it away")
    return file


class DamagedError(GoodpartError):
    """A file whose content cannot be read, and why; `delete`: what is made anew when it is gone."""

    def __init__(self, path: Path, why: str, delete: str = "it") -> None:
        super().__init__(f"{path}: not a whole Parquet file ({why}); delete {delete} and rerun")
        self.path, self.why = path, why


def damaged(path: Path, error: Exception) -> DamagedError:
    """The error for a file whose content cannot be read."""
    return DamagedError(path, " ".join(str(error).split())[:200])


def read_metadata(path: Path) -> dict[str, Any]:
    """What made the file: the JSON under the project's key."""
    with open_parquet(path) as file:
        try:
            return json.loads(file.schema_arrow.metadata[KEY])
        except ValueError as error:
            raise damaged(path, error) from error


def is_whole(path: Path) -> bool:
    """Whether every page of a file can be read and has its checksum; one row group is in memory at a time."""
    try:
        with open_parquet(path) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group)
    except (GoodpartError, pa.ArrowException, OSError):
        return False
    return True


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read one file; GoodpartError names a column that it lacks."""
    with open_parquet(path) as file:
        missing = sorted(set(columns or []) - set(file.schema_arrow.names))
        if missing:
            raise GoodpartError(f"{path}: has no column {', '.join(missing)}; delete it and rerun")
        try:
            return file.read(columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, error) from error


def read_groups(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of one file, one in memory at a time; errors as of `read_table`."""
    with open_parquet(path) as file:
        for number in range(file.num_row_groups):
            try:
                group = file.read_row_group(number, columns=columns)
            except (pa.ArrowException, OSError) as error:
                raise damaged(path, error) from error
            yield group


def read_tables(paths: Iterable[Path], columns: list[str] | None = None) -> pa.Table:
    """Read files of one schema, one after the other."""
    return pa.concat_tables([read_table(path, columns).replace_schema_metadata() for path in paths])


# Where the rows of a statistic come from, as in completions; repeated values take next to no space.
PLACE = pa.schema(
    [(name, pa.dictionary(pa.int32(), pa.string())) for name in ("model", "benchmark", "item_id")]
)


def with_place(table: pa.Table, model: str, benchmark: str) -> pa.Table:
    """A table with the columns of PLACE after its own, where it lacks them; `item_id` is its `prompt_id`."""
    zeros = pa.repeat(pa.scalar(0, pa.int32()), len(table))
    for name, value in (("model", model), ("benchmark", benchmark)):
        if name not in table.column_names:
            table = table.append_column(name, pa.DictionaryArray.from_arrays(zeros, [value]))
    if "item_id" not in table.column_names:
        table = table.append_column("item_id", table["prompt_id"].dictionary_encode())
    return table


def prompt_tables(paths: Iterable[Path], columns: list[str]) -> Iterator[pa.Table]:
    """Read files of one benchmark each; each `prompt_id` begins with its file's number.

    Benchmarks may number their prompts alike, and no prompt is to be taken for another's.
    """
    for number, path in enumerate(paths):
        table = read_tables([path], columns)
        names = pc.binary_join_element_wise(str(number), table["prompt_id"], "/")
        yield table.set_column(columns.index("prompt_id"), "prompt_id", names)
