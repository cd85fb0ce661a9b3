"""Benchmarks: one module each, behind one small interface.

A module has

* `FIELDS`: the public row's fields that it reads (a row without one is refused by name); `OPTIONAL`:
  those that only some rows have;
* `SANDBOX`: whether scoring runs model-written code;
* `item_id(row, split, index)`: a unique id;
* `prompt(row, style)`: the prompt's text in one of the styles (GoodpartError for one it has not);
* `reference(row)`: what scoring needs, as JSON-compatible values;
* `score(reference, completion, sandbox)`: a `Verdict`.

A user's own benchmark is one such file here and an entry of `benchmarks` in the configuration.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from goodpart.errors import GoodpartError

DFLASH_MATH = "\nPlease reason step by step, and put your final answer within \\boxed{}."
DFLASH_CODE = "Write a solution to the following problem and make sure that it passes the tests:\n"


@dataclass(frozen=True)
class Verdict:
    """One scored completion. `correct` is None where scoring did not run; `status` says why."""

    correct: bool | None
    extracted: str | None
    reason: str
    status: str = "scored"


def benchmark_module(kind: str) -> ModuleType:
    """Import the module of one kind of benchmark."""
    return importlib.import_module(f"goodpart.benchmarks.{kind}")


STYLES = ("bare", "dflash", "dflash_tests")


def mathematics_prompt(kind: str, question: str, style: str) -> str:
    """The question alone (`bare`), or followed by DFlash's request to reason and box the answer."""
    if style == "bare":
        return question
    if style in STYLES:
        return question + DFLASH_MATH
    raise unknown_style(kind, style)


def unknown_style(kind: str, style: str) -> GoodpartError:
    """The error for a prompt style that a benchmark does not have."""
    return GoodpartError(f"{kind} has no prompt style {style!r}: use one of {', '.join(STYLES)}")
