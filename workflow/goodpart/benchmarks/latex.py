"""Answers in LaTeX: finding the boxed one, and reading those that are numbers, numerals or words."""

from __future__ import annotations

import re
from fractions import Fraction

TOKEN = re.compile(r"(\\+(?:boxed|fbox)\s*\{)|\\.|([{}])", re.DOTALL)
BARE = re.compile(r"\\boxed\s+([^\s{}$\\]*[^\s{}$\\.,;])")

WRAPPER = re.compile(r"\\(?:text|math|mbox|bold|operatorname)[a-z]*\s*\{([^{}]*)\}")
UNIT = re.compile(
    r"(?:\\[,;! ]|\s)*\\(?:text|math|mbox)[a-z]*\s*\{[^{}0-9]*\}(?:\s*\^\s*\{?\s*[0-9]\s*\}?)?$"
)
DEGREES = re.compile(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})|\\degree|\u00b0")
THOUSANDS = re.compile(r"(?<=[0-9])(?:,\\!\s*|\{,\}|\\,)(?=[0-9]{3}(?![0-9]))")
COMMAS = re.compile(r"[-+]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
NAME = re.compile(r"^[a-zA-Z]\s*(?:\([a-zA-Z]\)\s*)?=(?=[^=]+$)")
DECIMAL = r"(?:[0-9]{1,4000}(?:\.[0-9]{0,4000})?|\.[0-9]{1,4000})"
POWER = re.compile(rf"([-+]?{DECIMAL})(?:\\times|\\cdot|\u00d7)10\^(?:\{{([-+]?[0-9]{{1,3}})\}}|([0-9]))")
PART = rf"(?:\{{([-+]?{DECIMAL})\}}|([0-9]))"
FRACTION = re.compile(rf"([-+]?)([0-9]{{0,400}})\\frac{PART}{PART}")
SLASH = re.compile(rf"([-+]?{DECIMAL})/({DECIMAL})")


def last_boxed(text: str) -> str | None:
    r"""Content of the last `\boxed{...}` or `\fbox{...}` whose braces balance, or None.

    Of boxes inside one another it is the outer one's content without the commands of the inner ones.
    `\boxed 42`, as in old solutions, counts where there is no such box.
    """
    found = last_box(text)
    return found[1] if found else None


def last_box(text: str) -> tuple[int, str] | None:
    """Where the last box's content begins, and the content as `last_boxed` gives it; None without a box."""
    open_braces: list[int | None] = []  # where a box's content starts; None for a brace of no box
    last: tuple[int, int] | None = None
    for found in TOKEN.finditer(text):
        box, brace = found.groups()
        if box:
            open_braces.append(found.end())
        elif brace == "{":
            open_braces.append(None)
        elif brace and open_braces:
            start = open_braces.pop()
            if start is not None:
                last = start, found.start()
    if last is None:
        bare = list(BARE.finditer(text))
        return (bare[-1].start(1), bare[-1][1]) if bare else None
    return last[0], re.sub(r"\\(?:boxed|fbox)\s*(?=\{)", "", text[last[0] : last[1]])


def normalised(answer: str) -> str:
    """An answer as a text to compare: without spaces, sizes, delimiters, a trailing dot and degrees."""
    answer = _undelimited(answer)
    answer = re.sub(r"\\(?:left|right|!|,|;|:| |displaystyle)(?![a-zA-Z])|~", "", answer)
    answer = re.sub(r"\\[dtc]frac", r"\\frac", DEGREES.sub("", answer))
    return re.sub(r"\s+", "", answer).removesuffix(".")


def _undelimited(answer: str) -> str:
    answer = answer.replace("\0", "").replace("\u2212", "-").strip()
    answer = re.sub(r"^(?:\$+|\\\(|\\\[)|(?<!\\)\$+$|\\\)$|\\\]$", "", answer).strip()
    inner = re.fullmatch(r"\{([^{}]*)\}", answer)
    return inner[1].strip() if inner else answer


def value(answer: str, named: bool = False) -> Fraction | None:
    r"""The number that an answer is, exactly, or None where it is no single number.

    Reads integers and decimals with separators, fractions, mixed numbers and powers of ten, without
    currency, degrees, percent sign and a unit in `\text{}`; with `named`, behind `x =` too.
    """
    text = DEGREES.sub("", _undelimited(answer).rstrip(". "))
    text = re.sub(r"^\\?\$|\\?[%$]$", "", text.strip()).strip()
    if named:
        text = NAME.sub("", text)
    text = UNIT.sub("", text)
    text = WRAPPER.sub(r" \1 ", THOUSANDS.sub("", text)).strip()
    if re.search(r"[0-9]\s+[0-9]|[0-9],\s", text):
        return None  # a list, or two numbers
    text = re.sub(r"\\[dtc]frac", r"\\frac", re.sub(r"\\left|\\right|\\[!,;: ]|\s", "", text))
    text = re.sub(r"^\\?\$|\\?[%$]$", "", _undelimited(text)).removesuffix(".")
    if COMMAS.fullmatch(text):
        text = text.replace(",", "")
    if re.fullmatch(rf"[-+]?{DECIMAL}", text):
        return Fraction(text)
    if found := POWER.fullmatch(text):
        return Fraction(found[1]) * Fraction(10) ** int(found[2] or found[3])
    if found := SLASH.fullmatch(text):
        return _ratio(found[1], found[2])
    if found := FRACTION.fullmatch(text):
        sign, whole, *parts = found.groups()
        part = _ratio(parts[0] or parts[1], parts[2] or parts[3])
        if part is None or (whole and part < 0):
            return None
        return (-1 if sign == "-" else 1) * (int(whole or 0) + part)
    return None


def _ratio(above: str, below: str) -> Fraction | None:
    return Fraction(above) / Fraction(below) if Fraction(below) else None


def numeral(answer: str) -> tuple[str, str | None] | None:
    """Digits and base of a numeral such as `52_8`; the base is None where the answer is digits alone."""
    text = re.sub(r"[\s(){}]", "", WRAPPER.sub(r"\1", _undelimited(answer))).removesuffix(".")
    found = re.fullmatch(r"(-?[0-9][0-9A-F]*)(?:_([0-9]+))?", text)
    return (found[1], found[2]) if found else None


def word(answer: str) -> str | None:
    r"""Letters of an answer in words, such as `\text{(C)}`, in lower case without brackets; else None."""
    text = re.sub(r"\\[!,;: ]|[(){}]|\s+", " ", WRAPPER.sub(r" \1 ", _undelimited(answer)))
    text = " ".join(text.rstrip(". ").split()).casefold()
    return text if re.fullmatch(r"[^\W\d_](?:[^\d_\\^=<>+*/]*[^\W\d_])?", text) else None
