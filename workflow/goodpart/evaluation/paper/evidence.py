"""The evidence for claims: retentions of the paper or of this run, and measurements of this run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from goodpart.evaluation.comparability import skill, why_not_comparable
from goodpart.evaluation.paper.profiles import Profile
from goodpart.evaluation.paper.table_cells import ALLOWED, KINDS, NOT_ALLOWED, Cell, describe
from goodpart.evaluation.paper.values import Missing, NotComparable, Value, retention_difference


class Retentions:
    """Cells by place, for the claims.

    paired: (column, kind of benchmark, k) -> effect of the adjacency rule on the same items, if their
    verdicts are known; None if both rules skip the same layers. Other cells, such as the paper's, treat their
    counts as independent. compared: refuse contrasts of models of unequal skill, as the paper does not.
    """

    def __init__(
        self,
        cells: Iterable[Cell],
        level: float,
        paired: Mapping[tuple[str, str, int], Value | None] | None = None,
        *,
        compared: bool = False,
    ) -> None:
        self.level, self.paired, self.compared = level, paired or {}, compared
        self.cells: dict[tuple[str, str, str, int], Cell] = {}
        for cell in cells:
            self.cells.setdefault(cell.place, cell)

    def cell(self, column: str, kind: str, k: int, adjacent: str = NOT_ALLOWED) -> Cell:
        """A cell with a number; raises Missing without one."""
        found = self.cells.get((column, kind, adjacent, k))
        if found is None:
            raise Missing(f"{describe(column, kind, adjacent, k)} was not run")
        if found.percent is None:
            raise Missing(f"{describe(*found.place)}: {found.why}")
        return found

    @property
    def items(self) -> int | None:
        """Items of a benchmark: the fewest of this run's cells, or None where the paper's are unknown."""
        return (
            min((cell.n for cell in self.cells.values() if cell.n), default=None) if self.compared else None
        )

    def skill(self, columns: Iterable[str], kinds: Sequence[str]) -> str:
        """Skill of some models at full depth over some benchmarks, in words.

        Raises NotComparable where it is too unequal for a contrast, if `compared`.
        """
        cells = {c: [self.cells[c, kind, NOT_ALLOWED, 0] for kind in kinds
                     if (c, kind, NOT_ALLOWED, 0) in self.cells] for c in columns}  # fmt: skip
        means = {
            c: [cell.accuracy for cell in found if cell.accuracy is not None] for c, found in cells.items()
        }
        accuracies = {c: fmean(found) for c, found in means.items() if found}
        likelihoods = {c: [cell.nll for cell in found if cell.nll is not None] for c, found in cells.items()}
        said = ", ".join(
            f"{c} {skill(accuracy, fmean(likelihoods[c]) if likelihoods[c] else None)}"
            for c, accuracy in accuracies.items()
        )
        if self.compared and (why := why_not_comparable(accuracies)):
            raise NotComparable(f"{why} (full depth: {said})")
        return f"full depth: {said}"

    def over_benchmarks(self, column: str, k: int) -> dict[str, Value]:
        """kind -> retention, on all four benchmarks except those that the paper withholds. Raises Missing."""
        found = {}
        for kind in KINDS.values():
            cell = self.cells.get((column, kind, NOT_ALLOWED, k))
            if cell is None or not cell.withheld:
                found[kind] = self.cell(column, kind, k).value
        if not found:
            raise Missing(f"{column} at k = {k}: withheld on every benchmark")
        return found

    def difference(self, column: str, kind: str, k: int) -> Value:
        """Retention with adjacent layers not allowed, minus that with them allowed. Raises Missing."""
        apart, together = self.cell(column, kind, k), self.cell(column, kind, k, ALLOWED)
        if (column, kind, k) in self.paired:
            found = self.paired[column, kind, k]
            if found is None:
                where = describe(column, kind, k=k, adjacent=NOT_ALLOWED)
                raise Missing(f"skipped neighbours: {where}, both rules choose the same layers")
            return found
        return retention_difference(
            apart.value.value, together.value.value, apart.accuracy, apart.n, self.level
        )


@dataclass(frozen=True)
class Selected:
    """Skip sets of one model's prompts, as zeros and ones: `prompts` [N, L], and the benchmark of each [N].

    `by_benchmark`: the set of each benchmark. `pooled` [L]: the run's static set for all benchmarks; in a run
    without one, the set of all these prompts together. `pooled_is` says which of the two.
    """

    column: str
    k: int
    prompts: Any
    benchmarks: Sequence[str]
    pooled: Any
    by_benchmark: Mapping[str, Any]
    pooled_is: str = "that of all prompts together"


@dataclass(frozen=True)
class SpeedUp:
    """Speed-ups over full depth without a cache, by skipping, by caching and by both, for one model and T.

    `share`: the speed-up of both divided by the product of the two. `gain`: both minus the better of the two.
    """

    model: str
    steps: int
    cache: str
    skip: Value
    cached: Value
    both: Value
    share: Value
    gain: Value


@dataclass(frozen=True)
class Evidence:
    """All evidence for the claims; empty fields were not measured."""

    retentions: Retentions
    profiles: Mapping[str, Profile] = field(default_factory=dict)  # column -> its hidden states
    selected: Selected | None = None
    speed_ups: Sequence[SpeedUp] = ()

    def profile(self, column: str) -> Profile:
        """Hidden states of one column; raises Missing without them."""
        if column not in self.profiles:
            raise Missing(f"hidden states of {column}")
        return self.profiles[column]
