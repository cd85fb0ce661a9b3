"""Verdicts on claims: comparisons of numbers with bounds, and the verdict that they give together."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass

from goodpart.evaluation.paper.values import Missing, Value

COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
TRUE, PARTLY, FALSE, NOT_EVALUATED = "true", "partly", "false", "not evaluated"
NOT_COMPARABLE = "not comparable"  # the models of the contrast differ in skill
# The paper prints one decimal, so a number meets a bound of the text if it rounds to it.
ROUNDING = 0.05


@dataclass(frozen=True)
class Part:
    """One comparison of a number, with its interval if it has one, with a bound.

    `certain`: the whole interval must meet the bound, if there is an interval.
    """

    what: str
    number: Value
    sense: str  # a key of COMPARE
    bound: float
    certain: bool = False

    @property
    def holds(self) -> bool:
        """Whether the number meets the bound; if `certain`, whether its whole interval does."""
        return all(self._meets) if self.certain and self._meets else self._met_by(self.number.value)

    @property
    def resolved(self) -> bool | None:
        """Whether the whole interval is on the number's side; None if the error is unknown."""
        if self.number.exact:
            return True
        return set(self._meets) == {self.holds} if self._meets else None

    @property
    def clearance(self) -> float:
        """Distance of the number from the bound in half-widths of its interval; negative if it misses it."""
        low, high = self.number.low, self.number.high
        distance = self.number.value - self.bound
        sign = 1 if self.holds else -1
        if self.number.exact:
            return sign * math.inf
        if low is None or high is None or not self._meets:
            return 0.0
        half = self.number.value - low if distance > 0 else high - self.number.value
        return sign * abs(distance) / half if half > 0 else sign * math.inf

    @property
    def _meets(self) -> list[bool]:
        """Whether the low and the high end of the interval meet the bound; empty without an interval."""
        ends = [end for end in (self.number.low, self.number.high) if end is not None]
        return [self._met_by(end) for end in ends] if all(map(math.isfinite, ends)) else []

    def _met_by(self, number: float) -> bool:
        return bool(COMPARE[self.sense](number, self.bound))

    def __str__(self) -> str:
        bounded = ", with all of its interval" if self.certain and self._meets else ""
        return f"{self.what} {described(self.number)} {self.sense} {self.bound:.4g}{bounded}"


@dataclass(frozen=True)
class Verdict:
    """A claim on one set of data: the verdict, the comparison that decides it, and all comparisons in words.

    `resolved`: whether the verdict is certain given the sampling error; None if that is unknown.
    """

    verdict: str
    decisive: Part | None = None
    detail: str = ""
    resolved: bool | None = None

    def items_to_resolve(self, n: int) -> int | None:
        """About how many items would resolve the verdict, where `n` did not; None where that is unknown.

        Intervals shrink with the square root of n: as many items as bring the limit of the decisive
        number's interval to its bound, if the number itself stays.
        """
        clearance = abs(self.decisive.clearance) if self.decisive else 0.0
        if self.resolved is not False or not 0 < clearance < math.inf:
            return None
        return math.ceil(n / clearance**2)


def described(number: Value) -> str:
    """A number and its interval in print."""
    text = f"{number.value:.4g}"
    if number.low is None or number.high is None:
        return text
    return f"{text} ({number.low:.4g} to {number.high:.4g})"


def every(parts: Sequence[Part], more: str = "") -> Verdict:
    """True if all parts hold, false if one fails. A part that certainly fails decides the verdict."""
    _require(parts)
    held, failed = _sides(parts)
    verdict = FALSE if failed else TRUE
    resolved = _one(failed) if failed else _all(held)
    return Verdict(verdict, _decisive(parts), _in_words(parts, more), resolved)


def each(parts: Sequence[Part], more: str = "") -> Verdict:
    """For claims with several statements: true if all hold, false if none holds, else partly."""
    _require(parts)
    held, failed = _sides(parts)
    verdict = PARTLY if held and failed else TRUE if held else FALSE
    resolved = _all([_one(held), _one(failed)]) if held and failed else _all(held or failed)
    count = f"{len(held)} of {len(parts)} hold" if len(parts) > 1 else ""
    words = _in_words(parts, "; ".join(filter(None, [count, more])))
    return Verdict(verdict, _decisive(parts), words, resolved)


def _sides(parts: Sequence[Part]) -> tuple[list[bool | None], list[bool | None]]:
    """`resolved` of each part that holds, and of each part that fails."""
    return [p.resolved for p in parts if p.holds], [p.resolved for p in parts if not p.holds]


def _all(known: Sequence[bool | None]) -> bool | None:
    return False if False in known else None if None in known else True


def _one(known: Sequence[bool | None]) -> bool | None:
    return True if True in known else None if None in known else False


def _require(parts: Sequence[Part]) -> None:
    """Refuse a verdict without numbers, or with a number that is not finite."""
    if not parts:
        raise Missing("nothing to compare")
    for part in parts:
        if not math.isfinite(part.number.value):
            raise Missing(f"{part.what} is not a number")


def _decisive(parts: Sequence[Part]) -> Part:
    """The part with the smallest clearance; failing parts come first."""
    return min(parts, key=lambda part: (part.holds, part.clearance))


def _in_words(parts: Sequence[Part], more: str) -> str:
    return "; ".join([*map(str, parts), *filter(None, [more])])
