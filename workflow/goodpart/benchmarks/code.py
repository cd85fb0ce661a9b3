"""From a completion to the code in it, and from a program to a verdict."""

from __future__ import annotations

import re
from typing import Any

from goodpart.benchmarks import Verdict

SPECIAL = re.compile(r"<\|[^|>\n]*\|>")
FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)


def extract(completion: str, entry_point: str | None) -> str:
    """The code of a completion: the first fenced block that defines `entry_point`, else the first.

    `[BEGIN]` and `[DONE]`, the delimiters of Austin et al. (2021), are dropped with what follows them.
    Without fences it is the completion as it stands: a raw function body keeps its indentation.
    """
    text = SPECIAL.sub("", completion).split("[DONE]")[0].replace("[BEGIN]", "")
    blocks = FENCE.findall(text)
    if not blocks:
        return text
    if entry_point:
        defines = re.compile(
            rf"^\s*(?:async\s+)?def\s+{re.escape(entry_point)}\s*\(|^{entry_point}\s*=", re.M
        )
        return next((block for block in blocks if defines.search(block)), blocks[0])
    return blocks[0]


def run_program(program: str, extracted: str, sandbox: Any) -> Verdict:
    """Execute a program in the sandbox; correct when it runs to its end."""
    if sandbox is None:
        return Verdict(None, extracted, "the sandbox is not available", "not run: no sandbox")
    outcome = sandbox.run(program)
    return Verdict(outcome.passed, extracted, outcome.reason)
