"""What skip policies choose from, read from the files that hold it token by token, prompt by prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from goodpart.errors import GoodpartError
from goodpart.jobs.parquet import prompt_tables, read_metadata, read_tables
from goodpart.models.families import family_module
from goodpart.states.similarity import pooled

COLUMNS = ["prompt_id", "step", "layer", "kind", "cosine"]  # of layers.parquet
# One row a prompt, kind of position and layer: the mean cosine over its `tokens` positions.
PROMPT_SCHEMA = pa.schema(
    [
        ("benchmark", pa.string()),
        ("item_id", pa.string()),
        ("kind", pa.string()),
        ("layer", pa.int32()),
        ("cosine", pa.float64()),
        ("tokens", pa.int32()),
    ]
)
# One row a prompt, kind of position and pair of depths: the mean angle (0 to 1) over positions.
ANGLES_SCHEMA = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("kind", pa.string()),
        ("depth", pa.int32()),
        ("later", pa.int32()),
        ("angle", pa.float64()),
    ]
)


def _positions(table: pa.Table, positions: str) -> pa.Table:
    return table if positions == "all" else table.filter(pc.equal(table["kind"], positions))


def _means(table: pa.Table, layers: int, pooling: str, file: Path, where: str) -> list[float]:
    """Mean cosine [L] of a table of layers.parquet, as `pooling` says."""
    prompts = table["prompt_id"].to_numpy() if pooling == "prompts" else np.zeros(len(table), int)
    at = table["layer"].to_numpy()
    known = len(at) > 0 and at.max() < layers
    means = pooled(table["cosine"].to_numpy(), prompts, at, layers) if known else np.full(layers, np.nan)
    if not np.isfinite(means).all():
        raise GoodpartError(
            f"{file}: no similarity at {where} for some of {layers} layers; "
            "see capture.steps, which must begin with 0, and models.<name>.layers"
        )
    return [float(mean) for mean in means]


def pooled_similarities(
    files: list[Path], layers: int, positions: str, pooling: str = "prompts"
) -> tuple[list[float], int]:
    """Mean similarity [L] of each layer in the first pass over each prompt; and over how many prompts.

    `positions`: `prompt`, `masked` or `all`. `pooling`: over a prompt's tokens and then over `prompts`, or
    over all `tokens` at once. Raises GoodpartError when a layer has no value.
    """
    sums = np.stack(list(_prompt_sums(files, layers, positions).values()))  # [prompts, 2, L]
    total, tokens = sums.sum(0)
    means = total / tokens if pooling == "tokens" else (sums[:, 0] / sums[:, 1]).mean(0)
    return means.tolist(), len(sums)


def phase_similarities(files: list[Path], layers: int, positions: str, phases: int) -> list[list[float]]:
    """Mean similarity [P][L] of each layer in each phase of denoising, over the captured steps in it.

    Step s of S is in phase s P // S. Raises GoodpartError for a phase without a captured step.
    """
    parts = []
    for file, table in zip(files, prompt_tables(files, COLUMNS), strict=True):
        made = read_metadata(file)
        steps = family_module(made["family"]).Settings(**made["decode"]).total_steps
        phase = pa.array(table["step"].to_numpy().astype(np.int64) * phases // steps)
        parts.append(_positions(table.append_column("phase", phase), positions))
    table = pa.concat_tables(parts)
    return [
        _means(
            table.filter(pc.equal(table["phase"], p)),
            *(layers, "prompts", files[0], f"phase {p} of {phases}, positions {positions!r},"),
        )
        for p in range(phases)
    ]


def of_prompts(files: list[Path], layers: int, positions: str) -> dict[tuple[str, str], list[float]]:
    """Similarities [L] of the first pass over each prompt, by (benchmark, item), in the files' order."""
    return {key: (at[0] / at[1]).tolist() for key, at in _prompt_sums(files, layers, positions).items()}


def _prompt_sums(
    files: list[Path], layers: int, positions: str
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """(benchmark, item) -> sum of cosines and number of tokens of each layer [2, L]."""
    table = _positions(read_tables(files, PROMPT_SCHEMA.names), positions)
    sums: dict[tuple[str, str], NDArray[np.float64]] = {}
    columns = (table[name].to_pylist() for name in PROMPT_SCHEMA.names)
    for benchmark, item, _, layer, cosine, tokens in zip(*columns, strict=True):
        at = sums.setdefault((benchmark, item), np.zeros((2, layers)))
        if layer >= layers:
            raise GoodpartError(f"{files[0]}: has layer {layer}; check models.<name>.layers")
        at[:, layer] += (cosine * tokens, tokens)
    if not sums or any((at[1] == 0).any() for at in sums.values()):
        raise GoodpartError(
            f"{files[0]}: no similarity at positions {positions!r} for some of {layers} layers; "
            "check the policy's positions and models.<name>.layers"
        )
    return sums


def mean_angles(files: list[Path], layers: int, positions: str) -> tuple[list[list[float]], int]:
    """Mean angular distance [L + 1][L + 1] between depths at step 0, over prompts; and how many prompts.

    `positions`: `last` (of the prompt), `prompt`, `masked` or `all`.
    """
    table = pa.concat_tables(prompt_tables(files, ANGLES_SCHEMA.names))
    table = table.filter(pc.equal(table["kind"], positions))
    means = table.group_by(["depth", "later"]).aggregate([("angle", "mean")])
    angles = np.full((layers + 1, layers + 1), np.nan)
    depth, later = means["depth"].to_numpy(), means["later"].to_numpy()
    if len(depth) and later.max() > layers:
        raise GoodpartError(f"{files[0]}: has depth {later.max()}; check models.<name>.layers")
    angles[depth, later] = angles[later, depth] = means["angle_mean"].to_numpy()
    if np.isnan(angles).any():
        raise GoodpartError(
            f"{files[0]}: no angles at positions {positions!r} between some of {layers + 1} depths"
        )
    return angles.tolist(), len(set(table["prompt_id"].to_pylist()))
