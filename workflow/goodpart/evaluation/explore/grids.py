"""Similarities and norms by layer and position, read from the statistics and rounded to 16 bits."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from goodpart.errors import GoodpartError
from goodpart.jobs.parquet import open_parquet

# Cosines are stored as multiples of 1 / COSINE, norms as multiples of 1 / NORM of their natural logarithm.
COSINE, NORM = 10_000, 2_000
ZERO = -32_768  # a norm of 0, which has no logarithm
STATISTICS = {
    "layers": ["prompt_id", "step", "layer", "position", "cosine"],
    "tokens": ["prompt_id", "step", "depth", "position", "cosine"],
    "norms": ["prompt_id", "step", "depth", "position", "kind", "token_id", "norm"],
}
MEASURES = ("layer", "token", "norm")
QUARTERS = (0.005, 0.25, 0.5, 0.75, 0.995)  # quantiles between which the colours run


@dataclass(frozen=True)
class StepGrid:
    """One step of one prompt: T positions of a model with L layers.

    layer [L, T]: cosine of a layer's input and output. token [L + 1, T - 1]: cosine of positions i and i + 1
    at each depth. norm [L + 1, T]: l2 norms. All are int16, as `rounded_cosine` and `rounded_norm` give them.
    """

    step: int
    token_ids: list[int]
    kinds: list[str]
    layer: NDArray[np.int16]
    token: NDArray[np.int16]
    norm: NDArray[np.int16]

    @property
    def nbytes(self) -> int:
        """About the bytes that the step takes in the page."""
        values = sum(getattr(self, measure).nbytes for measure in MEASURES)
        return values * 4 // 3 + 8 * len(self.token_ids)

    def packed(self) -> dict[str, Any]:
        """The step as JSON: first letters of kinds, and values as base64 of little-endian int16."""
        values = {m: base64.b64encode(getattr(self, m).astype("<i2").tobytes()).decode() for m in MEASURES}
        kinds = "".join(kind[0] for kind in self.kinds)
        return {"step": self.step, "ids": self.token_ids, "kinds": kinds, **values}


def rounded_cosine(values: NDArray) -> NDArray[np.int16]:
    """Cosines in steps of 1 / COSINE: off by half of that at most."""
    return np.rint(values.astype(np.float64) * COSINE).astype(np.int16)


def rounded_norm(values: NDArray) -> NDArray[np.int16]:
    """Norms in relative steps of 1 / NORM: off by half of that at most, from 1e-7 to 1e7."""
    with np.errstate(divide="ignore"):
        steps = np.rint(np.log(values.astype(np.float64)) * NORM)
    return np.where(values == 0, ZERO, np.clip(steps, ZERO + 1, -ZERO - 1)).astype(np.int16)


def read_prompts(files: Mapping[str, Path]) -> Iterator[tuple[str, list[StepGrid]]]:
    """Yield (prompt id, its steps) of one model and benchmark, a prompt in memory at a time.

    `files`: the file of each of STATISTICS. Raises GoodpartError for a damaged file, or others' prompts.
    """
    parts = [_by_prompt(files[name], columns) for name, columns in STATISTICS.items()]
    try:
        for tables in zip(*parts, strict=True):
            [prompt] = {table["prompt_id"][0].as_py() for table in tables}
            yield prompt, list(_steps(*tables))
    except ValueError as error:
        raise GoodpartError(
            f"{files['norms'].parent}: its files do not fit together ({error}); delete the folder and rerun"
        ) from error


def _by_prompt(path: Path, columns: list[str]) -> Iterator[pa.Table]:
    """The rows of each prompt; a row group holds rows of one prompt only."""
    parts: list[pa.Table] = []
    name = None
    with open_parquet(path) as file:
        if missing := sorted(set(columns) - set(file.schema_arrow.names)):
            raise GoodpartError(f"{path}: has no column {', '.join(missing)}; delete it and rerun")
        for group in range(file.num_row_groups):
            part = file.read_row_group(group, columns=columns)
            if not len(part):
                continue
            if parts and part["prompt_id"][0].as_py() != name:
                yield pa.concat_tables(parts)
                parts = []
            parts.append(part)
            name = part["prompt_id"][0].as_py()
    if parts:
        yield pa.concat_tables(parts)


def _steps(layers: pa.Table, tokens: pa.Table, norms: pa.Table) -> Iterator[StepGrid]:
    """The steps of one prompt; ValueError where the tables are not of the same steps and positions."""
    step = norms["step"].to_numpy()
    for number in np.unique(step).tolist():
        first = norms.slice(int(np.argmax(step == number)))
        norm = _grid(norms, number, "depth", "norm")
        depths, positions = norm.shape
        layer = _grid(layers, number, "layer", "cosine")
        token = _grid(tokens, number, "depth", "cosine") if positions > 1 else np.zeros((depths, 0))
        if layer.shape != (depths - 1, positions) or token.shape != (depths, positions - 1):
            raise ValueError(f"step {number} has other layers or positions in another file")
        yield StepGrid(
            number,
            first["token_id"].to_numpy()[:positions].tolist(),
            first["kind"].slice(0, positions).to_pylist(),
            rounded_cosine(layer),
            rounded_cosine(token),
            rounded_norm(norm),
        )


def _grid(table: pa.Table, step: int, row: str, value: str) -> NDArray:
    """Values [rows, positions] of one step; ValueError unless there is exactly one for every place."""
    chosen = table["step"].to_numpy() == step
    rows, positions, values = (table[name].to_numpy()[chosen] for name in (row, "position", value))
    shape = (int(rows.max(initial=-1)) + 1, int(positions.max(initial=-1)) + 1)
    in_order = np.arange(len(values))
    if shape[0] * shape[1] != len(values) or not np.array_equal(rows * shape[1] + positions, in_order):
        raise ValueError(f"step {step} lacks rows")
    return values.reshape(shape)


def spans(steps: list[StepGrid]) -> dict[str, list[int]]:
    """measure -> the rounded values at QUARTERS, over all steps of a model."""
    found = {}
    for measure in MEASURES:
        values = np.concatenate([getattr(step, measure).reshape(-1) for step in steps])
        values = values[values != ZERO] if measure == "norm" else values
        parts = np.quantile(values, QUARTERS, method="nearest") if len(values) else np.zeros(len(QUARTERS))
        found[measure] = parts.astype(int).tolist()
    return found
