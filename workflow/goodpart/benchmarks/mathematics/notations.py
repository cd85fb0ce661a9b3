r"""One answer in several notations: Unicode signs, lists with `\pm`, vectors, residues and options."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

SIGNS = {
    "\u2264": r"\le ", "\u2265": r"\ge ", "\u2260": r"\ne ", "\u221e": r"\infty ", "\u222a": r"\cup ",
    "\u2229": r"\cap ", "\u2208": r"\in ", "\u00d7": r"\times ", "\u00b7": r"\cdot ", "\u22c5": r"\cdot ",
    "\u00f7": r"\div ", "\u03c0": r"\pi ", "\u00b1": r"\pm ", "\u2213": r"\mp ", "\u2212": "-",
    "\u2026": r"\ldots ", "\u211d": r"\mathbb{R}", "\u03b8": r"\theta ", "\u2216": r"\setminus ",
    "\u2228": r"\lor ", "\u2227": r"\land ", "\u27e8": r"\langle ", "\u27e9": r"\rangle ", "\u2044": "/",
    "\u2248": r"\approx ", "\u2261": r"\equiv ", "\u2205": r"\emptyset ", "\u2a7d": r"\le ",
    "\u2a7e": r"\ge ", "\u00ba": r"^\circ ", "\u02da": r"^\circ ", "\u2030": r"\text{ per mille}",
}  # fmt: skip
RAISED = str.maketrans(
    "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b", "0123456789+-"
)
RAISED_RUN = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u207b]+")
LOWERED = re.compile("[\u2080-\u2089]+")
ROOT = re.compile(r"\u221a\s*(\([^()]*\)|[0-9A-Za-z]+)")
# A root, a sign or a command as the argument of a command, without its braces.
BARE_PART = r"\s*(\{[^{}]*\}|\\(?:pi|theta|alpha|beta)(?![a-zA-Z])\s*|[0-9A-Za-z])"
BARE_FRACTION = re.compile(rf"(\\[dtc]?frac)(?![a-zA-Z]){BARE_PART}{BARE_PART}")
BARE_ROOT = re.compile(r"(\\sqrt\s*(?:\[[^\[\]]*\])?)\s*(\\[dtc]?frac\{[^{}]*\}\{[^{}]*\})")
E_NOTATION = re.compile(r"(?<![A-Za-z0-9.\\])([-+]?[0-9]+(?:\.[0-9]+)?)[eE]([-+]?[0-9]{1,3})(?![A-Za-z0-9.])")
FULL_WIDTH = re.compile("[\uff05\uff0b-\uff1a]")
# A dash that stands where a sign can, and not between two numbers.
DASH = re.compile(r"(?:^\s*|(?<=[({\[,=$])\s*)[\u2010-\u2015\ufe63\uff0d](?=\s?\.?[0-9\\(a-zA-Z])")
LONGEST = 500  # characters of an answer that is taken apart
ELLIPSIS = re.compile(r"\\(?:ldots|dots[a-z]?|cdots|textellipsis)(?![a-zA-Z])|(?<!\.)\.\.\.+")


def plain_latex(answer: str) -> str:
    """An answer with LaTeX commands in place of Unicode's signs, vulgar fractions and raised digits."""
    if FULL_WIDTH.search(answer):
        answer = unicodedata.normalize("NFKC", answer)
    answer = DASH.sub("-", answer)
    for sign, command in SIGNS.items():
        answer = answer.replace(sign, command)
    answer = ROOT.sub(lambda found: rf"\sqrt{{{found[1].strip('()')}}}", answer)
    answer = re.sub(
        r"(?:([0-9])\s*)?([\u00bc-\u00be\u2150-\u215e])",
        lambda found: (
            (f"{found[1]} " if found[1] else "")
            + unicodedata.normalize("NFKC", found[2]).replace("\u2044", "/")
        ),
        answer,
    )
    answer = RAISED_RUN.sub(lambda found: f"^{{{found[0].translate(RAISED)}}}", answer)
    answer = LOWERED.sub(lambda found: f"_{{{unicodedata.normalize('NFKC', found[0])}}}", answer)
    answer = (
        re.sub(r"\\[lr][vV]ert(?![a-zA-Z])|\\[mM]id(?=[^a-zA-Z])", "|", answer) if "ert" in answer else answer
    )
    answer = re.sub(r"\\leqslant|\\leq(?![a-zA-Z])|<=", r"\\le ", answer)
    answer = re.sub(r"\\geqslant|\\geq(?![a-zA-Z])|>=", r"\\ge ", answer)
    answer = re.sub(r"\\neq(?![a-zA-Z])|!=", r"\\ne ", answer)
    answer = re.sub(r"(?<=[\w)}])\s*\*\*\s*", "^", answer)
    answer = BARE_FRACTION.sub(_braced, answer)
    answer = BARE_ROOT.sub(r"\1{\2}", answer)
    answer = E_NOTATION.sub(r"\1\\times 10^{\2}", answer)
    return ELLIPSIS.sub(lambda _: r"\ldots ", answer)


def _braced(found: re.Match[str]) -> str:
    r"""`\frac{\pi}{6}` for `\frac\pi6`, which math-verify cannot read."""
    return found[1] + "".join(f"{{{part.strip('{} ')}}}" for part in found.groups()[1:])


# ---- lists ----


