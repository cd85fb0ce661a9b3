"""Answers in LaTeX: finding the boxed one, and reading those that are numbers, numerals or words."""

from __future__ import annotations

import re
from fractions import Fraction

from goodpart.benchmarks.mathematics.notations import plain_latex
from goodpart.benchmarks.mathematics.words import base, hedged, is_unit, number_in_words, scaled

TOKEN = re.compile(r"(\\+(?:boxed|fbox)\s*\{)|\\.|([{}])", re.DOTALL)
BARE = re.compile(r"\\boxed\s+([^\s{}$\\]*[^\s{}$\\.,;])")

PLACEHOLDER = re.compile(  # of an answer: nothing, dots, `your answer`
    r"(?:\\(?:text|math)[a-z]*\s*\{|\\[,;: !]|\\(?:ldots|dots|cdots|square|Box|_|q?quad)(?![a-zA-Z])|\.{2,}"
    r"|[\s~_?\u2026]"
    r"|(?:the|your|my|an?|insert|final|correct|numerical|numeric|simplified|answer|result|number|value|solution|here)\b"
    r"|\})*",
    re.IGNORECASE,
)
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
DEPTH = 8  # of braces and fonts around an answer
WRAPPER = re.compile(r"\\(?:text|math|mbox|bold|operatorname)[a-z]*\s*\{([^{}]*)\}")
NAMED = r"\\(?:text|math(?!bb)|mbox)[a-z]*\s*\{([^{}0-9]*)\}(?:\s*\^\s*\{?\s*-?[0-9]\s*\}?)?"
UNIT = re.compile(rf"(?:{NAMED}|\\[dt]?frac\s*\{{\s*{NAMED}\s*\}}\s*\{{\s*{NAMED}\s*\}})[\s./]*$")
JOINED = re.compile(r"(?:/|\\cdot|\\times|\\,)\s*$")  # two units
DEGREES = re.compile(
    r"\^\s*(?:\\circ|\{\s*\\circ\s*\}|\{?\s*\\(?:text|mathrm)\s*\{\s*o\s*\}(?:\s*\})?)|\\(?:text)?degree|\u00b0"
)
THOUSANDS = re.compile(r"(?<=[0-9])(?:,\\!\s*|\{,\}|\\,)(?=[0-9]{3}(?![0-9]))")
COMMAS = re.compile(r"[-+]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
DECIMAL = r"(?:[0-9]{1,4000}(?:\.[0-9]{0,4000})?|\.[0-9]{1,4000})"
POWER = re.compile(
    rf"([-+]?{DECIMAL})(?:\\times|\\cdot|\*)10\^(?:\{{([-+]?[0-9]{{1,3}})\}}|(-?[0-9]{{1,2}}))"
)
PART = rf"(?:\{{([-+]?{DECIMAL})\}}|([0-9]))"
FRACTION = re.compile(rf"([-+]?)([0-9]{{0,400}})\\frac{PART}{PART}")
LOOK = re.compile(  # how it looks, or how much room it takes
    r"\\(?:(?:display|text|script)style|(?:no)?limits|bf|rm|it|sf|tt|em|[bB]igg?[lrm]?"
    r"|small|normalsize|large|Large|LARGE|huge|Huge)(?![a-zA-Z])"
    r"|\\(?:(?:text)?color|[hv]?phantom|[hv]space\*?)\s*\{[^{}]*\}"
)
FONT = re.compile(
    r"\\(?:math(?:bf|rm|sf|it|tt|normal)|bm|bold(?:symbol)?|underline|ensuremath|emph)\s*(?=\{)"
)
ROW_SPACE = re.compile(r"\\\\\s*\[\s*-?[0-9.]+\s*(?:mm|cm|pt|ex|em|in)\s*\]")
SPACE = re.compile(r"(?<!\\)\\[,;: ]|~")
GROUPED = re.compile(  # digits that spaces group by threes
    r"(?<![0-9.,])(?<![0-9]\\[,;: ])([0-9]{1,3}(?:\\[,;: ][0-9]{3})+)(?![0-9/]|\\[,;: ][0-9])"
)
NUMERAL = re.compile(
    r"(-?[0-9][0-9A-F]*)\s*(?:_\s*(?:base[ _-]*)?([0-9]+|[a-z]+)|_?\s*(?:in\s*)?base[ _-]*([0-9]+|[a-z]+)"
    r"|(binary|octal|decimal|hexadecimal))?"
)
IN_BRACES = re.compile(r"(?<!\\)\{[0-9]{1,3}(?:,[0-9]{3})+\}")
WORDED_UNIT = re.compile(r"\\(?:text[a-z]*|mbox)\s*\{\s*([-+]?[0-9][0-9.,]*)(\s[A-Za-z][A-Za-z. ]*)\}")
PLAIN_UNIT = re.compile(  # after a value without letters of its own
    r"((?:\\[a-z]+(?=\s*[{\d(])|[^A-Za-z\\]|\\[$%,;:! ]|\\pi(?![a-z]))*(?:[0-9})]|i(?![a-z]))(?:\\pi)?\s*)"
    r"([A-Za-z][A-Za-z ./-]*)"
    r"(\^\s*\{?\s*[23]\s*\}?)?\.?"
)
LETTERED = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?[A-Za-z]")
IMAGINARY = re.compile(
    r"\\(?:text|math(?:rm|it)|operatorname)\s*\{\s*(i)\s*\}|(?<=[0-9])\s*(?:\\cdot|\\times|\*)\s*(i)(?![a-zA-Z])"
)
TEMPERATURE = re.compile(
    r"(?<=[0-9])\s*(?:\^\s*\{?\s*\\circ\s*\}?|\u00b0|\\degree)\s*(?:\\(?:text|mathrm)\s*\{\s*)?[CF]\s*\}?$"
)
MIXED = re.compile(r"([-+]?)\s*([0-9]{1,400})\s+(?:and\s+)?([0-9]{1,400})\s*/\s*([0-9]{1,400})\.?")
ORDINAL = re.compile(r"(?<=[0-9])\s*\^\s*\{?\s*\\(?:text|mathrm)\s*\{\s*(?:st|nd|rd|th)\s*\}\s*\}?$")
NEGATIVE = re.compile(r"^\\(?:text|mathrm)\s*\{\s*(?:negative|minus)\s*\}\s*(?=[0-9.\\])")
REPEATING = re.compile(r"([-+]?)([0-9]{0,400})\.([0-9]{0,400})\\overline\{?([0-9]{1,400})\}?")
SLASH = re.compile(rf"([-+]?{DECIMAL})/({DECIMAL})")


def last_boxed(text: str) -> str | None:
    r"""Content of the last `\boxed{...}` or `\fbox{...}` whose braces balance, or None.

    Of boxes inside one another it is the outer one's content without the commands of the inner ones.
    `\boxed 42`, as in old solutions, counts where there is no such box. A box that is empty or holds a
    placeholder, as in a remark about boxes, counts only where there is no other.
    """
    found = last_box(text)
    return found[1] if found else None


def last_box(text: str) -> tuple[int, str] | None:
    """Where the last box's content begins, and the content as `last_boxed` gives it; None without a box."""
    found = boxes(text)
    if not found:
        bare = list(BARE.finditer(text))
        return (bare[-1].start(1), bare[-1][1]) if bare else None
    start, _, content = next((box for box in reversed(found) if not PLACEHOLDER.fullmatch(box[2])), found[-1])
    return start, content


def boxes(text: str) -> list[tuple[int, int, str]]:
    """All boxes outside of others: where the content begins and ends, and the content, in order."""
    open_braces: list[int | None] = []  # where a box's content starts; None for a brace of no box
    found: list[tuple[int, int]] = []
    for token in TOKEN.finditer(text):
        box, brace = token.groups()
        if box:
            open_braces.append(token.end())
        elif brace == "{":
            open_braces.append(None)
        elif brace and open_braces:
            start = open_braces.pop()
            if start is not None:
                while found and found[-1][0] > start:
                    found.pop()
                found.append((start, token.start()))
    return [(a, b, re.sub(r"\\(?:boxed|fbox)\s*(?=\{)", "", text[a:b])) for a, b in found]


def cleaned(answer: str, units: bool = True) -> str:
    """An answer without what changes its look only: outer braces and fonts, sizes, colours, spaces.

    `units`: whether bare letters after a number may be a unit.
    """
    text = re.sub(r"\s+", " ", plain_latex(answer.replace("\0", "")))
    text = IN_BRACES.sub(lambda found: found[0].replace(",", ""), THOUSANDS.sub("", text))
    text = LOOK.sub(" ", ROW_SPACE.sub(lambda _: "\\\\", text))
    text = re.sub(r"\\big(cup|cap)(?![a-zA-Z])", r"\\\1", text)
    text = GROUPED.sub(lambda found: re.sub(r"\\[,;: ]", "", found[1]), text)
    text = IMAGINARY.sub("i", SPACE.sub(" ", text))
    for _ in range(DEPTH):
        text = _delimited(text).rstrip(" \t\r\n,;:\\")
        text = text if text.endswith("\\right.") else text.rstrip(" .")
        inner = _inside(text, font[0] if (font := FONT.match(text)) else "")
        if inner is None:
            break
        text = inner
    found = WORDED_UNIT.fullmatch(text)
    text = rf"{found[1]}\text{{{found[2]}}}" if found else text
    found = PLAIN_UNIT.fullmatch(re.sub(r"\bper\s?cent\b", r"\%", text))
    if units and found and (is_unit(rest := scaled(found[2])[1]) or not rest.strip(" .")):
        return rf"{found[1].strip()}\text{{ {found[2].strip(' .')}}}{found[3] or ''}"
    return re.sub(r"(?<=[0-9])\s*(?:\\text\{\s*)?per\s?cent\s*\}?$", r"\%", text)


def lettered(gold: str) -> bool:
    """Whether a gold answer is a number times a letter, such as `2k`: no unit and no 2,000."""
    return LETTERED.fullmatch(_delimited(gold)) is not None


def _inside(text: str, before: str) -> str | None:
    """What is between the one pair of braces that is all of a text after `before`, or None."""
    if not text.startswith(before + "{") or not text.endswith("}"):
        return None
    depth = 0
    for found in BRACE.finditer(text):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0 and found[0] == "}":
            return text[len(before) + 1 : -1] if found.end() == len(text) else None
    return None


def normalised(answer: str) -> str:
    """An answer as a text to compare: without spaces, sizes, delimiters, a trailing dot and degrees."""
    answer = re.sub(r"\\(?:left|right|!|,|;|:| )(?![a-zA-Z])|~", "", _undelimited(answer))
    answer = re.sub(r"\\[dtc]frac", r"\\frac", DEGREES.sub("", answer))
    return re.sub(r"\s+", "", answer).removesuffix(".")


def _delimited(answer: str) -> str:
    return re.sub(r"^(?:\$+|\\\(|\\\[)|(?<![\\$])\$+$|\\\)$|\\\]$", "", answer.strip()).strip()


def _undelimited(answer: str) -> str:
    answer = _delimited(answer.replace("\0", "").replace("\u2212", "-"))
    inner = re.fullmatch(r"\{([^{}]*)\}", answer)
    return inner[1].strip() if inner else answer


def value(answer: str) -> Fraction | None:
    r"""The number that an answer is, exactly, or None where it is no single number.

    Reads integers and decimals with separators, fractions, mixed numbers and powers of ten, without
    currency, degrees, percent sign and a unit in `\text{}`.
    """
    text = TEMPERATURE.sub("", _undelimited(answer).rstrip(". "))
    text = NEGATIVE.sub("-", ORDINAL.sub("", text))
    text = DEGREES.sub("", text)
    text = re.sub(r"^\\?\$|\\?[%$]$", "", text.strip()).strip()
    factor = Fraction(1)
    while found := UNIT.search(text):
        words = " ".join(filter(None, found.groups()))
        if found.start() == 0:
            break
        times, rest = scaled(words)
        if hedged(rest):
            return None
        factor *= times
        text = JOINED.sub("", text[: found.start()].strip()).strip()
    number = _number(text)
    return None if number is None else factor * number


def _number(text: str) -> Fraction | None:
    """The number that a text without its unit is."""
    text = WRAPPER.sub(r" \1 ", THOUSANDS.sub("", text)).strip()
    text = re.sub(r"(?<=[0-9])\s+and\s+(?=\\[dt]?frac|[0-9]+\s*/)", " ", text)
    if (spoken := number_in_words(text)) is not None:
        return spoken
    if found := MIXED.fullmatch(text):
        sign, whole, above, below = found.groups()
        return (
            (-1 if sign == "-" else 1) * (int(whole) + Fraction(int(above), int(below)))
            if int(below)
            else None
        )
    if re.search(r"[0-9]\s+[0-9]|[0-9],\s", text):
        return None  # a list, or two numbers
    text = re.sub(r"\\[dtc]frac", r"\\frac", re.sub(r"\\left|\\right|\\[!,;: ]|\s", "", text))
    text = re.sub(r"^\\?\$|\\?[%$]$", "", _undelimited(text)).removesuffix(".")
    if COMMAS.fullmatch(text):
        text = text.replace(",", "")
    if re.fullmatch(rf"[-+]?{DECIMAL}", text):
        return Fraction(text)
    if found := REPEATING.fullmatch(text):
        sign, whole, once, again = found.groups()
        every = Fraction(int(again), 10 ** len(again) - 1) + int(once or 0)
        return (-1 if sign == "-" else 1) * (int(whole or 0) + every / 10 ** len(once))
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
    r"""Digits and base of a numeral such as `52_8` or `52 \text{ (base eight)}`; the base may be None."""
    text = re.sub(r"\\left|\\right|[(){}]", " ", _unwrapped(answer, r" \1 ")).strip(" .")
    found = NUMERAL.fullmatch(re.sub(r"\\[!,;: ]|(?<![A-Za-z])\s+|\s+(?![A-Za-z])", "", text))
    named = next(filter(None, found.groups()[1:]), None) if found else None
    return (found[1], base(named) if named else None) if found else None


def same_numeral(a: str, b: str) -> bool:
    """Whether two numerals are one number, each in its base or in base ten."""
    found = numeral(a), numeral(b)
    try:
        values = {int(one[0], int(one[1] or 10)) for one in found if one}
    except ValueError:  # no such base, or a digit that it lacks
        return False
    return None not in found and len(values) == 1


def word(answer: str) -> str | None:
    r"""Letters of an answer in words, such as `\text{(C)}`, in lower case without brackets; else None."""
    text = re.sub(r"\\left|\\right|\\[!,;: ]|[(){}]|\s+", " ", _unwrapped(answer, r" \1 "))
    text = " ".join(text.rstrip(". ").split()).casefold()
    return text if re.fullmatch(r"[^\W\d_](?:[^\d_\\^=<>+*/]*[^\W\d_])?", text) else None


def _unwrapped(answer: str, with_: str) -> str:
    """Without `\text{}` and its like, also where one is inside another."""
    return WRAPPER.sub(with_, WRAPPER.sub(with_, _undelimited(answer)))
