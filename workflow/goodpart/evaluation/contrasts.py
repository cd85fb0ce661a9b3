"""Values of models and their contrasts, resampled in pairs, with the chance of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goodpart.evaluation.intervals import percentile_interval, student_quantile

Values = tuple[float, NDArray[np.float64]]  # an estimate, and the same of every resample
Chance = Sequence[tuple[float, int]]  # variances by the chance of training, with their degrees of freedom


@dataclass(frozen=True)
class Trained:
    """One measure of the checkpoints that one recipe gave, a seed each: their mean, and its chance."""

    values: Sequence[Values]

    @property
    def mean(self) -> Values:
        """Mean over seeds, of the estimate and of every resample."""
        estimates, draws = zip(*self.values, strict=True)
        return fmean(estimates), np.mean(draws, axis=0)

    @property
    def sd(self) -> float | None:
        """Standard deviation between seeds; None of one seed."""
        return stdev(value for value, _ in self.values) if len(self.values) > 1 else None

    @property
    def chance(self) -> tuple[float, int]:
        """Variance of the mean by the chance of training, and its degrees of freedom; 0, 0 of one seed."""
        n = len(self.values)
        return (self.sd**2 / n, n - 1) if self.sd is not None else (0.0, 0)


class Study:
    """Rows of a study, from values that were resampled by the same draws."""

    def __init__(self, level: float, seeds: Mapping[str, Sequence[str]]) -> None:
        self.level, self.seeds = level, seeds
        self.rows: list[dict[str, Any]] = []

    def add(
        self, kind: str, name: str, measure: str, values: Values, n: int, *, chance: Chance = (), **where: Any
    ) -> None:
        """Add one value with its interval, which is widened by the `chance` of trained models."""
        value, drawn = values
        low, high = percentile_interval(drawn, self.level)
        variance, freedom = (sum(part) for part in zip(*chance, strict=True)) if chance else (0.0, 0)
        if variance:
            half = student_quantile(self.level, int(freedom)) * math.sqrt(variance)
            low, high = value - math.hypot(value - low, half), value + math.hypot(high - value, half)
        numbers = {"value": value, "low": low, "high": high}
        found = {key: None if math.isnan(x) else x for key, x in numbers.items()}
        self.rows.append({"kind": kind, "name": name, "measure": measure, "n": n, **found, **where})

    def trained(self, model: str, of: dict[str, Values]) -> Trained | None:
        """The values of a model and of the other seeds of its recipe; None where it has none itself."""
        names = [model, *self.seeds.get(model, [])]
        return Trained([of[name] for name in names if name in of]) if model in of else None

    def contrasts(
        self, pairs: list[dict[str, str]], measure: str, of: dict[str, Values], **more: Any
    ) -> None:
        """Add the difference of the two models of each pair, where both have the value."""
        for pair in pairs:
            first, second = (self.trained(pair[side], of) for side in ("first", "second"))
            if first and second:
                (a, drawn_a), (b, drawn_b) = first.mean, second.mean
                chance = [side.chance for side in (first, second) if side.sd is not None]
                self.add(
                    "contrast",
                    pair["differs"],
                    measure,
                    (a - b, drawn_a - drawn_b),
                    chance=chance,
                    seeds=min(len(first.values), len(second.values)),
                    **more,
                )

    def training(self, measure: str, of: dict[str, Values], **more: Any) -> None:
        """Add the mean over seeds of each recipe that has several, and how large their chance is."""
        for model in self.seeds:
            if (found := self.trained(model, of)) and found.sd is not None:
                chances = {"seed_sd": found.sd, "item_sd": float(np.nanstd(found.mean[1]))}
                chances["seeds"] = len(found.values)
                self.add("training", model, measure, found.mean, chance=[found.chance], **chances, **more)
