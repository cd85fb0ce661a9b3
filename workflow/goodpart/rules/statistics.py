"""Layer-wise and token-wise cosine similarity and l2 norms from a folder of cached hidden states."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from goodpart.errors import GoodpartError
from goodpart.files import written
from goodpart.hidden_cache import DepthStates, read_states
from goodpart.parquet import provenance, read_metadata, with_metadata
from goodpart.runtime import parser, progress, run
from goodpart.similarity import (
    layer_cosine,
    norms,
    relative_update,
    token_cosine,
    without_strongest_channel,
)

_WHERE = [("prompt_id", pa.string()), ("step", pa.int32())]
_AT = [("position", pa.int32()), ("kind", pa.string())]
SCHEMAS = {
    # layer l turns depth l into depth l + 1
    "layers": pa.schema(
        [*_WHERE, ("layer", pa.int32()), *_AT, ("cosine", pa.float32()), ("update", pa.float32())]
    ),
    # position i with position i + 1; kind `boundary` where theirs differ
    "tokens": pa.schema(
        [
            *_WHERE,
            ("depth", pa.int32()),
            *_AT,
            ("cosine", pa.float32()),
            ("cosine_without_strongest", pa.float32()),
        ]
    ),
    "norms": pa.schema([*_WHERE, ("depth", pa.int32()), *_AT, ("norm", pa.float32())]),
}


def _table(name: str, at: DepthStates, index: int, kinds: np.ndarray, *values: np.ndarray) -> pa.Table:
    n = len(kinds)
    columns = [
        pa.array([at.prompt_id] * n, pa.string()),
        np.full(n, at.step, np.int32),
        np.full(n, index, np.int32),
        np.arange(n, dtype=np.int32),
        pa.array(kinds, pa.string()),
        *values,
    ]
    return pa.table(columns, schema=SCHEMAS[name])


def statistics(states: Iterator[DepthStates]) -> Iterator[tuple[str, pa.Table]]:
    """Yield (statistic, rows) for one prompt's states, which come by step and depth in order."""
    before: DepthStates | None = None
    for at in states:
        yield "norms", _table("norms", at, at.depth, at.kinds, norms(at.hidden))
        pair = np.where(at.kinds[:-1] == at.kinds[1:], at.kinds[:-1], "boundary")
        plain = token_cosine(at.hidden)
        rest = token_cosine(without_strongest_channel(at.hidden))
        yield "tokens", _table("tokens", at, at.depth, pair, plain, rest)
        if before is not None and before.step == at.step and before.depth + 1 == at.depth:
            same = layer_cosine(before.hidden, at.hidden)
            update = relative_update(before.hidden, at.hidden)
            yield "layers", _table("layers", at, before.depth, at.kinds, same, update)
        before = at


def main(arguments: argparse.Namespace) -> None:
    """Write layers.parquet, tokens.parquet and norms.parquet."""
    files = sorted(arguments.hidden_states.glob("*.parquet"))
    if not files:
        raise GoodpartError(f"{arguments.hidden_states}: no cached hidden states; rerun hidden_states")
    made = read_metadata(files[0])
    facts = provenance(**{key: made[key] for key in ("model", "revision", "family", "dtype", "decode")})
    outputs = {path.stem: path for path in arguments.output}
    with (
        written(outputs["layers"]) as layers,
        written(outputs["tokens"]) as tokens,
        written(outputs["norms"]) as sizes,
    ):
        targets = {"layers": layers, "tokens": tokens, "norms": sizes}
        writers = {
            name: pq.ParquetWriter(target, with_metadata(SCHEMAS[name], facts), compression="zstd")
            for name, target in targets.items()
        }
        for file in progress(files, "statistics"):
            rows: dict[str, list[pa.Table]] = {name: [] for name in writers}
            for name, table in statistics(read_states(file)):
                rows[name].append(table)
            for name, tables in rows.items():
                writers[name].write_table(pa.concat_tables(tables).cast(writers[name].schema))
        for writer in writers.values():
            writer.close()


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--hidden-states", type=Path, required=True, help="folder of cached states")
    options.add_argument("--output", type=Path, nargs=3, required=True)
    run(main, options.parse_args())
