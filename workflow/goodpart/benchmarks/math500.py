r"""MATH-500: competition problems with a LaTeX answer (Hendrycks et al., 2021; Lightman et al., 2023).

The last `\boxed{}` is compared as a string first, then by math-verify in a process that can be killed.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from goodpart.benchmarks import Verdict, mathematics_prompt
from goodpart.benchmarks.equivalence import equivalent
from goodpart.benchmarks.latex import last_boxed

FIELDS = ("problem", "answer")
SANDBOX = False
SECONDS = 10.0
PLAIN = re.compile(r"[-+]?(?:[0-9]{1,400}(?:\.[0-9]{1,400})?|\.[0-9]{1,400})")


def item_id(row: dict[str, Any], split: str, index: int) -> str:
    """The public `unique_id`, or `{split}/{row number}`."""
    return row.get("unique_id") or f"{split}/{index}"


def prompt(row: dict[str, Any], style: str) -> str:
    """The problem, alone or with the request of the style."""
    return mathematics_prompt("math500", row["problem"], style)


def reference(row: dict[str, Any]) -> dict[str, Any]:
    """The gold answer in LaTeX."""
    return {"answer": row["answer"]}


def normalised(answer: str) -> str:
    """An answer without what does not change its value: spaces, sizes, a trailing dot, degrees."""
    answer = answer.replace("\0", "").strip().strip("$").strip()
    answer = re.sub(r"\\(?:left|right|!|,|;|:| |displaystyle)(?![a-zA-Z])", "", answer)
    answer = re.sub(r"\\[dt]frac", r"\\frac", answer)
    answer = re.sub(r"\^\s*\{?\\circ\}?|\\degree", "", answer)
    answer = re.sub(r"\s+", "", answer)
    return answer.removesuffix(".")


def score(reference: dict[str, Any], completion: str, sandbox: Any = None) -> Verdict:
    """Judge the last boxed answer by string, then by value."""
    found = last_boxed(completion)
    if found is None:
        return Verdict(False, None, "no boxed answer")
    gold = reference["answer"]
    if normalised(found) == normalised(gold):
        return Verdict(True, found, "equal as text")
    if PLAIN.fullmatch(normalised(found)) and PLAIN.fullmatch(normalised(gold)):
        same = Decimal(normalised(found)) == Decimal(normalised(gold))
        return Verdict(same, found, "compared as decimals")
    same, reason = equivalent(gold, found, SECONDS)
    return Verdict(same, found[:200], reason)
