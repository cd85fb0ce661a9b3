"""Rows of a local data file, from the bytes that it holds now.

`datasets` caches a local file by its path and time, so a replaced file can give the former rows, and it takes
a path for a pattern. The format is known by the content: the suffix does not matter.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs.files import unique

Row = dict[str, Any]
PARQUET = b"PAR1"
COMPRESSED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
}


def read_rows(path: Path) -> list[Row]:
    """All rows of a Parquet file, a JSON array or JSON lines (also compressed with gzip, bzip2 or xz).

    Raises GoodpartError that names the file, and the line where a line is at fault.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    for magic, decompress in COMPRESSED.items():
        if content.startswith(magic):
            try:
                content = decompress(content)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise _unreadable(path, f"damaged compression: {error}") from error
    rows = _parquet_rows(path, content) if content.startswith(PARQUET) else _json_rows(path, content)
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise _unreadable(path, f"row {number} is no JSON object")
        if not _is_text(row):
            raise _unreadable(path, f"row {number} holds half of a character (a lone surrogate)")
    if not rows:
        raise _unreadable(path, "it holds no rows")
    return rows


def _is_text(value: Any) -> bool:
    """Whether every text within a value can be written as UTF-8."""
    if isinstance(value, dict):
        return all(_is_text(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return all(map(_is_text, value))
    if isinstance(value, str) and not value.isascii():
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return True


def _parquet_rows(path: Path, content: bytes) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(pa.BufferReader(content)).read().to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, f"damaged Parquet: {error}") from error


def _json_rows(path: Path, content: bytes) -> list[Row]:
    if content.startswith(b"version https://git-lfs"):
        raise _unreadable(path, "it is a pointer of Git LFS; fetch the file with `git lfs pull`")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"neither Parquet nor UTF-8 text: {error}") from error
    if text.lstrip().startswith("["):
        try:
            return json.loads(text, object_pairs_hook=unique)
        except (ValueError, RecursionError) as error:
            raise _unreadable(path, f"not JSON: {error}") from error
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            rows += [json.loads(line, object_pairs_hook=unique)] if line.strip() else []
        except (ValueError, RecursionError) as error:
            raise _unreadable(path, f"line {number} is not JSON: {error}") from error
    return rows


def _unreadable(path: Path, reason: str) -> GoodpartError:
    said = " ".join(reason.split())[:300]
    return GoodpartError(f"{path}: cannot be read ({said}); get the file again, or correct the path")
