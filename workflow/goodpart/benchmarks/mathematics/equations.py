r"""Equations and brackets in LaTeX answers: which side is the answer, and what encloses it."""

from __future__ import annotations

import re

from goodpart.benchmarks.mathematics.notations import listed, parts

GROUP = re.compile(r"\\[{}]|\\.|[()\[\]{}]|=|,", re.DOTALL)
SEVERAL = re.compile(r"\b(?:or|and)\b")
COMPARED = re.compile(r"[<>!:]\s*=|=\s*[<>]|\\(?:not|stackrel|overset)\b")
GREEK = re.compile(
    r"\\(?:alpha|beta|gamma|delta|lambda|mu|omega|phi|rho|sigma|tau|(?:var)?theta|varphi)(?![a-z])"
)
ARITHMETIC = re.compile(r"\\(?:sqrt|[dtc]?frac|cdot|times|div|pm|left|right|pi|quad|[!,;: ])(?![a-zA-Z])")
SUBSCRIPT = re.compile(r"_\s*(?:\{[^{}]*\}|\\?[A-Za-z]+|[0-9])")
ARGUMENTS = re.compile(r"(?<=[A-Za-wA-W'}])(?:\\left)?\([^()=]*\)")  # x(x-1) is a product

AND = re.compile(r"\\\\|;|\\q?quad(?![a-zA-Z])|,?\s*\\text\{\s*and\s*\}|,?\s*\band\b")
CASES = re.compile(r"\\begin\{(cases|aligned|array|gathered)\}(?:\{[lcr]*\})?(.*)\\end\{\1\}", re.DOTALL)
COORDINATE = re.compile(r"\s*([A-Za-z]|\\(?:theta|phi|rho))\s*=([^=]+)")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ROOTS = re.compile(r"\\(?:pm|mp|lor)(?![a-zA-Z])|\\text\{\s*or\s*\}|\bor\b")

CLOSED_INFINITY = re.compile(r"\\infty\s*(?:\\right\s*)?\]|\[\s*[-+]?\s*\\infty")


def sides(answer: str) -> list[str]:
    """The sides of an equation or a chain of them; of a list of equations, and else, the answer alone."""
    cuts, depth = [], 0
    for found in GROUP.finditer(answer):
        mark = found[0]
        if mark in ("(", "[", "{", "\\{"):
            depth += 1
        elif mark in (")", "]", "}", "\\}"):
            depth -= 1
        elif depth == 0 and mark == "=":
            cuts.append(found.start())
        elif depth == 0 and mark == "," and not re.match(r"[0-9]{3}(?![0-9])", answer[found.end() :][:4]):
            return [answer]
    if not cuts or SEVERAL.search(answer) or COMPARED.search(answer):
        return [answer]
    ends = [*cuts, len(answer)]
    return [answer[a:b] for a, b in zip([0, *(cut + 1 for cut in cuts)], ends, strict=True)]


def names(side: str, other: str) -> bool:
    r"""Whether one side of an equation only names what the other side is.

    `x`, `f(2)`, `\angle A`, `a+b` and `x^2+y^2` do. An equation that is still to be solved for one letter,
    such as `2x = 42`, or one with 0 on its right, names nothing; a calculation does not either.
    """
    core = ARGUMENTS.sub("", SUBSCRIPT.sub("", side))
    letters = set(GREEK.findall(core))
    core = GREEK.sub("", core)
    if "\\" in ARITHMETIC.sub("", core):
        return True
    letters |= set(re.findall("[A-Za-z]", ARITHMETIC.sub("", core)))
    computed = re.search(r"[0-9]|\\sqrt", core) is not None
    return bool(letters) and not (computed and (len(letters) == 1 or other.strip() == "0"))


def other_brackets(gold: str, found: str) -> bool:
    r"""Whether an answer is an interval or a point as the gold one is, in brackets that mean something else.

    A set is no point, `[a,b]` is neither `(a,b)` nor a list or a set, and nothing closes at infinity.
    """
    if CLOSED_INFINITY.search(found) and not CLOSED_INFINITY.search(gold):
        return True
    a, b = _brackets(gold), _brackets(found)
    if b is not None and b[0] == "[]" and (a is None or a[0] == "{}"):
        return len(listed(gold)) > 1
    if a is None or b is None or a[1] < 2 or a[0] == "{}" or a[0] == b[0]:
        return False
    return b[0] == "{}" or a[1] == 2


def as_point(gold: str, found: str) -> str | None:
    r"""An answer to a gold point or interval, with `y = -2, x = 8` as `(8,-2)`; None where it lists roots.

    `x = 2 \text{ or } x = 4`, `\pm 3`, and `-a, a` without brackets are roots.
    """
    wanted = _brackets(gold)
    if wanted is None or wanted[1] < 2 or wanted[0][0] not in "([" or _brackets(found):
        return found
    if ROOTS.search(found) and not ROOTS.search(gold):
        return None
    text = CASES.sub(lambda cases: cases[2].replace("&", ""), found)
    entries = [part for part in parts(AND.sub(",", text)) if part]
    named = [pair for pair in map(COORDINATE.fullmatch, entries) if pair]
    if len(entries) == wanted[1] and len(named) == len(entries):
        letters = [pair[1] for pair in named]
        if len(set(letters)) < len(letters):
            return None
        if "".join(sorted(letters)) in ALPHABET:  # m = 2, b = 3 may be meant as (2,3)
            named.sort(key=lambda pair: pair[1])
        return f"({','.join(pair[2].strip() for pair in named)})"
    if named and len(entries) > 1:
        return None
    a, b = (re.sub(r"[\s{}]", "", entry) for entry in (entries * 2)[:2])
    return None if len(entries) == 2 and ("-" + a == b or "-" + b == a) else found


def _brackets(answer: str) -> tuple[str, int] | None:
    r"""The two brackets around a whole answer, such as `(]` or `{}`, and how many parts they hold."""
    text = re.sub(r"\\(?:left|right)(?![a-zA-Z])|\s", "", answer)
    depth, parts, first = 0, 1, ""
    for found in GROUP.finditer(text):
        mark = found[0]
        if mark in ("(", "[", "\\{", "{"):
            first = first or mark
            depth += 1
        elif mark in (")", "]", "\\}", "}"):
            depth -= 1
            if depth == 0:
                closed = found.end() == len(text) and text.startswith(first) and first != "{"
                return (first[-1] + mark[-1], parts) if closed else None
        parts += mark == "," and depth == 1
    return None
