"""The controlled study: similarities and retention of models that differ in one thing at a time.

Layer-wise and token-wise cosines are those of prompt positions at the first denoising step, which every
family has; their intervals resample prompts. Retention pools the benchmarks; its intervals resample the
items of each benchmark. A contrast is the difference of two models on the same prompts and items, resampled
together. No interval covers the chance of the training seed: there is one model of each kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation.intervals import percentile_interval, resampling
from goodpart.evaluation.item_verdicts import NotScoredError, item_verdicts
from goodpart.jobs.files import read_json
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import prompt_tables, provenance, write_rows

# kind: `model` or `contrast`; at: layer, depth or k (null for a mean over layers or depths); n: prompts
# or items behind the value; got_k: layers really skipped (retention and accuracy of a model).
SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("name", pa.string()),
        ("measure", pa.string()),
        ("benchmark", pa.string()),
        ("at", pa.int32()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int32()),
        ("got_k", pa.int32()),
    ]
)
POOLED = "all"
Values = tuple[float, NDArray[np.float64]]  # an estimate, and the same of every resample


def prompt_means(files: list[Path], index: str) -> tuple[list[str], NDArray[np.float64]]:
    """Prompts, and their mean cosine [prompts, layers] over prompt positions at denoising step 0.

    `index`: `layer` (layers.parquet) or `depth` (tokens.parquet, from depth 1: behind layer `depth` - 1).
    """
    table = pa.concat_tables(prompt_tables(files, ["prompt_id", "step", index, "kind", "cosine"]))
    table = table.filter(pc.and_(pc.equal(table["step"], 0), pc.equal(table["kind"], "prompt")))
    means = table.to_pandas().groupby(["prompt_id", index])["cosine"].mean().unstack(index)
    if index == "depth":
        means = means.drop(columns=0)
    if means.empty or means.isna().to_numpy().any():
        raise GoodpartError(f"{files[0]}: no prompt positions at step 0; let capture.steps begin with 0")
    return list(means.index), means.to_numpy()


def verdicts(files: list[Path]) -> tuple[list[str], NDArray[np.float64], list[int]]:
    """Items, the share of each one's completions that is right (0..1), and how many each benchmark has."""
    try:
        found = [item_verdicts(file) for file in files]
    except NotScoredError as error:
        raise GoodpartError(f"{error}; the study needs every verdict") from error
    ids = [item for items in found for item in items]
    right = np.array([share for items in found for share in items.values()])
    return ids, right, [len(items) for items in found]


class Study:
    """Rows of SCHEMA, from values that were resampled by the same draws."""

    def __init__(self, level: float) -> None:
        self.level = level
        self.rows: list[dict[str, Any]] = []

    def add(self, kind: str, name: str, measure: str, values: Values, n: int, **where: Any) -> None:
        """Add one value with its interval."""
        value, drawn = values
        low, high = percentile_interval(drawn, self.level)
        numbers = {"value": value, "low": low, "high": high}
        found = {key: None if math.isnan(x) else x for key, x in numbers.items()}
        self.rows.append({"kind": kind, "name": name, "measure": measure, "n": n, **found, **where})

    def contrasts(
        self, pairs: list[dict[str, str]], measure: str, of: dict[str, Values], **more: Any
    ) -> None:
        """Add the difference of the two models of each pair, where both have the value."""
        for pair in pairs:
            if pair["first"] in of and pair["second"] in of:
                (a, drawn_a), (b, drawn_b) = of[pair["first"]], of[pair["second"]]
                self.add("contrast", pair["differs"], measure, (a - b, drawn_a - drawn_b), **more)


