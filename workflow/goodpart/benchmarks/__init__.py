"""Benchmarks: one module each, behind one small interface.

A module has

* `FIELDS`: the public row's fields that it reads (a row without one is refused by name); `OPTIONAL`:
  those that only some rows have;
* `SANDBOX`: whether scoring runs model-written code;
* `item_id(row, split, index)`: a unique id;
* `prompt(row, style, examples)`: the prompt's text in one of the styles (GoodpartError for one it has
  not); `examples` are solved problems for the style `paper`, as `example(row, style)` or `EXAMPLES` give
  them;
* `cut(completion, style)`: the completion up to the stop strings of the style;
* `reference(row)`: what scoring needs, as JSON-compatible values;
* `score(reference, completion, sandbox)`: a `Verdict`. It ends a completion at end markers by itself.

`OPTIONAL`, `example`, `EXAMPLES` and `cut` may be left out. A user's own benchmark is one such file here
and an entry of `benchmarks` in the configuration: see docs/benchmarks.md.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from goodpart.errors import GoodpartError

DFLASH_MATH = "\nPlease reason step by step, and put your final answer within \\boxed{}."
DFLASH_CODE = "Write a solution to the following problem and make sure that it passes the tests:\n"
END_MARKER = re.compile(r"<\|(?:endoftext|end_of_text|eot_id|eom_id|im_end|eos|end)\|>")
SPECIAL = re.compile(r"<\|[^|<>\n]{1,60}\|>")


@dataclass(frozen=True)
class Verdict:
    """One scored completion. `correct` is None where scoring did not run; `status` says why.

    `last_number` is the verdict of the lenient metric of that name, None where a benchmark has none.
    """

    correct: bool | None
    extracted: str | None
    reason: str
    status: str = "scored"
    last_number: bool | None = None


def kind_exists(kind: str) -> bool:
    """Whether there is a module of that kind; helpers beside them are none."""
    name = f"goodpart.benchmarks.{kind}"
    return importlib.util.find_spec(name) is not None and hasattr(benchmark_module(kind), "FIELDS")


def benchmark_module(kind: str) -> ModuleType:
    """Import the module of one kind of benchmark."""
    return importlib.import_module(f"goodpart.benchmarks.{kind}")


STYLES = ("bare", "paper", "dflash", "dflash_tests")


def mathematics_prompt(kind: str, question: str, style: str) -> str:
    """The question alone (`bare`), or followed by DFlash's request to reason and box the answer."""
    if style == "bare":
        return question
    if style in ("dflash", "dflash_tests"):
        return question + DFLASH_MATH
    raise unknown_style(kind, style)


def few_shot(request: str, examples: Sequence[str], query: str) -> str:
    """What is asked for, solved problems, and the open one, with blank lines between them."""
    return "\n\n".join([request, *examples, query])


def unknown_style(kind: str, style: str) -> GoodpartError:
    """The error for a prompt style that a benchmark does not have."""
    return GoodpartError(f"{kind} has no prompt style {style!r}: use one of {', '.join(STYLES)}")


def before_end_markers(completion: str) -> str:
    """A completion up to its first end marker, without other special tokens.

    Samplers end completions by token ids; this covers text that was kept with special tokens in it.
    """
    return SPECIAL.sub("", END_MARKER.split(completion, maxsplit=1)[0])


def before_stops(completion: str, stops: Sequence[str]) -> str:
    """A completion up to the first of the stop strings."""
    return completion[: min((at for stop in stops if (at := completion.find(stop)) >= 0), default=None)]


def cut(module: ModuleType, completion: str, style: str) -> str:
    """A completion as it is scored: up to end markers and the style's stop strings."""
    text = before_end_markers(completion)
    return module.cut(text, style) if hasattr(module, "cut") else text
