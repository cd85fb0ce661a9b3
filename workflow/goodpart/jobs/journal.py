"""What an unfinished job has finished: rows that survive a kill, and rows of earlier files of its kind."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs.parquet import read_metadata, read_table


class Journal:
    """Finished rows of an unfinished file, one JSON line each, beside the file.

    Lines are keyed by everything that a row depends on, and have a checksum; one that is cut or damaged is
    ignored. Rows of `others` are known too: finished files with the keys of their rows in their metadata.
    `wanted`: the keys that count (default: all); a file with none of them is not read.
    """

    def __init__(
        self, file: Path, others: Iterable[Path] = (), wanted: Collection[str] | None = None
    ) -> None:
        self.path = file.with_name(f".{file.stem}.journal.jsonl")
        self.rows: dict[str, dict[str, Any]] = {}
        for other in others:
            with contextlib.suppress(GoodpartError, ValueError):  # damaged: none of this one's business
                keys = read_metadata(other).get("keys", [])
                if wanted is None or not set(wanted).isdisjoint(keys):
                    self.rows.update(zip(keys, read_table(other).to_pylist(), strict=True))
        if self.path.exists():
            for line in self.path.read_bytes().splitlines():
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    entry = json.loads(line)
                    key, row = entry["key"], dict(entry["row"])
                    if entry.get("sum") in (None, _sum(key, row)):
                        self.rows[key] = row

    def add(self, finished: list[tuple[str, dict[str, Any]]]) -> None:
        """Append finished rows and make sure that they are on disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n")  # ends a line that was cut
            for key, row in finished:
                file.write(json.dumps({"key": key, "sum": _sum(key, row), "row": row}) + "\n")
                self.rows[key] = row
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """Remove the journal of a file that is complete."""
        self.path.unlink(missing_ok=True)


def _sum(key: str, row: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps([key, row]).encode())
