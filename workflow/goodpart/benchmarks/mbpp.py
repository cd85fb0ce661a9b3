"""MBPP: functions to write from a sentence, tested by assertions (Austin et al., 2021).

Reads the full rows (`text`, `test_setup_code`) and the sanitized ones (`prompt`, `test_imports`).
"""

from __future__ import annotations

import re
from typing import Any

from goodpart.benchmarks import (
    DFLASH_CODE,
    Verdict,
    before_next,
    before_stops,
    few_shot,
    unknown_style,
    without_thinking,
)
from goodpart.benchmarks.blocks import final
from goodpart.benchmarks.code import extract, run_programs
from goodpart.benchmarks.statements import parsed

FIELDS = ("task_id", "code", "test_list")
OPTIONAL = ("text", "prompt", "test_imports", "test_setup_code")  # full or sanitized rows
SANDBOX = True


def item_id(row: dict[str, Any], split: str, index: int) -> str:
    """The public `task_id`."""
    return str(row["task_id"])


def _problem(row: dict[str, Any]) -> str:
    tests = "\n".join(row["test_list"])
    return f"Problem: {(row.get('text') or row['prompt']).strip()}\nTests:\n{tests}\nFunction:"


def example(row: dict[str, Any], style: str) -> str:
    """A solved problem for few-shot prompts, with the reference function."""
    code = "\n".join(line.rstrip() for line in row["code"].splitlines()).strip()
    return f"{_problem(row)}\n```python\n{code}\n```"


def cut(completion: str, style: str) -> str:
    """Without the problems that a model adds behind its answer to a few-shot prompt."""
    return before_next(completion, "\nProblem:", _has_code) if style == "paper" else completion


def strict_cut(completion: str, style: str) -> str:
    """Up to the stop string of the few-shot style."""
    return before_stops(completion, ("\nProblem:",)) if style == "paper" else completion


def _has_code(before: str) -> bool:
    """Whether a text holds a function."""
    return re.search(r"^[ \t]*(?:def|class)\b|\blambda\b", before, re.MULTILINE) is not None


def prompt(row: dict[str, Any], style: str, examples: tuple[str, ...] = ()) -> str:
    """The sentence (`bare`, `dflash`), or the sentence and its tests behind a request."""
    text = row.get("text") or row["prompt"]
    if style == "paper":
        request = "Write one Python function that solves the problem and passes its tests."
        return few_shot(request, examples, _problem(row))
    if style in ("bare", "dflash"):
        return text
    if style == "dflash_tests":
        tests = "\n".join(row["test_list"])
        return f"{DFLASH_CODE}{text}\n```python\n{tests}\n```"
    raise unknown_style("mbpp", style)


def reference(row: dict[str, Any]) -> dict[str, Any]:
    """Imports, set-up, assertions, and the name of the function that they call."""
    called = re.search(
        r"(\w+)\s*\(", re.sub(r"^\s*assert\s*\(?(?:not\s+|set\(|sorted\()*", "", row["test_list"][0])
    )
    defined = re.findall(r"^def\s+(\w+)", row["code"], re.MULTILINE)
    name = called.group(1) if called else None
    return {
        "imports": list(row.get("test_imports") or []),
        "setup": row.get("test_setup_code") or "",
        "tests": list(row["test_list"]),
        "entry_point": name if name in defined else (defined[-1] if defined else name),
    }


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
