"""The cache of hidden states: one Parquet file a prompt, one row a (step, depth, position).

Columns: prompt_id, step, depth, position, token_id, kind (`prompt`, `masked`, `decoded`), hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from goodpart.errors import GoodpartError
from goodpart.parquet import open_parquet, with_metadata

KINDS = ("prompt", "masked", "decoded")
ROW_GROUP = 1 << 20  # bytes of one (step, depth) from which it is a row group of its own


def file_name(prompt_id: str) -> str:
    """A file name for a prompt id: what is neither letter, digit, dot nor dash becomes a dash."""
    return re.sub(r"[^\w.-]+", "-", prompt_id) + ".parquet"


def schema(width: int) -> pa.Schema:
    """The cache's schema for hidden states of `width` channels."""
    return pa.schema(
        [
            ("prompt_id", pa.string()),
            ("step", pa.int32()),
            ("depth", pa.int32()),
            ("position", pa.int32()),
            ("token_id", pa.int32()),
            ("kind", pa.string()),
            ("hidden", pa.list_(pa.field("element", pa.float32(), nullable=False), width)),
        ]
    )


class CacheWriter:
    """Writes one prompt's hidden states step by step; a context manager around a temporary path."""

    def __init__(self, path: Path, prompt_id: str, width: int, metadata: dict[str, Any]) -> None:
        self.prompt_id, self.schema = prompt_id, with_metadata(schema(width), metadata)
        names = [name for name in self.schema.names if name != "hidden"]
        self.writer = pq.ParquetWriter(
            path,
            self.schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=names,
            use_byte_stream_split=["hidden.list.element"],
        )

    def __enter__(self) -> CacheWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()

    def step(self, step: int, token_ids: NDArray, kinds: NDArray, hidden: NDArray[np.float32]) -> None:
        """Append one denoising step: token_ids and kinds (indices into KINDS) [T], hidden [L + 1, T, D]."""
        depths, positions, _ = hidden.shape
        together = depths if hidden[0].nbytes < ROW_GROUP else 1
        for first in range(0, depths, together):
            block = hidden[first : first + together]
            n = len(block)
            rows = n * positions
            names = pa.array(KINDS)
            table = pa.table(
                [
                    pa.array([self.prompt_id]).take(pa.array(np.zeros(rows, np.int32))),
                    np.full(rows, step, np.int32),
                    np.repeat(np.arange(first, first + n, dtype=np.int32), positions),
                    np.tile(np.arange(positions, dtype=np.int32), n),
                    np.tile(np.asarray(token_ids, np.int32), n),
                    names.take(pa.array(np.tile(np.asarray(kinds, np.int32), n))),
                    pa.FixedSizeListArray.from_arrays(
                        pa.array(block.reshape(-1)), type=self.schema.field("hidden").type
                    ),
                ],
                schema=self.schema,
            )
            self.writer.write_table(table, row_group_size=rows)


@dataclass(frozen=True)
class DepthStates:
    """One (step, depth) of one prompt: token_ids and kinds [T], hidden states [T, D]."""

    prompt_id: str
    step: int
    depth: int
    token_ids: NDArray[np.int32]
    kinds: NDArray[np.str_]
    hidden: NDArray[np.float32]


def read_states(path: Path) -> Iterator[DepthStates]:
    """Yield a file's states by step and depth, one row group in memory at a time.

    Raises GoodpartError for a truncated file or one of another kind.
    """
    with open_parquet(path) as file:
        if "hidden" not in file.schema_arrow.names:
            raise GoodpartError(f"{path}: not a cache of hidden states (no column `hidden`)")
        for group in range(file.num_row_groups):
            try:
                table = file.read_row_group(group)
            except (pa.ArrowInvalid, OSError) as error:
                raise GoodpartError(f"{path}: row group {group} is damaged ({error})") from error
            width = table.schema.field("hidden").type.list_size
            flat = table["hidden"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            hidden = flat.reshape(-1, width)
            step, depth = (table[name].to_numpy() for name in ("step", "depth"))
            tokens = table["token_id"].to_numpy()
            kinds = table["kind"].to_numpy()
            edges = np.flatnonzero((np.diff(step) != 0) | (np.diff(depth) != 0)) + 1
            for first, last in zip([0, *edges], [*edges, len(step)], strict=True):
                yield DepthStates(
                    table["prompt_id"][0].as_py(),
                    int(step[first]),
                    int(depth[first]),
                    tokens[first:last],
                    kinds[first:last],
                    hidden[first:last],
                )
