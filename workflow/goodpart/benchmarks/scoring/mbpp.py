"""MBPP: functions to write from a sentence, tested by assertions (Austin et al., 2021)."""

from __future__ import annotations

import re
from typing import Any

from goodpart.benchmarks.programs.blocks import final
from goodpart.benchmarks.programs.code import extract, run_programs
from goodpart.benchmarks.programs.statements import parsed
from goodpart.benchmarks.scoring import Verdict, before_next, before_stops, without_thinking

SANDBOX = True


def cut(completion: str, style: str) -> str:
    """Without the problems that a model adds after its answer to a few-shot prompt."""
    return before_next(completion, "\nProblem:", _has_code) if style == "paper" else completion


def strict_cut(completion: str, style: str) -> str:
    """Up to the stop string of the few-shot style."""
    return before_stops(completion, ("\nProblem:",)) if style == "paper" else completion


def _has_code(before: str) -> bool:
    """Whether a text holds a function."""
    return re.search(r"^[ \t]*(?:def|class)\b|\blambda\b", before, re.MULTILINE) is not None


def score(reference: dict[str, Any], completion: str, sandbox: Any = None) -> Verdict:
    """Run imports, the final answer and tests: the answer as it stands, else without its demo."""
    entry = reference["entry_point"]
    text = without_thinking(completion)
    tests = "\n".join([reference["setup"], *reference["tests"]])
    found = final(text, entry, "", "\n".join([*reference["imports"], tests]))
    code = found.whole if found else extract(text, entry)[0]
    programs = [(_program(reference, code), code)]
    if found and found.futures:
        programs.clear()  # these imports must stand first
    if found and found.code.strip() != code.strip():
        program = f"{found.futures}\n{_program(reference, found.code)}"
        programs.append((program.lstrip("\n"), found.code))
    return run_programs(programs, sandbox)


def strict(reference: dict[str, Any], completion: str, sandbox: Any = None) -> bool | None:
    """The text as it stands, or its first block that defines the function, with the official assertions."""
    code, _ = extract(completion, reference["entry_point"])
    return run_programs([(_program(reference, code), code)], sandbox).correct


def _program(reference: dict[str, Any], code: str) -> str:
    """Imports, code, set-up and tests; the set-up follows the code, which some of it uses."""
    return "\n".join([*reference["imports"], code, reference["setup"], *reference["tests"]])


def gold_fault(reference: dict[str, Any]) -> str | None:
    """Why no completion could pass: assertions that are missing or do not parse."""
    if not reference["tests"]:
        return "it has no tests"
    if parsed("\n".join([*reference["imports"], reference["setup"], *reference["tests"]])) is None:
        return "its tests are no Python"
    return None
