"""GSM8K: word problems with one number as the answer (Cobbe et al., 2021).

Only an anchored answer counts: `Final Answer:`, a `\\boxed{}`, or `####`, the last of those there are.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from goodpart.benchmarks import Verdict, mathematics_prompt
from goodpart.benchmarks.latex import last_boxed

FIELDS = ("question", "answer")
SANDBOX = False

ANCHOR = re.compile(r"final answer(?: is)?\s*:?\**\s*(?:is\b)?|####", re.IGNORECASE)
NUMBER = re.compile(r"[-+\u2212]?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")


def item_id(row: dict[str, Any], split: str, index: int) -> str:
    """`{split}/{row number}`, both of the public file."""
    return f"{split}/{index}"


def prompt(row: dict[str, Any], style: str) -> str:
    """The question, alone or with the request of the style."""
    return mathematics_prompt("gsm8k", row["question"], style)


def reference(row: dict[str, Any]) -> dict[str, Any]:
    """The gold number: the text behind `####`."""
    return {"answer": row["answer"].rsplit("####", 1)[1].strip()}


def score(reference: dict[str, Any], completion: str, sandbox: Any = None) -> Verdict:
    """Compare the anchored answer with the gold number as Decimals."""
    text = anchored(completion)
    if text is None:
        return Verdict(False, None, "no anchored answer")
    found, gold = number(text), number(reference["answer"])
    if found is None:
        return Verdict(False, text.strip()[:80], "the anchored answer is not a number")
    same = found == gold
    return Verdict(same, str(found), "equal" if same else f"not equal to {gold}")


def anchored(completion: str) -> str | None:
    """The text that the last anchor names as the answer, or None."""
    boxed = last_boxed(completion)
    anchors = list(ANCHOR.finditer(completion))
    if not anchors:
        return boxed
    line = next((part for part in completion[anchors[-1].end() :].split("\n") if part.strip(" *")), "")
    return last_boxed(line) or line


def number(text: str) -> Decimal | None:
    """The number in an answer, after removing currency, commas, percent signs, units and markdown.

    None when there is no number, or more than one.
    """
    if any(c.isdigit() and not c.isascii() for c in text):
        return None  # 18\u00b2 is not 18
    text = re.sub(r"\\text[a-z]*\{([^{}]*)\}", r" \1 ", text)
    text = re.sub(r"\\?[$]", "", text)
    text = re.sub(r"\\[a-zA-Z]+|\\[!,;: ]|[{}*_~`%\\]", " ", text)
    text = re.sub(r"(?<=[0-9])\s*,\s*(?=[0-9]{3}(?![0-9]))", "", text)
    found = NUMBER.findall(text)
    if len(found) != 1:
        return None
    try:
        return Decimal(found[0].replace("\u2212", "-").replace(",", ""))
    except InvalidOperation:
        return None
