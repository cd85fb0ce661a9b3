"""An independent check of tiny items: solve problems from their text, and run functions on their tests.

The check reads only the public row and is independent of `tasks`.
"""

from __future__ import annotations

import re
from typing import Any

from goodpart.errors import GoodpartError

GAIN = {"buys": 1, "finds": 1, "gets": 1, "loses": -1, "sells": -1, "drops": -1}


def verify(benchmark: str, row: dict[str, Any]) -> None:
    """Raise GoodpartError if the answer in the row is not the answer to its text."""
    if benchmark == "gsm8k":
        found, given = solve_story(row["question"]), row["answer"].rsplit("#### ", 1)[1]
        _check_rationale(row["answer"])
    elif benchmark == "math500":
        found, given = solve_equation(row["problem"]), row["answer"]
        _check_rationale(row["solution"].replace("\\boxed{", "").replace("}", ""))
        if f"\\boxed{{{given}}}" not in row["solution"]:
            raise GoodpartError(f"{row['problem']}: the last answer of the solution is not the row's answer")
    else:
        run_tests(benchmark, row)
        return
    if found != given:
        raise GoodpartError(f"{row}: the answer to the text is {found}")


def solve_story(text: str) -> str:
    """The answer of a word problem, computed from its sentences."""
    if compared := re.fullmatch(r"\w+ has (\d+) \w+\. \w+ has (\d+) (more|fewer)\. .* together\?", text):
        first, difference = int(compared[1]), int(compared[2])
        return str(2 * first + (difference if compared[3] == "more" else -difference))
    start = re.match(r"\w+ has (\d+) \w+(?: of (\d+))?", text)
    if start is None:
        raise GoodpartError(f"{text}: not a word problem of the known kinds")
    held = int(start[1]) * int(start[2] or 1)
    for verb, number in re.findall(r"(\w+) (\d+)", text[start.end() :]):
        if verb == "fills":
            if held % int(number):
                raise GoodpartError(f"{text}: {held} does not divide by {number}")
            held //= int(number)
        else:
            held += GAIN[verb] * int(number)
    return str(held)


def solve_equation(problem: str) -> str:
    """The only solution of `Solve $...$.`, by sympy."""
    from sympy import Eq, solve
    from sympy.parsing.sympy_parser import (
        implicit_multiplication,
        parse_expr,
        standard_transformations,
    )

    body = re.fullmatch(r"Solve \$(.+)=(.+)\$\.", problem)
    if body is None:
        raise GoodpartError(f"{problem}: not an equation of the known kinds")
    rules = (*standard_transformations, implicit_multiplication)
    left, right = (parse_expr(side, transformations=rules) for side in body.groups())
    (value,) = solve(Eq(left, right))
    return str(value)


def run_tests(benchmark: str, row: dict[str, Any]) -> None:
    """Run a reference function (written by `tasks`) on the tests of its row."""
    scope: dict[str, Any] = {}
    try:
        if benchmark == "humaneval":
            exec(row["prompt"] + row["canonical_solution"] + "\n" + row["test"], scope)  # noqa: S102
            scope["check"](scope[row["entry_point"]])
        else:
            exec("\n".join([row["code"], *row["test_list"]]), scope)  # noqa: S102
    except AssertionError as error:
        raise GoodpartError(f"{row}: the reference function fails a test") from error


def _check_rationale(text: str) -> None:
    for a, op, b, result in re.findall(r"(\d+)([-+*/])(\d+)=(\d+)", text):
        left, right, value = int(a), int(b), int(result)
        holds = {
            "+": left + right == value,
            "-": left - right == value,
            "*": left * right == value,
            "/": left == right * value,
        }
        if not holds[op]:
            raise GoodpartError(f"{text}: {a}{op}{b} is not {result}")
