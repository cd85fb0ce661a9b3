"""Sets of real numbers in LaTeX answers, as intervals, inequalities, unions, or all numbers without some."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from goodpart.benchmarks.mathematics.notations import LONGEST, parts

INFINITE = r"\infty"
VARIABLE = r"(?:[a-zA-Z]|\\(?:theta|alpha|beta|lambda|phi))"
COMPARE = r"(\\[lg][et](?![a-zA-Z])|<|>)"
UNION = re.compile(
    r"\\cup(?![a-zA-Z])|\\l?or(?![a-zA-Z])|\\vee(?![a-zA-Z])|\\text\{\s*or\s*\}|\bor\b|\bU\b|;"
)
BUILDER = re.compile(
    rf"^\\\{{\s*({VARIABLE})(?:\s*\\in\s*\\mathbb\{{?R\}}?)?\s*(?:\||:|\\mid)(.*)\\\}}$", re.DOTALL
)
EXCEPT = re.compile(
    r"(?:\\text\{)?\s*(?:all\s+)?(?:real numbers|reals)(?:\s+[a-z])?\s+(?:except|other than|excluding|but)\s*"
    r"(?:for\s*)?\}?\s*(?:[a-z]\s*=\s*)?(-?[0-9][^a-z]*)$",
    re.IGNORECASE,
)
BOTH = re.compile(r"\\land(?![a-zA-Z])|\\wedge(?![a-zA-Z])|\\text\{\s*and\s*\}|\band\b")


@dataclass(frozen=True)
class Interval:
    r"""An interval of real numbers by its ends in LaTeX, `-\infty` and `\infty` among them."""

    low: str
    low_closed: bool
    high: str
    high_closed: bool


ALL = Interval("-" + INFINITE, False, INFINITE, False)


def as_set(answer: str) -> tuple[list[Interval], bool] | None:
    r"""The intervals of a set of real numbers, and whether it is written as one beyond doubt.

    Reads intervals, inequalities in one letter, `\ne`, `\mathbb{R}` without points, and unions of these with
    `\cup`, `or` and commas. `(a, b)` alone may as well be a point. None for another answer.
    """
    if len(answer) > LONGEST:
        return None
    text = re.sub(r"\\(?:left|right|big[lr]?|Big[lr]?|quad|qquad)(?![a-zA-Z])|\\[!,;: ]", " ", answer)
    text = re.sub(r"\\text\{\s*(or|and)\s*\}", r" \1 ", text).strip().rstrip(".")
    text = re.sub(r"\\lt(?![a-zA-Z])", "<", re.sub(r"\\gt(?![a-zA-Z])", ">", text))
    text = EXCEPT.sub(r"\\mathbb{R} \\setminus \\{ \1 \\}", text)
    sure = "setminus" in text or "notin" in text
    if (found := BUILDER.match(text)) and r"\}" not in found[2]:
        text, sure = found[2].strip(), True
    if found := re.match(rf"({VARIABLE})\s*\\in(?![a-zA-Z])\s*", text):
        text, sure = text[found.end() :], True
        if named := re.fullmatch(r"\\mathbb\{?R\}?\s*(?:,|\||:|\\mid)\s*(.+)", text):
            text = named[1]
    letters = set(re.findall(rf"(?<![a-zA-Z\\])({VARIABLE})(?=\s*(?:\\le|\\ge|\\ne|<|>|=))", text))
    letters |= set(re.findall(rf"(?:\\le|\\ge|\\ne|<|>)\s*({VARIABLE})(?![a-zA-Z])", text))
    if len(letters) > 1:
        return None
    sure = sure or bool(letters) or bool(UNION.search(text)) or INFINITE in text or "mathbb" in text
    intervals: list[Interval] = []
    for piece in UNION.split(text):
        found = _piece(piece.strip())
        if found is None:
            return None
        intervals += found
    return (intervals, sure or _mixed(intervals)) if intervals else None


def _mixed(intervals: list[Interval]) -> bool:
    return any(i.low_closed != i.high_closed for i in intervals)


def _piece(text: str) -> list[Interval] | None:
    """The intervals of one part of a union."""
    text = BUILDER.sub(r"\2", text).strip()
    if found := re.match(rf"{VARIABLE}\s*\\(in|notin)(?![a-zA-Z])\s*", text):
        inside = _piece(text[found.end() :])
        return inside if found[1] == "in" or inside is None else _outside(inside)
    if found := re.fullmatch(rf"\|\s*{VARIABLE}\s*\|\s*{COMPARE}\s*(.+)", text):
        closed, end = found[1] not in "<>", found[2].strip()
        within = Interval(f"-{end}", closed, end, closed)
        if found[1] in ("<", "\\le"):
            return [within]
        return _outside([Interval(f"-{end}", not closed, end, not closed)])
    if found := re.fullmatch(
        r"(?:\\mathbb\{?R\}?|\(-\\infty\s*,\s*\+?\\infty\s*\))\s*(?:(?:\\setminus|\\backslash|-)\s*\\\{(.*)\\\})?",
        text,
    ):
        return _without(parts(found[1])) if found[1] else [ALL]
    if found := re.fullmatch(r"([(\[])(.*)([)\]])", text, re.DOTALL):
        ends = parts(found[2])
        if len(ends) == 2 and all(ends):
            low, high = (
                re.sub(r"\+\s*(?=\\infty)", "", end).replace(" ", "") if INFINITE in end else end
                for end in ends
            )
            return [Interval(low, found[1] == "[", high, found[3] == "]")]
        return None
    both = BOTH.split(text) if BOTH.search(text) else parts(text)
    pieces = [_inequality(part.strip()) for part in both]
    if any(piece is None for piece in pieces):
        return None
    if all("\\ne" in part for part in both):
        return _without([end for part in both for end in parts(part.split("\\ne")[1])])
    known = [piece for piece in pieces if piece is not None]
    if len(known) == 1:
        return known
    if len(known) == 2 and BOTH.search(text):
        a, b = known if known[0].high == INFINITE else known[::-1]
        if a.high == INFINITE and b.low == "-" + INFINITE:
            return [Interval(a.low, a.low_closed, b.high, b.high_closed)]
        return None
    return known if not BOTH.search(text) else None


def _outside(inside: list[Interval]) -> list[Interval] | None:
    """All numbers but those of one bounded interval."""
    if len(inside) != 1 or INFINITE in inside[0].low + inside[0].high:
        return None
    one = inside[0]
    return [
        Interval("-" + INFINITE, False, one.low, not one.low_closed),
        Interval(one.high, not one.high_closed, INFINITE, False),
    ]


def _without(points: list[str]) -> list[Interval]:
    ends = ["-" + INFINITE, *points, INFINITE]
    return [Interval(a, False, b, False) for a, b in pairwise(ends)]


def _inequality(text: str) -> Interval | None:
    """`a < x < b`, `x < a`, `a < x`, or (as a stand-in) `x \ne a`."""
    found = re.split(COMPARE, text)
    if re.fullmatch(rf"{VARIABLE}\s*\\ne(?![a-zA-Z]).*", text):
        return ALL
    if len(found) == 5 and re.fullmatch(VARIABLE, found[2].strip()):
        low, first, _, second, high = (part.strip() for part in found)
        if first in ("<", "\\le") and second in ("<", "\\le"):
            return Interval(low, first != "<", high, second != "<")
        if first in (">", "\\ge") and second in (">", "\\ge"):
            return Interval(high, second != ">", low, first != ">")
        return None
    if len(found) != 3:
        return None
    a, sign, b = (part.strip() for part in found)
    if not re.fullmatch(VARIABLE, a):
        if not re.fullmatch(VARIABLE, b):
            return None
        a, b, sign = b, a, {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le"}[sign]
    if sign in ("<", "\\le"):
        return Interval("-" + INFINITE, False, b, sign != "<")
    return Interval(b, sign != ">", INFINITE, False)


def same_set(a: list[Interval], b: list[Interval], equal: Callable[[str, str], bool]) -> bool:
    """Whether two unions consist of the same intervals."""
    if len(a) != len(b):
        return False
    left = list(b)

    def ends(x: str, y: str) -> bool:
        a, b = (re.sub(r"[\s+]", "", end) for end in (x, y))
        return a == b if INFINITE in a + b else equal(x, y)

    for one in a:
        i = next(
            (
                i
                for i, other in enumerate(left)
                if (one.low_closed, one.high_closed) == (other.low_closed, other.high_closed)
                and ends(one.low, other.low)
                and ends(one.high, other.high)
            ),
            None,
        )
        if i is None:
            return False
        del left[i]
    return True