def similarities(
    study: Study, chosen: dict[str, Any], results: Path, statistic: str, index: str, resamples: int
) -> None:
    """Add one kind of cosine: of each layer, and its mean over layers, for models and contrasts."""
    measure = f"{index}_cosine"
    means: dict[str, Values] = {}
    prompts: list[str] = []
    for model in chosen["models"]:
        where = {"model": model, "decode": chosen["decode"], "statistic": statistic}
        files = [results / paths.STATISTICS.format(**where, benchmark=b) for b in chosen["calibration"]]
        ids, values = prompt_means(files, index)
        if prompts and ids != prompts:
            raise GoodpartError(f"{files[0]}: other prompts than the first model's; rerun hidden_states")
        prompts = ids
        draws = resampling([len(ids)], resamples) / len(ids)
        for layer in range(values.shape[1]):
            found = (float(values[:, layer].mean()), draws @ values[:, layer])
            study.add("model", model, measure, found, len(ids), at=layer)
        means[model] = (float(values.mean()), draws @ values.mean(1))
        study.add("model", model, measure, means[model], len(ids))
    study.contrasts(chosen["contrasts"], measure, means, n=len(prompts))


def retentions(study: Study, chosen: dict[str, Any], results: Path, resamples: int) -> None:
    """Add accuracy and retention at every k, by benchmark and pooled, and the contrasts of retention."""
    items: list[str] = []
    ks = sorted(chosen["layers_skipped"])  # full depth, which the others are a share of, comes first
    by_k: dict[int, dict[str, Values]] = {k: {} for k in ks}
    draws: NDArray[np.float64] | None = None
    for model in chosen["models"]:
        base: NDArray[np.float64] = np.empty(0)
        for k in ks:
            policy = chosen["policy"] if k else paths.FULL_DEPTH
            where = {"model": model, "decode": chosen["decode"], "policy": policy, "k": k}
            files = [results / paths.SCORES.format(**where, benchmark=b) for b in chosen["benchmarks"]]
            ids, right, sizes = verdicts(files)
            if items and ids != items:
                raise GoodpartError(f"{files[0]}: other items than the first model's; rerun scores")
            items = ids
            if draws is None:
                draws = resampling(sizes, resamples).astype(np.float64)
            if k == 0:
                base = right
            skip_set = results / paths.SKIP_SET.format(model=model, policy=chosen["policy"], k=k)
            got = read_json(skip_set)["got_k"] if k else 0
            where = {"at": k, "got_k": got}
            start = 0
            for benchmark, size in zip(chosen["benchmarks"], sizes, strict=True):
                part = slice(start, start := start + size)
                found = (float(right[part].mean()), draws[:, part] @ right[part] / size)
                study.add("model", model, "accuracy", found, size, benchmark=benchmark, **where)
            pooled = (float(right.mean()), draws @ right / len(right))
            study.add("model", model, "accuracy", pooled, len(right), benchmark=POOLED, **where)
            if base.any():
                with np.errstate(invalid="ignore", divide="ignore"):
                    kept = (100 * right.sum() / base.sum(), 100 * (draws @ right) / (draws @ base))
                study.add("model", model, "retention", kept, len(right), benchmark=POOLED, **where)
                by_k[k][model] = kept
    for k, values in by_k.items():
        if k:
            more = {"n": len(items), "at": k, "benchmark": POOLED}
            study.contrasts(chosen["contrasts"], "retention", values, **more)


def rows(chosen: dict[str, Any], results: Path, level: float, resamples: int) -> Iterator[dict[str, Any]]:
    """All rows of the study, complete with nulls."""
    study = Study(level)
    similarities(study, chosen, results, "layers", "layer", resamples)
    similarities(study, chosen, results, "tokens", "depth", resamples)
    retentions(study, chosen, results, resamples)
    for row in study.rows:
        yield {name: row.get(name) for name in SCHEMA.names}


def main(job: Job) -> None:
    """Write controlled_study.parquet."""
    chosen = job.params.selection
    made = list(rows(chosen, job.output.parent, job.params.level, job.params.resamples))
    write_rows(job.output, made, SCHEMA, provenance(selection=chosen, level=job.params.level))
