"""HumanEval: functions to complete from signature and docstring (Chen et al., 2021)."""

from __future__ import annotations

from typing import Any

from goodpart.benchmarks import DFLASH_CODE, Verdict, before_stops, unknown_style
from goodpart.benchmarks.code import extract, run_program
from goodpart.errors import GoodpartError

FIELDS = ("task_id", "prompt", "test", "entry_point")
SANDBOX = True
# Where Chen et al. (2021) end a function body that a model goes on behind.
STOPS = ("\nclass ", "\ndef ", "\n# ", "\nif ", "\nprint")


def item_id(row: dict[str, Any], split: str, index: int) -> str:
    """The public `task_id`."""
    return row["task_id"]


def prompt(row: dict[str, Any], style: str, examples: tuple[str, ...] = ()) -> str:
    """The prompt as it stands (`bare`), or behind a request for a function or, fenced, for a solution."""
    if examples:
        raise GoodpartError("humaneval has no solved examples; leave examples out")
    if style == "bare":
        return row["prompt"].rstrip("\n")
    if style == "paper":
        return f"Complete this Python function. Write one function and nothing else.\n\n{row['prompt']}"
    if style in ("dflash", "dflash_tests"):
        return f"{DFLASH_CODE}```python\n{row['prompt']}\n```"
    raise unknown_style("humaneval", style)


def cut(completion: str, style: str) -> str:
    """A raw function body up to where the function ends; whole functions and fenced ones as they are."""
    first = next((line for line in completion.split("\n") if line.strip()), "")
    raw_body = first[:1].isspace() and "```" not in completion
    return before_stops(completion, STOPS) if raw_body and style in ("bare", "paper") else completion


def reference(row: dict[str, Any]) -> dict[str, Any]:
    """The public prompt, tests and entry point."""
    return {key: row[key] for key in ("prompt", "test", "entry_point")}


def score(reference: dict[str, Any], completion: str, sandbox: Any = None) -> Verdict:
    """Run prompt, code and tests; the prompt stays in front, for tests that call its helpers."""
    entry = reference["entry_point"]
    code, fenced = extract(completion, entry)
    start = reference["prompt"] + ("\n" if fenced and not reference["prompt"].endswith("\n") else "")
    program = f"{start}{code}\n{reference['test']}\ncheck({entry})"
    return run_program(program, code, sandbox)
