"""From a completion to the code in it, and from a program to a verdict."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Any

from goodpart.benchmarks.scoring import Verdict, before_end_markers

FENCE = re.compile(
    r"(?<!`)(```+(?!`)|^~~~+(?!~)(?=[ \t]*[Pp]y))[^\n`]*\n(.*?)"
    r"(?:(?=^[ \t]*\1\w+[ \t\r]*$)"  # where the next block opens, this one has ended
    r"|(^[ \t]*\1|(?<!\"\"\"|''')\1[ \t\r]*$)|\Z)",
    re.DOTALL | re.MULTILINE,
)
TRIPLE = re.compile(r"(\"\"\"|''')(.*?)\1", re.DOTALL)
INNER_FENCE = re.compile(r"^[ \t]*```+([^`\n]*)$", re.MULTILINE)
OPENING = re.compile(r"(?:async|class|def|else|elif|except|finally|for|if|try|while|with)\b|\)")
BYTE_ORDER = re.compile(r"^\ufeff(?=\S)", re.MULTILINE)  # an indented line after it is not valid Python
NO_SANDBOX = "not run: no sandbox"


def extract(completion: str, entry_point: str | None) -> tuple[str, bool]:
    """The code of a completion, and whether it was fenced, as the strict reading takes it.

    The first fenced block that defines `entry_point`, else the first block; a block inside a list is
    moved to the left margin as a whole. A fence at the end of a line of code closes a block, too.
    `[BEGIN]` and `[DONE]`, the delimiters of Austin et al. (2021), are dropped with what follows them.
    Without fences it is the completion as it stands: a raw function body keeps its indentation.
    """
    text = _delimited(completion)
    found = FENCE.findall(text)
    if not found:
        return text, False
    blocks = [_at_margin(_inside(*block), entry_point) for block in found]
    return next((block for block in blocks if _defines(block, entry_point)), blocks[0]), True


def blocks_of(completion: str, entry_point: str) -> list[tuple[str, bool, str, bool]]:
    """All parts of a completion that may hold code: (text, fenced?, the prose before it, closed?).

    In order; text outside of fences is a part of its own, so that one fence alone hides nothing.
    """
    text = BYTE_ORDER.sub("", _delimited(completion))
    parts: list[tuple[str, bool, str, bool]] = []
    at = 0
    for found in FENCE.finditer(_without_inner_fences(text)):
        lead = text[at : found.start()]
        closed = bool(found[3]) or found.end() < len(text)
        length = len(_inside(found[1], found[2], found[3]))
        block = text[found.start(2) : found.start(2) + length]
        parts.append((_out_of_prose(lead, entry_point), False, "", True))
        parts.append((_code(block, entry_point), True, lead, closed))
        at = found.end()
    parts.append((_out_of_prose(text[at:], entry_point), False, "", False))
    return [part for part in parts if part[0].strip()]


def _without_inner_fences(text: str) -> str:
    """A text of the same length in which the fences inside of docstrings are none.

    They come in pairs, the last without a language. Other ones lie between two strings, or in a cut one.
    """
    at = 0
    while found := TRIPLE.search(text, at):
        inner = INNER_FENCE.findall(found[2])
        at = found.end()
        if inner and len(inner) % 2 == 0 and not inner[-1].strip():
            text = text[: found.start(2)] + found[2].replace("```", "   ") + text[found.end(2) :]
        elif inner:
            at = found.start(2)
    return text


def _out_of_prose(text: str, name: str) -> str:
    """Text outside of fences at the margin, also a definition that Markdown indents below prose."""
    text = _at_margin(text, name)
    found = re.search(rf"^([ \t]+)(?:async[ \t]+)?def[ \t]+{re.escape(name)}\b", text, re.MULTILINE)
    if found is None or _defines(text, name):
        return text
    above = [line for line in text[: found.start()].split("\n") if line.strip() and not line[0].isspace()]
    if not above or (":" in above[-1] and OPENING.match(above[-1])):
        return text  # a method, or a function within one
    return re.sub(f"^{found[1]}", "", text, flags=re.MULTILINE)


def _code(block: str, entry_point: str) -> str:
    """A block at the margin, unless it is a function's body."""
    if all(line.startswith(">") for line in block.split("\n") if line.strip()):  # in a quotation
        block = re.sub("^> ?", "", block, flags=re.MULTILINE)
    block = _at_margin(block, entry_point)
    moved = textwrap.dedent(block)
    return block if re.search(r"^(?:return|yield)\b", moved, re.MULTILINE) else moved


def _delimited(completion: str) -> str:
    return before_end_markers(completion).split("[DONE]")[0].replace("[BEGIN]", "")


def _inside(fence: str, block: str, closed: str) -> str:
    # A block that no line closes may be closed within one.
    return block if closed else block.split(fence)[0]


def _defines(block: str, name: str | None, margin: str = "") -> bool:
    if not name:
        return False
    word = re.escape(name)
    found = rf"^{margin}(?:(?:async[ \t]+)?def|class)[ \t]+{word}\b|^{margin}{word}[ \t]*(?::[^=\n]+)?=(?!=)"
    return re.search(found, block, re.MULTILINE) is not None


def _at_margin(block: str, name: str | None) -> str:
    """A block whose definition is indented, at the margin; any other one, such as a body, as it stands."""
    if name and not _defines(block, name) and _defines(block, name, "[ \t]+"):
        return textwrap.dedent(block)
    return block


def run_programs(programs: Sequence[tuple[str, str]], sandbox: Any) -> Verdict:
    """Execute programs, each with the code that it holds, until one runs to its end; correct if any does.

    The verdict shows the code and the reason of the one that passed, else of the last one.
    """
    verdict = Verdict(None, programs[0][1], "the sandbox is not available", NO_SANDBOX)
    if sandbox is None:
        return verdict
    for program, code in dict(programs).items():
        outcome = sandbox.run(program)
        verdict = Verdict(outcome.passed, code, outcome.reason)
        if outcome.passed:
            break
    return verdict
