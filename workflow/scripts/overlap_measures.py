"""How much skip sets agree: Jaccard indices across prompts, benchmarks and models, beside chance.

The paper calls the sets task-agnostic. If they are, two prompts of different benchmarks agree as much as two
of the same one. All sets come from the similarities of each evaluated prompt's first pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from goodpart.evaluation.intervals import percentile_interval, resampling
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import provenance, write_rows
from goodpart.policies import policy_module
from goodpart.policies.guard import chooser
from goodpart.states.pooling import of_prompts

# kind: `same benchmark` and `other benchmark` (mean over pairs of prompts of one model), their `difference`,
# `pooled` (a prompt's set and that of all the model's prompts), `benchmarks` (pairs of pooled sets of a
# benchmark), `models` (pairs of pooled sets, of models with equally many layers), `chance` (random sets of
# the prompts' sizes that obey the same rule on neighbours).
SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("model", pa.string()),
        ("other", pa.string()),
        ("k", pa.int32()),
        ("jaccard", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("pairs", pa.int32()),
    ]
)
CHANCE_DRAWS = 400


def indicators(sets: Sequence[Sequence[int]], layers: int) -> NDArray[np.float64]:
    """Sets as rows of zeros and ones [N, L]."""
    made = np.zeros((len(sets), layers))
    for row, chosen in zip(made, sets, strict=True):
        row[list(chosen)] = 1
    return made


def jaccard(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """|A and B| / |A or B| [N, M] of the sets in the rows of a [N, L] and b [M, L]; 1 for two empty ones."""
    both = a @ b.T
    either = a.sum(1)[:, None] + b.sum(1)[None] - both
    return np.where(either > 0, both / np.where(either > 0, either, 1), 1.0)


def weighted_means(
    index: NDArray[np.float64], group: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean Jaccard of two different prompts of the same, and of different benchmarks, by weights [R, N].

    `index` [N, N]; `group` [N] numbers the benchmarks; a weight is how often a prompt is drawn. Drawing one
    twice makes no pair with itself. Nan where there is no pair.
    """
    pairs = 1 - np.eye(len(index))
    same = (group[:, None] == group[None]) * pairs
    means = []
    for mask in (same, pairs - same):
        total = np.einsum("rn,nm,rm->r", weights, mask, weights, optimize=True)
        value = np.einsum("rn,nm,rm->r", weights, mask * index, weights, optimize=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append(value / total)
    return means[0], means[1]


class Overlap:
    """Rows of SCHEMA for one k."""

    def __init__(self, settings: dict[str, Any], k: int, level: float) -> None:
        self.settings, self.k, self.level = settings, k, level
        self.rows: list[dict[str, Any]] = []

    def chosen(self, similarities: Sequence[Sequence[float]]) -> NDArray[np.float64]:
        """The sets [N, L] that the policy chooses from similarities [N][L]."""
        choose = chooser(self.settings["kind"], len(similarities[0]))
        sets = [choose(list(one), self.k, self.settings).layers for one in similarities]
        return indicators(sets, len(similarities[0]))

    def add(self, kind: str, value: float, pairs: int, drawn: NDArray[np.float64] | None, **of: str) -> None:
        """Add one value, with the interval of its resamples if there are any."""
        numbers = [value, *(percentile_interval(drawn, self.level) if drawn is not None else (None, None))]
        names = ("jaccard", "low", "high")
        finite = {n: None if v is None or np.isnan(v) else v for n, v in zip(names, numbers, strict=True)}
        self.rows.append({"kind": kind, "k": self.k, "pairs": pairs, "other": None, **of, **finite})

    def prompts(self, model: str, by_benchmark: list[NDArray[np.float64]], resamples: int) -> None:
        """Pairs of prompts of one model, and each prompt with all: similarities [N, L] a benchmark."""
        everything = np.concatenate(by_benchmark)
        sizes = [len(part) for part in by_benchmark]
        sets = self.chosen(everything.tolist())
        index = jaccard(sets, sets)
        group = np.repeat(np.arange(len(sizes)), sizes)
        draws = resampling(sizes, resamples).astype(np.float64)
        same, other = weighted_means(index, group, np.ones((1, len(index))))
        drawn_same, drawn_other = weighted_means(index, group, draws)
        within = sum(n * (n - 1) // 2 for n in sizes)
        across = len(index) * (len(index) - 1) // 2 - within
        self.add("same benchmark", float(same[0]), within, drawn_same, model=model)
        if across:
            self.add("other benchmark", float(other[0]), across, drawn_other, model=model)
            self.add("difference", float(same[0] - other[0]), across, drawn_same - drawn_other, model=model)
        pooled = self.chosen([everything.mean(0).tolist()])
        to_pooled = jaccard(sets, pooled)[:, 0]
        drawn = draws @ to_pooled / len(index)
        self.add("pooled", float(to_pooled.mean()), len(index), drawn, model=model)

    def pooled_pairs(self, kind: str, pooled: dict[str, NDArray[np.float64]], **of: str) -> None:
        """Pairs of pooled sets: `pooled` gives the similarities [L] of each name."""
        for (first, a), (second, b) in combinations(pooled.items(), 2):
            value = jaccard(self.chosen([a.tolist()]), self.chosen([b.tolist()]))
            names = (
                {"model": first, "other": second}
                if kind == "models"
                else {"other": f"{first}, {second}", **of}
            )
            self.add(kind, float(value[0, 0]), 1, None, **names)

    def chance(self, model: str, by_benchmark: list[NDArray[np.float64]]) -> None:
        """Mean Jaccard of two random sets of the prompts' own sizes, under the same rule on neighbours.

        `by_benchmark`: similarities [N, L] a benchmark. A policy finds fewer layers than asked where too few
        are similar enough; sizes are drawn from those of the prompts' sets.
        """
        sets = self.chosen(np.concatenate(by_benchmark).tolist())
        sizes = np.random.default_rng(0).choice(sets.sum(1).astype(int), CHANCE_DRAWS)
        draw, layers = policy_module("random_layers").choose, sets.shape[1]
        rule = {"adjacent": True, "protected": []}  # that of a policy without these settings
        settings = {key: self.settings.get(key, default) for key, default in rule.items()}
        drawn = [
            draw(layers, int(size), {**settings, "seed": seed}).layers for seed, size in enumerate(sizes)
        ]
        random_sets = indicators(drawn, layers)
        index = jaccard(random_sets[::2], random_sets[1::2]).diagonal()
        self.add("chance", float(index.mean()), len(index), None, model=model)


def main(job: Job) -> None:
    """Write overlap.parquet."""
    models, settings = job.params.models, job.params.settings
    files = iter(job.input.similarities)
    found: dict[str, list[NDArray[np.float64]]] = {}
    for model, layers in models.items():
        tables = [of_prompts([next(files)], layers, settings["positions"]) for _ in job.params.benchmarks]
        found[model] = [np.array(list(table.values())) for table in tables]
    rows = []
    for k in job.params.ks:
        overlap = Overlap(settings, k, job.params.level)
        for model, parts in found.items():
            overlap.prompts(model, parts, job.params.resamples)
            means = {b: part.mean(0) for b, part in zip(job.params.benchmarks, parts, strict=True)}
            overlap.pooled_pairs("benchmarks", means, model=model)
            overlap.chance(model, parts)
        for layers in dict.fromkeys(models.values()):
            alike = {m: np.concatenate(found[m]).mean(0) for m in models if models[m] == layers}
            overlap.pooled_pairs("models", alike)
        rows += overlap.rows
    facts = provenance(settings=settings, benchmarks=job.params.benchmarks, models=list(models))
    write_rows(job.output, rows, SCHEMA, facts)
