"""The cache of hidden states: one Parquet file a prompt, one row a (step, depth, position).

Columns: prompt_id, step, depth, position, token_id, kind (`prompt`, `masked`, `decoded`), hidden, and where
the prompt comes from: model, benchmark, item_id.

Lossless: a bfloat16 or float16 value is written as the float32 it equals. BYTE_STREAM_SPLIT puts the bytes
of one significance side by side, so that zstd finds the zero bytes and the few exponents: 1.4 bytes a value
of a bfloat16 model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from goodpart.errors import GoodpartError
from goodpart.jobs.parquet import CHECKED, PLACE, damaged, open_parquet, with_metadata, with_place

KINDS = ("prompt", "masked", "decoded")
ROW_GROUP = 1 << 20  # bytes of one (step, depth) from which it is a row group of its own
READ_BYTES = 1 << 20  # decoded at a time: stays in a processor's cache, a third faster than a row group
_PLACE = ("step", "depth", "position", "token_id", "kind")


def safe_name(prompt_id: str) -> str:
    """A file name for a prompt id: what is neither letter, digit, dot nor dash becomes a dash."""
    return re.sub(r"[^\w.-]+", "-", prompt_id)


def schema(width: int) -> pa.Schema:
    """The cache's schema for hidden states of `width` channels."""
    hidden = pa.list_(pa.field("element", pa.float32(), nullable=False), width)
    return pa.schema(
        [
            ("prompt_id", pa.string()),
            ("step", pa.int32()),
            ("depth", pa.int32()),
            ("position", pa.int32()),
            ("token_id", pa.int32()),
            ("kind", pa.string()),
            pa.field("hidden", hidden, nullable=False),
        ]
    )


@dataclass(frozen=True)
class StepStates:
    """One denoising step of one prompt, captured or read back.

    token_ids [T]; kinds [T], indices into KINDS; hidden [L + 1, T, D], float32: a numpy array, or a torch
    tensor on the model's device while it is captured.
    """

    prompt_id: str
    step: int
    token_ids: NDArray[np.int32]
    kinds: NDArray[np.int8]
    hidden: Any

    @property
    def mask_ratio(self) -> float:
        """Fraction of the generated length that is still masked; 0 where nothing is generated."""
        generated = int((self.kinds > 0).sum())
        return int((self.kinds == KINDS.index("masked")).sum()) / generated if generated else 0.0


class CacheWriter:
    """Writes one prompt's hidden states step by step; a context manager around a temporary path.

    `place`: model and benchmark, for the columns that name them (`jobs.parquet.PLACE`).
    """

    def __init__(
        self, path: Path, width: int, metadata: dict[str, Any], place: tuple[str, str] | None = None
    ) -> None:
        self.own, self.place = schema(width), place
        self.schema = with_metadata(pa.schema([*self.own, *(PLACE if place else [])]), metadata)
        names = [name for name in self.schema.names if name != "hidden"]
        self.writer = pq.ParquetWriter(
            path,
            self.schema,
            **CHECKED,
            compression_level=1,
            use_dictionary=names,
            write_statistics=names,
            use_byte_stream_split=["hidden.list.element"],
        )

    def __enter__(self) -> CacheWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()

    def write(self, states: StepStates) -> None:
        """Append one denoising step."""
        hidden = states.hidden if isinstance(states.hidden, np.ndarray) else states.hidden.cpu().numpy()
        depths, positions, _ = hidden.shape
        together = depths if hidden[0].nbytes < ROW_GROUP else 1
        for first in range(0, depths, together):
            block = hidden[first : first + together]
            n = len(block)
            rows = n * positions
            table = pa.table(
                [
                    pa.repeat(states.prompt_id, rows),
                    np.full(rows, states.step, np.int32),
                    np.repeat(np.arange(first, first + n, dtype=np.int32), positions),
                    np.tile(np.arange(positions, dtype=np.int32), n),
                    np.tile(np.asarray(states.token_ids, np.int32), n),
                    pa.array(KINDS).take(pa.array(np.tile(states.kinds, n))),
                    pa.FixedSizeListArray.from_arrays(
                        pa.array(block.reshape(-1)), type=self.schema.field("hidden").type
                    ),
                ],
                schema=self.own,
            )
            if self.place:
                table = with_place(table, *self.place)
            self.writer.write_table(table.cast(self.schema), row_group_size=rows)


def read_steps(paths: Iterable[Path]) -> Iterator[StepStates]:
    """Yield the denoising steps of files, in order, one in memory at a time.

    `hidden` is one buffer that the next step overwrites: use or copy it before going on. Raises
    GoodpartError for a truncated or damaged file, or one of another kind.
    """
    buffer = np.empty(0, np.float32)
    for path in paths:
        with open_parquet(path) as file:
            if not set(schema(1).names) <= set(file.schema_arrow.names):
                raise GoodpartError(f"{path}: not a cache of hidden states (no column `hidden`)")
            try:
                for states in _steps(file, path, buffer):
                    yield states
                    buffer = max(buffer, states.hidden.reshape(-1), key=len)
            except (pa.ArrowException, OSError) as error:
                raise damaged(path, error) from error


def _steps(file: pq.ParquetFile, path: Path, buffer: NDArray[np.float32]) -> Iterator[StepStates]:
    """Steps of one file, in `buffer` as long as they fit."""
    if not file.metadata.num_rows:
        return
    prompt_id = next(file.iter_batches(1, columns=["prompt_id"]))["prompt_id"][0].as_py()
    place = file.read(columns=list(_PLACE))
    step, depth, position, tokens = (place[name].to_numpy() for name in _PLACE[:4])
    kind = place["kind"].combine_chunks().dictionary_encode()
    names = [KINDS.index(name) for name in kind.dictionary.to_pylist()]
    kinds = np.array(names, np.int8)[kind.indices.to_numpy()]
    starts = np.flatnonzero(np.diff(step, prepend=-1))
    sizes = np.diff(starts, append=len(step))
    rows = Rows(file)
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        positions = int(position[start : start + size].max()) + 1
        depths = size // positions
        here = slice(start, start + size)
        order = np.repeat(np.arange(depths), positions), np.tile(np.arange(positions), depths)
        if size != depths * positions or not all(map(np.array_equal, (depth[here], position[here]), order)):
            raise GoodpartError(f"{path}: step {step[start]} lacks rows; delete it and rerun")
        if len(buffer) < size * rows.width:
            buffer = np.empty(size * rows.width, np.float32)
        hidden = buffer[: size * rows.width].reshape(depths, positions, rows.width)
        rows.fill(hidden.reshape(size, rows.width))
        first = slice(start, start + positions)
        yield StepStates(prompt_id, int(step[start]), tokens[first], kinds[first], hidden)


class Rows:
    """Hidden states of one file, row after row, whatever its row groups and pages are."""

    def __init__(self, file: pq.ParquetFile) -> None:
        self.width = file.schema_arrow.field("hidden").type.list_size
        at_once = max(1, READ_BYTES // (4 * self.width))
        self.batches = file.iter_batches(at_once, columns=["hidden"], use_threads=False)
        self.rest = np.empty((0, self.width), np.float32)

    def fill(self, target: NDArray[np.float32]) -> None:
        """Read the next rows into `target` [rows, D]."""
        filled = 0
        while filled < len(target):
            if not len(self.rest):
                flat = next(self.batches)["hidden"].flatten()
                self.rest = flat.to_numpy(zero_copy_only=True).reshape(-1, self.width)
            taken = min(len(self.rest), len(target) - filled)
            target[filled : filled + taken] = self.rest[:taken]
            filled, self.rest = filled + taken, self.rest[taken:]
