"""Parquet files: written whole or not at all, with what made them in the metadata, refused by name."""

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
        pq.write_table(table.cast(with_metadata(table.schema, metadata)), partial, compression="zstd")


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open one of the project's Parquet files; GoodpartError for a missing, cut or foreign one."""
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise GoodpartError(f"{path}: no such file") from None
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    if KEY not in (file.schema_arrow.metadata or {}):
        raise GoodpartError(f"{path}: a Parquet file that this project did not write; move it away")
    return file


def _damaged(path: Path, error: Exception) -> GoodpartError:
    said = " ".join(str(error).split())[:200]
    return GoodpartError(f"{path}: not a whole Parquet file ({said}); delete it and rerun")


def read_metadata(path: Path) -> dict[str, Any]:
    """What made the file: the JSON under the project's key."""
    with open_parquet(path) as file:
        return json.loads(file.schema_arrow.metadata[KEY])


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read one file; GoodpartError names a column that it lacks."""
    with open_parquet(path) as file:
        missing = sorted(set(columns or []) - set(file.schema_arrow.names))
        if missing:
            raise GoodpartError(f"{path}: has no column {', '.join(missing)}; delete it and rerun")
        try:
            return file.read(columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error


def read_tables(paths: Iterable[Path], columns: list[str] | None = None) -> pa.Table:
    """Read files of one schema, one after the other."""
    return pa.concat_tables([read_table(path, columns).replace_schema_metadata() for path in paths])


def prompt_tables(paths: Iterable[Path], columns: list[str]) -> Iterator[pa.Table]:
    """Read files of one benchmark each; each `prompt_id` begins with its file's number.

    Benchmarks may number their prompts alike, and no prompt is to be taken for another's.
    """
    for number, path in enumerate(paths):
        table = read_tables([path], columns)
        names = pc.binary_join_element_wise(str(number), table["prompt_id"], "/")
        yield table.set_column(columns.index("prompt_id"), "prompt_id", names)
