"""Benchmarks: items, prompts and scores, one benchmark a file or two, behind one small interface.

`benchmarks/NAME.py` makes items:

* `FIELDS`: the public row's fields that it reads (a row without one is refused by name); `OPTIONAL`:
  those that only some rows have;
* `item_id(row, split, index)`: a unique id;
* `prompt(row, style, examples)`: the prompt's text in one of the styles (GoodpartError for one it has
  not); `examples` are solved problems for the style `paper`, as `example(row, style)` or `EXAMPLES` give
  them;
* `reference(row)`: what scoring needs, as JSON-compatible values;
* `solution(row, style)`: the solution that the data set gives, as a completion of the prompt, whose
  likelihood is measured; None for a row without one.

`benchmarks/scoring/NAME.py` scores completions, and changes without a change of items:

* `SANDBOX`: whether scoring runs model-written code;
* `score(reference, completion, sandbox)`: a `Verdict`, as a careful person would give it. It ends a
  completion at end markers by itself;
* `cut(completion, style)`: the completion up to the stop strings of the style;
* `strict_cut(completion, style)` and `strict(reference, completion, sandbox)`: cut and verdict of the
  benchmark's own harness;
* `gold_fault(reference)`: why no completion could be right, or None.

Its names can also be reached through the first file, as `gsm8k.score`.

`OPTIONAL`, `example`, `EXAMPLES`, `solution`, `cut`, `strict_cut`, `strict` and `gold_fault` may be left
out. Without a file in `scoring/`, the names of both lists stand in the one file, which takes `Verdict` and
`before_end_markers` from here. A user's own benchmark is such a file and an entry of `benchmarks` in the
configuration: see docs/benchmarks.md.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from goodpart.errors import GoodpartError

DFLASH_MATH = "\nPlease reason step by step, and put your final answer within \\boxed{}."
DFLASH_CODE = "Write a solution to the following problem and make sure that it passes the tests:\n"
# Names of `scoring` that a benchmark in one file imports from here.
FOR_SCORING = ("Verdict", "before_end_markers", "before_next", "before_stops", "without_thinking")


def __getattr__(name: str) -> Any:
    """The names FOR_SCORING, found late: items do not depend on scoring."""
    if name in FOR_SCORING:
        return getattr(importlib.import_module("goodpart.benchmarks.scoring"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def benchmark_module(kind: str) -> ModuleType:
    """Import the module of one kind of benchmark: its items and prompts."""
    return importlib.import_module(f"goodpart.benchmarks.{kind}")


def scorer_name(kind: str) -> str:
    """The module that scores a kind, below the package: that of `scoring`, else the benchmark's own."""
    apart = f"benchmarks.scoring.{kind}"
    return apart if importlib.util.find_spec(f"goodpart.{apart}") else f"benchmarks.{kind}"


def scorer_module(kind: str) -> ModuleType:
    """Import the module that scores one kind of benchmark."""
    return importlib.import_module(f"goodpart.{scorer_name(kind)}")


def of_scorer(module: str, name: str) -> Any:
    """An attribute that a benchmark's own module has not, from the module that scores it.

    `module`: the full name of a module of this package. Found late: items do not depend on scoring.
    """
    kind = module.rpartition(".")[2]
    if scorer_name(kind) != f"benchmarks.{kind}" and hasattr(scorer_module(kind), name):
        return getattr(scorer_module(kind), name)
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def refuse_wrong_gold(scorer: Any, reference: dict[str, Any], where: str) -> None:
    """Raise GoodpartError where not even the gold answer of a row would be correct; `where` names the row."""
    if fault := scorer.gold_fault(reference) if hasattr(scorer, "gold_fault") else None:
        raise GoodpartError(
            f"{where} cannot be scored, for its own gold answer would be wrong: {fault}; correct the row or "
            "leave it out"
        )


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


def fenced(code: str) -> str:
    """Python in a Markdown fence."""
    return f"```python\n{code.rstrip()}\n```"


def unknown_style(kind: str, style: str) -> GoodpartError:
    """The error for a prompt style that a benchmark does not have."""
    return GoodpartError(f"{kind} has no prompt style {style!r}: use one of {', '.join(STYLES)}")
