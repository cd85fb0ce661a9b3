"""Values of models and their contrasts, resampled in pairs, with the variation between training seeds."""

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
Between = Sequence[tuple[float, int]]  # variances of means between training seeds, and degrees of freedom


@dataclass(frozen=True)
class Trained:
    """One measure of the checkpoints that one recipe gave, a seed each: their mean, and how they vary."""

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
    def between(self) -> tuple[float, int]:
        """Variance of the mean between seeds, and its degrees of freedom; 0, 0 of one seed."""
        n = len(self.values)
        return (self.sd**2 / n, n - 1) if self.sd is not None else (0.0, 0)


def welch(between: Between) -> tuple[float, float]:
    """Variance of a sum of independent means, and its degrees of freedom (Welch, 1947); 0, 0 without any.

    `between`: the variance of each mean, and its degrees of freedom. The variances may differ.
    """
    variance = sum(part for part, _ in between)
    if not variance:
        return 0.0, 0.0
    return variance, variance**2 / sum(part**2 / freedom for part, freedom in between if part)


class Study:
    """Rows of a study, from values that were resampled by the same draws."""

    def __init__(self, level: float, seeds: Mapping[str, Sequence[str]]) -> None:
        self.level, self.seeds = level, seeds
        self.rows: list[dict[str, Any]] = []

    def add(
        self,
        kind: str,
        name: str,
        measure: str,
        values: Values,
        n: int,
        *,
        between: Between = (),
        **where: Any,
    ) -> None:
        """Add one value with its interval, widened by the variation `between` training seeds."""
        value, drawn = values
        low, high = percentile_interval(drawn, self.level)
        variance, freedom = welch(between)
        if variance:
            half = student_quantile(self.level, freedom) * math.sqrt(variance)
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
                self.add(
                    "contrast",
                    pair["differs"],
                    measure,
                    (a - b, drawn_a - drawn_b),
                    between=[first.between, second.between],
                    seeds=min(len(first.values), len(second.values)),
                    **more,
                )

    def training(self, measure: str, of: dict[str, Values], **more: Any) -> None:
        """Add the mean over seeds of each recipe that has several, and how much they vary."""
        for model in self.seeds:
            if (found := self.trained(model, of)) and found.sd is not None:
                spread = {"seed_sd": found.sd, "item_sd": float(np.nanstd(found.mean[1]))}
                spread["seeds"] = len(found.values)
                self.add("training", model, measure, found.mean, between=[found.between], **spread, **more)
