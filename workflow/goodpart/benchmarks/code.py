"""From a completion to the code in it, and from a program to a verdict."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from goodpart.benchmarks import Verdict, before_end_markers

FENCE = re.compile(
    r"(?<!`)(```+(?!`)|^~~~+(?!~)(?=[ \t]*[Pp]y))[^\n`]*\n(.*?)"
    r"(?:(?=^[ \t]*\1\w+[ \t\r]*$)"  # where the next block opens, this one has ended
    r"|(^[ \t]*\1|(?<!\"\"\"|''')\1[ \t\r]*$)|\Z)",
    re.DOTALL | re.MULTILINE,
)
NO_SANDBOX = "not run: no sandbox"


def extract(completion: str, entry_point: str | None) -> tuple[str, bool]:
    """The code of a completion, and whether it was fenced.

    The first fenced block that defines `entry_point`, else the first block; a block inside a list is
    moved to the left margin as a whole. A fence at the end of a line of code closes a block, too.
    `[BEGIN]` and `[DONE]`, the delimiters of Austin et al. (2021), are dropped with what follows them.
    Without fences it is the completion as it stands: a raw function body keeps its indentation.
    """
    text = before_end_markers(completion).split("[DONE]")[0].replace("[BEGIN]", "")
    found = FENCE.findall(text)
    if not found:
        return text, False
    # A block that no line closes may be closed within one.
    blocks = [block if closed else block.split(fence)[0] for fence, block, closed in found]
    blocks = [_at_margin(block, entry_point) for block in blocks]
    return next((block for block in blocks if _defines(block, entry_point)), blocks[0]), True


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


def run_program(program: str, extracted: str, sandbox: Any) -> Verdict:
    """Execute a program in the sandbox; correct when it runs to its end."""
    if sandbox is None:
        return Verdict(None, extracted, "the sandbox is not available", NO_SANDBOX)
    outcome = sandbox.run(program)
    return Verdict(outcome.passed, extracted, outcome.reason)