def parts(answer: str, separator: str = ",") -> list[str]:
    """An answer split at its separators outside of brackets."""
    found, depth, start = [], 0, 0
    for i, c in enumerate(answer):
        depth += (c in "([{") - (c in ")]}")
        if c == separator and depth == 0:
            found.append(answer[start:i])
            start = i + 1
    return [part.strip() for part in [*found, answer[start:]]]


def listed(answer: str) -> list[str]:
    r"""The values of a list without brackets or in braces; `a \pm b` is two of them, wherever it stands."""
    text = re.sub(r"\\(?:left|right)(?![a-zA-Z])", "", answer).strip()
    inner = re.fullmatch(r"\\\{(.*)\\\}", text, re.DOTALL)
    values = []
    for part in parts(inner[1] if inner else text):
        if re.search(r"\\(?:pm|mp)(?![a-zA-Z])", part):
            values += [_signed(part, "+", "-"), _signed(part, "-", "+")]
        else:
            values.append(part)
    return values


def _signed(text: str, upper: str, lower: str) -> str:
    return re.sub(r"\\mp(?![a-zA-Z])", lower, re.sub(r"\\pm(?![a-zA-Z])", upper, text))


def matched(a: list[str], b: list[str], equal: Callable[[str, str], bool]) -> bool:
    """Whether two lists hold the same values, in any order."""
    if len(a) != len(b):
        return False
    left = list(b)
    for value in a:
        i = next((i for i, other in enumerate(left) if equal(value, other)), None)
        if i is None:
            return False
        del left[i]
    return True


# ---- vectors ----

MATRIX = re.compile(r"\\begin\{([pbvBV]?matrix|array)\}(?:\{[^{}]*\})?(.*)\\end\{\1\}", re.DOTALL)
ANGLED = re.compile(r"(?:\\langle|<)(.*)(?:\\rangle|>)", re.DOTALL)


def vector(answer: str) -> tuple[str, list[str]] | None:
    """How a vector is written (`matrix`, `angled`, `(`, `[`), and its entries; None for another answer."""
    text = re.sub(r"\\(?:left|right)(?![a-zA-Z])", "", answer).strip()
    if found := MATRIX.fullmatch(text.strip("()[] ")):
        rows = [row for row in re.split(r"\\\\", found[2]) if row.strip()]
        cells = [[cell.strip() for cell in row.split("&")] for row in rows]
        if len(cells) > 1 and all(len(row) == 1 for row in cells):
            return "matrix", [row[0] for row in cells]
        return ("matrix", cells[0]) if len(cells) == 1 and len(cells[0]) > 1 else None
    if found := ANGLED.fullmatch(text):
        return "angled", parts(found[1])
    if text[:1] + text[-1:] in ("()", "[]") and len(entries := parts(text[1:-1])) > 1:
        return text[0], entries
    return None


# ---- residues and options ----

RESIDUE = re.compile(
    r"(?:[a-zA-Z]\s*\\equiv\s*)?(?P<value>[^\\]*?)\s*(?:\\[,;: ])*\s*"
    r"(?:\(?\\(?:pmod|bmod|mod|pod)(?![a-zA-Z])\s*"
    r"|\(\s*(?:\\(?:text|mathrm)\{\s*mod\s*\}|mod)\s*)\{?\s*(?P<modulus>[0-9]+)\s*\}?\s*\)?"
)


def residue(answer: str) -> tuple[str, str] | None:
    r"""Value and modulus of `x \equiv 3 \pmod{7}` and of `3 \pmod 7`; None for another answer."""
    found = RESIDUE.fullmatch(answer.strip()) if "mod" in answer and len(answer) < LONGEST else None
    return (found["value"], found["modulus"]) if found else None


GOLD_OPTION = re.compile(r"\\(?:text|mathrm|textbf)\s*\{\s*\(?([A-J])\)?\s*\}|\(([A-J])\)")
OPTION = re.compile(
    r"(?:(?:the\s+)?(?:correct\s+)?(?:option|choice|answer)\s*(?:is\s*)?:?\s*)?"
    r"(?:\(\s*([A-J])\s*\)|([A-J])(?=\s*(?:[).:\u2013\u2014-]|$)))(.*)",
    re.DOTALL | re.IGNORECASE,
)
OTHER_OPTION = re.compile(
    r"\([A-J]\)|\b(?:or|nor|and|not)\s*\(?[A-J]\b|^\s*(?:,|/|&|or\b|and\b)|\bnot\b|\b[B-HJ][).]"
)


def option(gold: str, answer: str) -> bool | None:
    r"""Whether an answer names the option that the gold one is, such as `\text{(C)}`; None for other golds.

    The text of the option may stand beside its letter; a second letter or `or` makes it none.
    """
    wanted = GOLD_OPTION.fullmatch(gold.strip())
    if not wanted or len(answer) > LONGEST:
        return None
    text = re.sub(
        r"\\(?:text|math|mbox|bold)[a-z]*\s*(?=\{)|[{}$]|\\[,;: !]|~|\\(?:q?quad|left|right)", " ", answer
    )
    found = OPTION.fullmatch(" ".join(text.split()))
    if not found:
        return None
    letter = found[1] or found[2]
    return letter.upper() == (wanted[1] or wanted[2]) and not OTHER_OPTION.search(found[3])
