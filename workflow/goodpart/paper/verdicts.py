"""What a claim comes to: comparisons of numbers with bounds, and the verdict that they give together."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass

from goodpart.paper.values import Missing, Value

COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
TRUE, PARTLY, FALSE, NOT_EVALUATED = "true", "partly", "false", "not evaluated"
# The paper prints one decimal: a printed number reaches a bound of the text that it rounds to.
ROUNDING = 0.05


@dataclass(frozen=True)
class Part:
    """One comparison: a number, with its interval if it has one, against a bound."""

    what: str
    number: Value
    sense: str  # a key of COMPARE
    bound: float

    @property
    def holds(self) -> bool:
        """Whether the number itself meets the bound."""
        return bool(COMPARE[self.sense](self.number.value, self.bound))

    @property
    def resolved(self) -> bool | None:
        """Whether the whole interval is on the number's side of the bound; None without an interval."""
        if self.number.low is None or self.number.high is None:
            return None
        ends = {COMPARE[self.sense](end, self.bound) for end in (self.number.low, self.number.high)}
        return ends == {self.holds}

    @property
    def margin(self) -> float:
        """How far the number is on the claim's side of the bound; negative on the other."""
        distance = self.number.value - self.bound
        return distance if self.sense.startswith(">") else -distance

    def __str__(self) -> str:
        return f"{self.what} {described(self.number)} {self.sense} {self.bound:.4g}"


@dataclass(frozen=True)
class Verdict:
    """A claim on one set of data: the verdict, the comparison that decides it, and all of them in words."""

    verdict: str
    decisive: Part | None = None
    detail: str = ""

    @property
    def resolved(self) -> bool | None:
        """Whether sampling error leaves the decisive comparison on its side; None where that is unknown."""
        return self.decisive.resolved if self.decisive else None


def described(number: Value) -> str:
    """A number and its interval in print."""
    text = f"{number.value:.4g}"
    if number.low is None or number.high is None:
        return text
    return f"{text} ({number.low:.4g} to {number.high:.4g})"


def every(parts: Sequence[Part], more: str = "") -> Verdict:
    """True if all parts hold, false if one does not; the one with the least margin decides."""
    _require(parts)
    verdict = TRUE if all(part.holds for part in parts) else FALSE
    return Verdict(verdict, _decisive(parts), _in_words(parts, more))


def each(parts: Sequence[Part], more: str = "") -> Verdict:
    """For a claim that makes several statements: true if all hold, false if none does, partly between."""
    _require(parts)
    held = sum(part.holds for part in parts)
    verdict = TRUE if held == len(parts) else PARTLY if held else FALSE
    count = f"{held} of {len(parts)} hold" if len(parts) > 1 else ""
    return Verdict(verdict, _decisive(parts), _in_words(parts, "; ".join(filter(None, [count, more]))))


def _require(parts: Sequence[Part]) -> None:
    """No verdict from nothing, nor from a number that is none."""
    if not parts:
        raise Missing("nothing to compare")
    for part in parts:
        if not math.isfinite(part.number.value):
            raise Missing(f"{part.what} is not a number")


def _decisive(parts: Sequence[Part]) -> Part:
    return min(parts, key=lambda part: part.margin)


def _in_words(parts: Sequence[Part], more: str) -> str:
    return "; ".join([*map(str, parts), *filter(None, [more])])
