"""HumanEval: functions to complete from signature and docstring (Chen et al., 2021)."""

from __future__ import annotations

from typing import Any

from goodpart.benchmarks import DFLASH_CODE, STYLES, Verdict, unknown_style
from goodpart.benchmarks.code import extract, run_program

FIELDS = ("task_id", "prompt", "test", "entry_point")
SANDBOX = True


def item_id(row: dict[str, Any], split: str, index: int) -> str:
    """The public `task_id`."""
    return row["task_id"]


def prompt(row: dict[str, Any], style: str) -> str:
    """The prompt as it stands (`bare`), or fenced behind a request for a solution."""
    if style == "bare":
        return row["prompt"].rstrip("\n")
    if style in STYLES:
        return f"{DFLASH_CODE}```python\n{row['prompt']}\n```"
    raise unknown_style("humaneval", style)


def reference(row: dict[str, Any]) -> dict[str, Any]:
    """The public prompt, tests and entry point."""
    return {key: row[key] for key in ("prompt", "test", "entry_point")}


def score(reference: dict[str, Any], completion: str, sandbox: Any = None) -> Verdict:
    """Run prompt, code and tests; the prompt stays in front, for tests that call its helpers."""
    entry = reference["entry_point"]
    code = extract(completion, entry)
    program = f"{reference['prompt']}{code}\n{reference['test']}\ncheck({entry})"
    return run_program(program, code, sandbox)
