"""Condense a model's similarities and norms to a row a prompt, denoising step and layer, for the claims."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from goodpart.errors import GoodpartError
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import provenance, read_groups, write_rows

Floats = NDArray[np.float64]
# Layer l is depth l + 1. Over all positions, pairs of two kinds of position left out.
SCHEMA = pa.schema(
    [
        ("benchmark", pa.int32()),  # its number in the order of the files
        ("prompt_id", pa.string()),
        ("step", pa.int32()),
        ("layer", pa.int32()),
        ("layer_cosine", pa.float64()),  # of its input and output
        ("token_cosine", pa.float64()),  # of consecutive tokens
        ("token_spread", pa.float64()),  # standard deviation of the latter over positions
        ("decoded_cosine", pa.float64()),  # of consecutive decoded tokens; null where there are none
        ("decoded_slope", pa.float64()),  # of the latter, from the completion's first pair to its last
        ("norm_median", pa.float64()),
        ("norm_largest", pa.float64()),
    ]
)


def groups(path: Path, columns: list[str]) -> Iterator[pa.Table]:
    """Rows of a statistic, those of one prompt and step at a time."""
    for table in read_groups(path, columns):
        codes = (table[name].combine_chunks().dictionary_encode() for name in ("prompt_id", "step"))
        prompt, step = (code.indices.to_numpy() for code in codes)
        changes = np.flatnonzero((np.diff(prompt) != 0) | (np.diff(step) != 0)) + 1
        for first, last in pairwise([0, *changes.tolist(), len(table)]):
            yield table.slice(first, last - first)


def by_layer(table: pa.Table, index: str, value: str) -> Floats:
    """Values [L, positions] of one prompt and step; `index`: `layer`, or `depth`, whose 0 is left out."""
    if index == "depth":
        table = table.filter(pc.greater(table["depth"], 0))
    order = np.lexsort((table["position"].to_numpy(), table[index].to_numpy()))
    layers = pc.count_distinct(table[index]).as_py()
    return table[value].to_numpy()[order].astype(np.float64).reshape(layers, -1)


def slope(values: Floats) -> Floats:
    """Least-squares change [L] of values [L, P] from the first position to the last; nan below two."""
    x = np.linspace(-0.5, 0.5, values.shape[1])
    return values @ x / (x @ x) if len(x) > 1 else np.full(len(values), np.nan)


def measures(layers: pa.Table, tokens: pa.Table, norms: pa.Table) -> dict[str, Floats]:
    """Measures [L] of one prompt and step."""
    inside = tokens.filter(pc.not_equal(tokens["kind"], "boundary"))
    decoded = tokens.filter(pc.equal(tokens["kind"], "decoded"))
    cosine, norm = by_layer(inside, "depth", "cosine"), by_layer(norms, "depth", "norm")
    found = {
        "layer_cosine": by_layer(layers, "layer", "cosine").mean(1),
        "token_cosine": cosine.mean(1),
        "token_spread": cosine.std(1),
        "norm_median": np.median(norm, axis=1),
        "norm_largest": norm.max(1),
    }
    if len(decoded):
        pairs = by_layer(decoded, "depth", "cosine")
        found |= {"decoded_cosine": pairs.mean(1), "decoded_slope": slope(pairs)}
    return found


def rows(number: int, files: list[Path]) -> Iterator[dict[str, Any]]:
    """Rows of SCHEMA of one benchmark, from its layers.parquet, tokens.parquet and norms.parquet."""
    at = ["prompt_id", "step", "position", "kind"]
    columns = (["layer", "cosine"], ["depth", "cosine"], ["depth", "norm"])
    parts = [groups(file, [*at, *names]) for file, names in zip(files, columns, strict=True)]
    for tables in zip_longest(*parts):
        places = {
            (table["prompt_id"][0].as_py(), table["step"][0].as_py()) for table in tables if table is not None
        }
        if None in tables or len(places) != 1:
            raise GoodpartError(f"{files[0].parent}: its files hold different prompts; rerun statistics")
        ((prompt, step),) = places
        found = measures(*tables)
        for layer in range(len(found["layer_cosine"])):
            values = {name: float(value[layer]) for name, value in found.items()}
            yield {
                "benchmark": number,
                "prompt_id": prompt,
                "step": step,
                "layer": layer,
                **{name: value if np.isfinite(value) else None for name, value in values.items()},
            }


def main(job: Job) -> None:
    """Write the table of one model."""
    each = [job.input.statistics[i : i + 3] for i in range(0, len(job.input.statistics), 3)]
    made = [row for number, files in enumerate(each) for row in rows(number, files)]
    write_rows(job.output, made, SCHEMA, provenance())
