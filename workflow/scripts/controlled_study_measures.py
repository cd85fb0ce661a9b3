"""The controlled study: similarities and retention of models that differ in one thing at a time.

Layer-wise and token-wise cosines are those of prompt positions at the first denoising step, which every
family has; their intervals resample prompts. Retention and likelihood pool the benchmarks; their intervals
resample the items of each benchmark. A contrast is the difference of two models on the same prompts and
items, resampled together. Where models were trained from several seeds, a contrast is that of their means,
and its interval covers the variation between training runs too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation.comparability import why_not_comparable
from goodpart.evaluation.contrasts import Study, Values
from goodpart.evaluation.intervals import resampling
from goodpart.evaluation.item_verdicts import NotScoredError, item_verdicts
from goodpart.evaluation.nats import ItemNats, item_nats
from goodpart.jobs.files import read_json
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import prompt_tables, provenance, write_rows

# kind: `model`, `seed` (another one of a model), `contrast`, or `training` (mean over seeds of one recipe);
# at: layer, depth or k (null for a mean over layers or depths); n: prompts or items behind the value;
# got_k: layers really skipped (retention and accuracy of a model); seeds: trained models behind it;
# seed_sd: standard deviation between them; item_sd: standard error by items alone.
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
        ("seeds", pa.int32()),
        ("seed_sd", pa.float64()),
        ("item_sd", pa.float64()),
        ("not_comparable", pa.string()),  # why a contrast of retention gives no verdict; null where it does
    ]
)
POOLED = "all"


def prompt_means(files: list[Path], index: str) -> tuple[list[str], NDArray[np.float64]]:
    """Prompts, and their mean cosine [prompts, layers] over prompt positions at denoising step 0.

    `index`: `layer` (layers.parquet) or `depth` (tokens.parquet, from depth 1: after layer `depth` - 1).
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
    skill: dict[str, float] = {}
    for model in models_and_seeds(chosen):
        kind = kind_of(model, chosen)
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
                base, skill[model] = right, float(right.mean())
            skip_set = results / paths.SKIP_SET.format(model=model, policy=chosen["policy"], k=k)
            where = {"at": k, "got_k": read_json(skip_set)["got_k"] if k else 0}
            start = 0
            for benchmark, size in zip(chosen["benchmarks"], sizes, strict=True):
                part = slice(start, start := start + size)
                found = (float(right[part].mean()), draws[:, part] @ right[part] / size)
                study.add(kind, model, "accuracy", found, size, benchmark=benchmark, **where)
            pooled = (float(right.mean()), draws @ right / len(right))
            study.add(kind, model, "accuracy", pooled, len(right), benchmark=POOLED, **where)
            if base.any():
                with np.errstate(invalid="ignore", divide="ignore"):
                    kept = (100 * right.sum() / base.sum(), 100 * (draws @ right) / (draws @ base))
                study.add(kind, model, "retention", kept, len(right), benchmark=POOLED, **where)
                by_k[k][model] = kept
    contrast_by_k(study, chosen, "retention", by_k, len(items), unequal(chosen, skill))


def unequal(chosen: dict[str, Any], skill: dict[str, float]) -> dict[str, str]:
    """Contrasts whose models are no match in skill at full depth (means over seeds), with the reason."""
    means = {m: fmean(skill[s] for s in (m, *chosen["seeds"].get(m, []))) for m in chosen["models"]}
    sides = {c["differs"]: (c["first"], c["second"]) for c in chosen["contrasts"]}
    found = {name: why_not_comparable({m: means[m] for m in pair}) for name, pair in sides.items()}
    return {name: why for name, why in found.items() if why}


def contrast_by_k(
    study: Study,
    chosen: dict[str, Any],
    measure: str,
    by_k: dict[int, dict[str, Values]],
    n: int,
    not_comparable: Mapping[str, str],
) -> None:
    """Add contrasts at every k above 0, marked where they give no verdict, and how much trainings vary."""
    for k, values in by_k.items():
        if k:
            more = {"n": n, "at": k, "benchmark": POOLED}
            first = len(study.rows)
            study.contrasts(chosen["contrasts"], measure, values, **more)
            for row in study.rows[first:]:
                row["not_comparable"] = not_comparable.get(row["name"])
            study.training(measure, values, **more)


def likelihoods(study: Study, chosen: dict[str, Any], results: Path, resamples: int) -> None:
    """Add the likelihood of reference solutions at full depth, and its loss at every k, with contrasts.

    In nats a token, mean over the items of all benchmarks that have solutions.
    """
    by_k: dict[int, dict[str, Values]] = {k: {} for k in sorted(chosen["layers_skipped"])}
    n, table = 0, paths.CONTROLLED_CELLS.removesuffix(".parquet")
    for model in models_and_seeds(chosen):
        kind, where = kind_of(model, chosen), {"table": table, "model": model}
        files = [results / paths.LIKELIHOODS.format(**where, benchmark=b) for b in chosen["benchmarks"]]
        nats = [measured for file in files if (measured := nats_of_cells(file, chosen))]
        if not nats:
            return
        sizes = [len(of[paths.FULL_DEPTH, 0]) for of in nats]
        n = sum(sizes)
        draws = resampling(sizes, resamples) / n
        full = np.concatenate([of[paths.FULL_DEPTH, 0] for of in nats])
        study.add(kind, model, "nll", (float(full.mean()), draws @ full), n, at=0, benchmark=POOLED)
        for k, values in by_k.items():
            if k:
                more = np.concatenate([of[chosen["policy"], k] for of in nats]) - full
                values[model] = (float(more.mean()), draws @ more)
                study.add(kind, model, "nll_increase", values[model], n, at=k, benchmark=POOLED)
    contrast_by_k(study, chosen, "nll_increase", by_k, n, {})


def nats_of_cells(file: Path, chosen: dict[str, Any]) -> ItemNats:
    """Nats of each solution in the study's cells; empty for a benchmark without solutions."""
    nats = item_nats(file)
    for k in chosen["layers_skipped"] if nats else []:
        if (chosen["policy"] if k else paths.FULL_DEPTH, k) not in nats:
            raise GoodpartError(f"{file}: lacks the likelihoods with {k} layers skipped; delete it and rerun")
    return nats


def kind_of(model: str, chosen: dict[str, Any]) -> str:
    """`model`, or `seed` for another training seed of one."""
    return "model" if model in chosen["models"] else "seed"


def models_and_seeds(chosen: dict[str, Any]) -> list[str]:
    """All models of the study, and the other seeds of their recipes after them."""
    return [*chosen["models"], *(seed for seeds in chosen["seeds"].values() for seed in seeds)]


def rows(chosen: dict[str, Any], results: Path, level: float, resamples: int) -> Iterator[dict[str, Any]]:
    """All rows of the study, complete with nulls."""
    study = Study(level, chosen["seeds"])
    similarities(study, chosen, results, "layers", "layer", resamples)
    similarities(study, chosen, results, "tokens", "depth", resamples)
    retentions(study, chosen, results, resamples)
    if chosen["likelihoods"]:
        likelihoods(study, chosen, results, resamples)
    for row in study.rows:
        yield {name: row.get(name) for name in SCHEMA.names}


def main(job: Job) -> None:
    """Write controlled_study.parquet."""
    chosen = job.params.selection
    made = list(rows(chosen, job.output.parent, job.params.level, job.params.resamples))
    write_rows(job.output, made, SCHEMA, provenance(selection=chosen, level=job.params.level))
