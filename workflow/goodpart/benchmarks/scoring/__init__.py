"""Scoring: from a completion to a verdict, one module a benchmark, and what all of them read alike.

A scorer has `SANDBOX`, `score`, and perhaps `cut`, `strict_cut`, `strict` and `gold_fault`, as
`goodpart.benchmarks` describes. Nothing that makes items or prompts may import from here: a change of a
scorer runs scores again, and no model. Scorers of mathematics read answers with `benchmarks.mathematics`,
those of code with `benchmarks.programs`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import ModuleType
from typing import Any

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
    r"^[^\w\n]*[0-9]+[.)]|\bstep\s*[0-9]+", re.IGNORECASE | re.MULTILINE
)  # of a list or a heading
SETTLED = 100  # characters before a stop string, from which on a completion is under way
MOST_LABELS = 100  # each costs a look at all before it, so that endless repetition would take minutes


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


# What the functions of a scorer return.
RESULTS = {"cut": str, "strict_cut": str, "score": Verdict, "strict": bool}


def before_end_markers(completion: str) -> str:
    """A completion up to its first end marker, without other special tokens.

    Samplers end completions by token ids; this covers text that was kept with special tokens in it.
    """
    return SPECIAL.sub("", END_MARKER.split(completion, maxsplit=1)[0])


def before_stops(completion: str, stops: Sequence[str]) -> str:
    """A completion up to the first of the stop strings."""
    return completion[: min((at for stop in stops if (at := completion.find(stop)) >= 0), default=None)]


def without_thinking(completion: str) -> str:
    """A completion without what stands between thinking tags; a tag that never closes takes all after it."""
    return THOUGHT.sub("", THINKING.sub("", completion))


def before_next(completion: str, label: str, answered: Callable[[str], bool]) -> str:
    """A completion up to where the model opens a next problem, with a label such as `Question:`.

    Where the completion has hardly begun, the label restates the problem; after other words of its line it
    is a heading; in code or a docstring it is text. None of these ends a completion.
    """
    for found in islice(re.finditer(re.escape(label), completion), MOST_LABELS):
        before = completion[: found.start()]
        line = before[before.rfind("\n") + 1 :]
        inside = any(before.count(quote) % 2 for quote in ("```", '"""', "'''"))
        if inside or re.match("[A-Za-z]", line.rstrip(" \t")[-1:]):
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
    scorer: ModuleType, reference: dict[str, Any], completion: str, style: str, sandbox: Any
) -> Verdict:
    """Both readings of one completion to a prompt of the style: `correct`, and the harness's own, `strict`.

    `sandbox` is None where there is none, or where a benchmark needs none.
    """
    once = None if sandbox is None else _Once(sandbox)
    verdict = scorer.score(reference, cut(scorer, completion, style), once)
    if verdict.correct is None or not hasattr(scorer, "strict"):
        return replace(verdict, strict=verdict.correct)
    text = before_end_markers(completion)
    if hasattr(scorer, "strict_cut"):
        text = scorer.strict_cut(text, style)
    return replace(verdict, strict=scorer.strict(reference, text, once))


def cut(scorer: ModuleType, completion: str, style: str) -> str:
    """A completion as it is scored: up to end markers and the style's stop strings."""
    text = before_end_markers(completion)
    return scorer.cut(text, style) if hasattr(scorer, "cut") else text
