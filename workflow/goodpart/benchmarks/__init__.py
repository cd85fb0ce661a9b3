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
* `score(reference, completion, sandbox)`: a `Verdict`, as a careful person would give it. It ends a
  completion at end markers by itself;
* `strict_cut(completion, style)` and `strict(reference, completion, sandbox)`: cut and verdict of the
  benchmark's own harness;
* `gold_fault(reference)`: why no completion could be right, or None.

`OPTIONAL`, `example`, `EXAMPLES`, `cut`, `strict_cut`, `strict` and `gold_fault` may be left out. A user's
own benchmark is one such file here and an entry of `benchmarks` in the configuration: see docs/benchmarks.md.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from goodpart.errors import GoodpartError

DFLASH_MATH = "\nPlease reason step by step, and put your final answer within \\boxed{}."
DFLASH_CODE = "Write a solution to the following problem and make sure that it passes the tests:\n"
END_MARKER = re.compile(r"<\|(?:endoftext|end_of_text|eot_id|eom_id|im_end|eos|end)\|>")
SPECIAL = re.compile(r"<\|[^|<>\n]{1,60}\|>")
TAGS = "think|thinking|thoughts?|reasoning|scratchpad|reflection|analysis"
THINKING = re.compile(
    rf"<({TAGS})>.*?(?:</\1>|\Z)|\[THINK\].*?(?:\[/THINK\]|\Z)"
    r"|<\|begin_of_thought\|>.*?(?:<\|end_of_thought\|>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
THOUGHT = re.compile(rf"\A.*(?:</(?:{TAGS})>|\[/THINK\]|<\|end_of_thought\|>)", re.DOTALL | re.IGNORECASE)
NUMBERED = re.compile(
    r"^\W*[0-9]+[.)]|\bstep\s*[0-9]+", re.IGNORECASE | re.MULTILINE
)  # of a list or a heading
SETTLED = 100  # characters before a stop string, from which on a completion is under way


@dataclass(frozen=True)
class Verdict:
    """One scored completion. `correct` is None where scoring did not run; `status` says why.

    `last_number` is the verdict of the lenient metric of that name, None where a benchmark has none;
    `strict` that of the benchmark's own harness.
    """

    correct: bool | None
    extracted: str | None
    reason: str
    status: str = "scored"
    last_number: bool | None = None
    strict: bool | None = None


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


def gold_fault(module: ModuleType, reference: dict[str, Any]) -> str | None:
    """Why not even a row's gold answer would be scored as correct, or None where it would."""
    return module.gold_fault(reference) if hasattr(module, "gold_fault") else None


def without_thinking(completion: str) -> str:
    """A completion without what stands between thinking tags; a tag that never closes takes all behind it."""
    return THOUGHT.sub("", THINKING.sub("", completion))


def before_next(completion: str, label: str, answered: Callable[[str], bool]) -> str:
    """A completion up to where the model opens a next problem, with a label such as `Question:`.

    Where the completion has hardly begun, the label restates the problem; behind other words of its line it
    is a heading; in code or a docstring it is text. None of these ends a completion.
    """
    for found in re.finditer(re.escape(label), completion):
        before = completion[: found.start()]
        line = before[before.rfind("\n") + 1 :]
        inside = any(before.count(quote) % 2 for quote in ("```", '"""', "'''"))
        if inside or re.search(r"[A-Za-z][ \t]*$", line):
            continue
        above = NUMBERED.sub("", before[: len(before) - len(line)])
        if answered(before) or len(above.strip()) > SETTLED or re.search(r"[0-9]", above):
            return before
    return completion


class _Once:
    """A sandbox that runs each program of one completion once, for both readings."""

    def __init__(self, sandbox: Any) -> None:
        self.sandbox = sandbox
        self.outcomes: dict[str, Any] = {}

    def run(self, program: str) -> Any:
        if program not in self.outcomes:
            self.outcomes[program] = self.sandbox.run(program)
        return self.outcomes[program]


def judge(
    module: ModuleType, reference: dict[str, Any], completion: str, style: str, sandbox: Any
) -> Verdict:
    """Both readings of one completion to a prompt of the style: `correct`, and the harness's own, `strict`.

    `sandbox` is None where there is none, or where a benchmark needs none.
    """
    once = None if sandbox is None else _Once(sandbox)
    verdict = module.score(reference, cut(module, completion, style), once)
    if verdict.correct is None or not hasattr(module, "strict"):
        return replace(verdict, strict=verdict.correct)
    text = before_end_markers(completion)
    if hasattr(module, "strict_cut"):
        text = module.strict_cut(text, style)
    return replace(verdict, strict=module.strict(reference, text, once))


def cut(module: ModuleType, completion: str, style: str) -> str:
    """A completion as it is scored: up to end markers and the style's stop strings."""
    text = before_end_markers(completion)
    return module.cut(text, style) if hasattr(module, "cut") else text
