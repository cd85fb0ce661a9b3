r"""MATH-500: competition problems with a LaTeX answer (Hendrycks et al., 2021; Lightman et al., 2023).

The last `\boxed{}` is compared as a string first; then exactly, where both are numbers, numerals of some
base, or words; and else by math-verify in a process that can be killed.
"""

from __future__ import annotations

import re
from typing import Any

from goodpart.benchmarks import Verdict, before_end_markers, before_stops, few_shot, mathematics_prompt
from goodpart.benchmarks.equations import names, other_brackets, sides
from goodpart.benchmarks.equivalence import equivalent
from goodpart.benchmarks.latex import cleaned, last_boxed, normalised, numeral, value, word

FIELDS = ("problem", "answer")
SANDBOX = False
NO_NUMBER = (  # where one number is asked for
    ("a list", re.compile(r"[0-9]+(?:,\s+[0-9]+)+$")),
    ("two numbers", re.compile(r"(?!-?[0-9]{1,3}(?:\s[0-9]{3})+$)-?[0-9]+(?:\s+[0-9]+)+$")),
    (
        "a relation",
        re.compile(r"(?:[<>\u2264\u2265\u2260]|\\(?:[lg]eq?(?:slant)?|[lg]t|neq?)(?![a-zA-Z]))"),
    ),
    ("primed", re.compile(r"[^'\\]*(?:'|\\prime)")),
)
SECONDS = 5.0  # of processor time, for one comparison by math-verify

# Worked by hand for this project: the benchmark has no training split, and none of its items is shown.
WORKED = (
    (
        "A rectangle is three times as long as it is wide, and its perimeter is $56$. What is its area?",
        "Let the width be $w$. The perimeter is $2(w + 3w) = 8w = 56$, so $w = 7$ and the length is $21$. "
        r"The area is $7 \cdot 21 = 147$. The final answer is $\boxed{147}$.",
    ),
    (
        r"Find all real $t$ with $\frac{t+4}{t-1} = t + 2$. List them in increasing order, with commas.",
        r"For $t \ne 1$ the equation is $t + 4 = (t+2)(t-1) = t^2 + t - 2$, so $t^2 = 6$. Neither root is "
        r"$1$. The final answer is $\boxed{-\sqrt{6},\sqrt{6}}$.",
    ),
    (
        "Two fair dice with six faces are rolled. What is the chance that the larger of the two numbers is "
        "exactly $4$? (Equal numbers count as the larger.)",
        r"Both numbers are at most $4$ in $4^2 = 16$ of the $36$ cases and at most $3$ in $3^2 = 9$ of them. "
        r"So $16 - 9 = 7$ cases remain, and the chance is $\frac{7}{36}$. The final answer is "
        r"$\boxed{\frac{7}{36}}$.",
    ),
    (
        r"For which values of $a$ does $x^2 - ax + 9 > 0$ hold for every real $x$? Use interval notation.",
        r"The parabola opens upwards, so it stays above zero when its discriminant is negative: "
        r"$a^2 - 36 < 0$, that is $-6 < a < 6$. The final answer is $\boxed{(-6,6)}$.",
    ),
    (
        r"The vectors $\begin{pmatrix} 2 \\ k \end{pmatrix}$ and $\begin{pmatrix} 6 \\ -4 \end{pmatrix}$ are "
        "perpendicular. Find $k$.",
        r"Their product $2 \cdot 6 + k \cdot (-4) = 12 - 4k$ must be $0$, so $k = 3$. The final answer is "
        r"$\boxed{3}$.",
    ),
    (
        r"What is the remainder when $7^{50}$ is divided by $10$?",
        r"The last digits of the powers of $7$ repeat as $7, 9, 3, 1$. Since $50 = 4 \cdot 12 + 2$, the last "
        r"digit is that of $7^2$. The final answer is $\boxed{9}$.",
    ),
)
EXAMPLES = tuple({"problem": problem, "solution": solution} for problem, solution in WORKED)


def item_id(row: dict[str, Any], split: str, index: int) -> str:
    """The public `unique_id`, or `{split}/{row number}`."""
    return row.get("unique_id") or f"{split}/{index}"


def example(row: dict[str, Any], style: str) -> str:
    """A solved problem for few-shot prompts."""
    return f"Problem: {row['problem']}\nSolution: {row['solution']}"


def cut(completion: str, style: str) -> str:
    """Without the problems that a model adds behind its answer to a few-shot prompt."""
    return before_stops(completion, ("Problem:",)) if style == "paper" else completion


def prompt(row: dict[str, Any], style: str, examples: tuple[str, ...] = ()) -> str:
    r"""The problem, alone, with the request of the style, or behind worked examples."""
    if style == "paper":
        request = "Solve the problem step by step. Put the final answer within \\boxed{}."
        return few_shot(request, examples, f"Problem: {row['problem'].strip()}\nSolution:")
    return mathematics_prompt("math500", row["problem"], style)


def reference(row: dict[str, Any]) -> dict[str, Any]:
    """The gold answer in LaTeX."""
    return {"answer": row["answer"]}


def score(reference: dict[str, Any], completion: str, sandbox: Any = None) -> Verdict:
    """Judge the last boxed answer by string, then by value."""
    found = last_boxed(before_end_markers(completion))
    if found is None:
        return Verdict(False, None, "no boxed answer")
    same, reason = _compare(reference["answer"], found)
    return Verdict(same, found[:200], reason)


def _compare(gold: str, found: str) -> tuple[bool, str]:
    gold, found = cleaned(gold), cleaned(found)
    *left, right = sides(found) if "=" not in gold else [found]
    if len(left) == 1 and not names(left[0], right) and names(right, left[0]):
        left, right = [right], left[0]  # 5 = x
    if all(names(side, right) or _equal(gold, side)[0] for side in left):
        return _equal(gold, right)
    return False, "an equation, not what is asked for"


def _equal(gold: str, found: str) -> tuple[bool, str]:
    wanted, answer = value(gold), value(found)
    if wanted is not None and answer is not None:
        # For a gold such as 0.15, 0.15 % is another number; for 15, it is the 15 of 15 %.
        percent = "%" in found and "%" not in gold
        readings = ([answer] if not percent or abs(wanted) >= 1 else []) + [answer / 100] * percent
        return wanted in readings, "compared as numbers"
    a, b = numeral(gold), numeral(found)
    if a is not None and a[1] is not None:
        return b in (a, (a[0], None)), "compared as numerals of a base"
    if b is not None and b[1] is not None:
        return a == (b[0], None) and b[1] == "10", "compared as numerals of a base"
    if "\\text" in gold and (letters := word(gold)) is not None:
        return word(found) == letters, "compared as words"
    if wanted is not None and (reason := next((why for why, no in NO_NUMBER if no.match(found)), None)):
        return False, reason
    if other_brackets(gold, found):
        return False, "other brackets"
    if not (b_text := normalised(found)):
        return False, "the box is empty"
    a_text = normalised(gold)
    if a_text == b_text:
        return True, "equal as text"
    if a_text.casefold() == b_text.casefold():
        return False, "other letters"
    return equivalent(gold, found, SECONDS)
