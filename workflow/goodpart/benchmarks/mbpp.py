"""MBPP: functions to write from a sentence, tested by assertions (Austin et al., 2021).

Reads the full rows (`text`, `test_setup_code`) and the sanitized ones (`prompt`, `test_imports`).
"""

from __future__ import annotations

import re
from typing import Any

from goodpart.benchmarks import DFLASH_CODE, fenced, few_shot, of_scorer, unknown_style

FIELDS = ("task_id", "code", "test_list")
OPTIONAL = ("text", "prompt", "test_imports", "test_setup_code")  # full or sanitized rows


def item_id(row: dict[str, Any], split: str, index: int) -> str:
    """The public `task_id`."""
    return str(row["task_id"])


def _problem(row: dict[str, Any]) -> str:
    tests = "\n".join(row["test_list"])
    return f"Problem: {(row.get('text') or row['prompt']).strip()}\nTests:\n{tests}\nFunction:"


def example(row: dict[str, Any], style: str) -> str:
    """A solved problem for few-shot prompts, with the reference function."""
    return f"{_problem(row)}\n{fenced(_code(row))}"


def _code(row: dict[str, Any]) -> str:
    return "\n".join(line.rstrip() for line in row["code"].splitlines()).strip()


def prompt(row: dict[str, Any], style: str, examples: tuple[str, ...] = ()) -> str:
    """The sentence (`bare`, `dflash`), or the sentence and its tests after a request."""
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
    imports = row.get("test_imports")
    if imports is None:
        imports = []
    if not isinstance(imports, (list, tuple)):
        raise ValueError(f"test_imports {imports!r} is no list of statements")
    called = re.search(
        r"(\w+)\s*\(", re.sub(r"^\s*assert\s*\(?(?:not\s+|set\(|sorted\()*", "", row["test_list"][0])
    )
    defined = re.findall(r"^def\s+(\w+)", row["code"], re.MULTILINE)
    name = called.group(1) if called else None
    return {
        "imports": list(imports),
        "setup": row.get("test_setup_code") or "",
        "tests": list(row["test_list"]),
        "entry_point": name if name in defined else (defined[-1] if defined else name),
    }


def solution(row: dict[str, Any], style: str) -> str:
    """The reference function, fenced where the prompt shows code."""
    return _code(row) if style == "bare" else fenced(_code(row))


def __getattr__(name: str) -> Any:
    return of_scorer(__name__, name)
