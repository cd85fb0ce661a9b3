"""HumanEval: functions to complete from signature and docstring (Chen et al., 2021)."""

from __future__ import annotations

from typing import Any

from goodpart.benchmarks import DFLASH_CODE, fenced, of_scorer, unknown_style
from goodpart.errors import GoodpartError

FIELDS = ("task_id", "prompt", "test", "entry_point")


def item_id(row: dict[str, Any], split: str, index: int) -> str:
    """The public `task_id`."""
    return row["task_id"]


def prompt(row: dict[str, Any], style: str, examples: tuple[str, ...] = ()) -> str:
    """The prompt as it stands (`bare`), or after a request for a function or, fenced, for a solution."""
    if examples:
        raise GoodpartError("humaneval has no solved examples; leave examples out")
    if style == "bare":
        return row["prompt"].rstrip("\n")
    if style == "paper":
        return f"Complete this Python function. Write one function and nothing else.\n\n{row['prompt']}"
    if style in ("dflash", "dflash_tests"):
        return f"{DFLASH_CODE}```python\n{row['prompt']}\n```"
    raise unknown_style("humaneval", style)


def reference(row: dict[str, Any]) -> dict[str, Any]:
    """The public prompt, tests and entry point."""
    return {key: row[key] for key in ("prompt", "test", "entry_point")}


def solution(row: dict[str, Any], style: str) -> str | None:
    """The canonical body; where the prompt asks for a function, the whole one, fenced."""
    body = row.get("canonical_solution")
    if not body or style == "bare":
        return body and body.rstrip("\n")
    return fenced(row["prompt"] + body)


def __getattr__(name: str) -> Any:
    return of_scorer(__name__, name)
