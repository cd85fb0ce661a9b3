"""Rows of the four statistics tables, from one denoising step of one prompt.

Every row names its prompt, step, kind of position and mask ratio (the fraction of the generated length that
is still masked: 1 at the first step of a diffusion model, 0 for an autoregressive one).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from goodpart.jobs.files import written
from goodpart.jobs.parquet import CHECKED, PLACE, read_groups, with_metadata, with_place
from goodpart.states.cache import KINDS, StepStates
from goodpart.states.similarity import StepSimilarities, angular_distance, step_similarities

PAIR_KINDS = (*KINDS, "boundary")  # boundary: two neighbouring tokens whose kinds differ
BOUNDARY = len(KINDS)
ROW_GROUP = 1 << 16  # rows from which pending steps are written

_STEP = [("prompt_id", pa.string()), ("step", pa.int32()), ("mask_ratio", pa.float32())]
_AT = [("position", pa.int32()), ("kind", pa.string())]
SCHEMAS = {
    # layer l turns depth l into depth l + 1
    "layers": pa.schema(
        [*_STEP, ("layer", pa.int32()), *_AT, ("cosine", pa.float32()), ("update", pa.float32())]
    ),
    # position i with position i + 1; kind `boundary` where theirs differ
    "tokens": pa.schema(
        [
            *_STEP,
            ("depth", pa.int32()),
            *_AT,
            ("cosine", pa.float32()),
            ("cosine_without_strongest", pa.float32()),
        ]
    ),
    # `largest`: the largest norm of its prompt, step and depth; where it towers, a sink token
    "norms": pa.schema(
        [
            *_STEP,
            ("depth", pa.int32()),
            *_AT,
            ("token_id", pa.int32()),
            ("norm", pa.float32()),
            ("largest", pa.bool_()),
        ]
    ),
    # means over the `positions` of one kind, of depth `first` with every later depth `second`
    "pairs": pa.schema(
        [
            *_STEP,
            ("kind", pa.string()),
            ("first", pa.int32()),
            ("second", pa.int32()),
            ("positions", pa.int32()),
            ("cosine", pa.float32()),
            ("angular", pa.float32()),
        ]
    ),
}


def step_tables(states: StepStates) -> dict[str, pa.Table]:
    """Rows of each statistic, by its name, for one step."""
    found = step_similarities(states.hidden)
    pair = np.where(states.kinds[:-1] == states.kinds[1:], states.kinds[:-1], BOUNDARY)
    norms = found.norms
    largest = np.zeros(norms.shape, bool)
    largest[np.arange(len(norms)), norms.argmax(1)] = True
    tokens = np.tile(np.asarray(states.token_ids, np.int32), len(norms))
    return {
        "layers": _rows("layers", states, states.kinds, found.layer_cosines, found.updates),
        "tokens": _rows("tokens", states, pair, found.token_cosines, found.token_cosines_without_strongest),
        "norms": _rows("norms", states, states.kinds, tokens, norms, largest),
        "pairs": _pairs(states, found),
    }


def _strings(kinds: NDArray) -> pa.Array:
    return pa.array(PAIR_KINDS).take(pa.array(kinds))


def _step(states: StepStates, rows: int) -> list[Any]:
    return [
        pa.repeat(states.prompt_id, rows),
        np.full(rows, states.step, np.int32),
        np.full(rows, states.mask_ratio, np.float32),
    ]


def _rows(name: str, states: StepStates, kinds: NDArray, *values: NDArray) -> pa.Table:
    """A row a depth (or layer) and position; kinds [T] and values [depths, T], or flat."""
    positions = len(kinds)
    depths = values[0].size // positions if positions else 0
    columns = [
        *_step(states, depths * positions),
        np.repeat(np.arange(depths, dtype=np.int32), positions),
        np.tile(np.arange(positions, dtype=np.int32), depths),
        _strings(np.tile(kinds, depths)),
        *(np.ascontiguousarray(value).reshape(-1) for value in values),
    ]
    return pa.table(columns, schema=SCHEMAS[name])


def _pairs(states: StepStates, found: StepSimilarities) -> pa.Table:
    first, second = np.triu_indices(found.depth_cosines.shape[1], 1)
    cosines = found.depth_cosines[:, first, second]  # [T, pairs]
    angles = angular_distance(cosines)
    kinds = np.unique(states.kinds)
    rows = len(kinds) * len(first)
    members = [states.kinds == kind for kind in kinds]
    columns = [
        *_step(states, rows),
        _strings(np.repeat(kinds, len(first))),
        np.tile(first.astype(np.int32), len(kinds)),
        np.tile(second.astype(np.int32), len(kinds)),
        np.repeat([int(member.sum()) for member in members], len(first)).astype(np.int32),
        *(
            np.concatenate([values[member].mean(0, dtype=np.float64) for member in members]).astype(
                np.float32
            )
            for values in (cosines, angles)
        ),
    ]
    return pa.table(columns, schema=SCHEMAS["pairs"])


class TableWriters:
    """The four tables being written, a step at a time; a context manager around their paths.

    `paths` are named as the tables. They appear whole at the end, or not at all. A row group holds some steps
    of one prompt. `place`: model and benchmark, for the columns that name them (`jobs.parquet.PLACE`).
    """

    def __init__(
        self, paths: Sequence[Path], metadata: dict[str, Any], place: tuple[str, str] | None = None
    ) -> None:
        self.place = place
        self.paths, self.metadata = {path.stem: path for path in paths}, metadata
        self.writers: dict[str, pq.ParquetWriter] = {}
        self.stack = ExitStack()
        self.pending: dict[str, list[pa.Table]] = {name: [] for name in SCHEMAS}
        self.prompt_id: str | None = None

    def __enter__(self) -> TableWriters:
        for name, schema in SCHEMAS.items():
            partial = self.stack.enter_context(written(self.paths[name]))
            schema = pa.schema([*schema, *(PLACE if self.place else [])])
            writer = pq.ParquetWriter(partial, with_metadata(schema, self.metadata), **CHECKED)
            self.writers[name] = self.stack.enter_context(writer)
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self._flush(0)
        self.stack.__exit__(*error)

    def add(self, tables: dict[str, pa.Table]) -> None:
        """Append the rows of one step."""
        prompt_id = tables["layers"]["prompt_id"][0].as_py()
        self._flush(0 if prompt_id != self.prompt_id else ROW_GROUP)
        self.prompt_id = prompt_id
        for name, table in tables.items():
            self.pending[name].append(table)

    def _flush(self, rows: int) -> None:
        """Write what is pending of each table that has at least `rows` rows."""
        for name, tables in self.pending.items():
            if tables and sum(map(len, tables)) >= rows:
                self._write(name, pa.concat_tables(tables))
                tables.clear()

    def _write(self, name: str, table: pa.Table) -> None:
        if self.place:
            table = with_place(table, *self.place)
        self.writers[name].write_table(table.cast(self.writers[name].schema))

    def copy(self, paths: Sequence[Path]) -> None:
        """Append the tables of files, a row group at a time."""
        self._flush(0)
        for path in paths:
            for group in read_groups(path):
                self._write(path.stem, group)
