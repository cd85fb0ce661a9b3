"""MATH-500: competition problems with a LaTeX answer (Hendrycks et al., 2021; Lightman et al., 2023)."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from goodpart.benchmarks import few_shot, mathematics_prompt, of_scorer

FIELDS = ("problem", "answer")

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


def prompt(row: dict[str, Any], style: str, examples: tuple[str, ...] = ()) -> str:
    r"""The problem, alone, with the request of the style, or after worked examples."""
    if style == "paper":
        request = "Solve the problem step by step. Put the final answer within \\boxed{}."
        return few_shot(request, examples, f"Problem: {row['problem'].strip()}\nSolution:")
    return mathematics_prompt("math500", row["problem"], style)


def reference(row: dict[str, Any]) -> dict[str, Any]:
    """The gold answer in LaTeX."""
    answer = row["answer"]
    if isinstance(answer, bool) or not isinstance(answer, (str, int, float, Decimal)):
        raise ValueError(f"the answer {answer} is no LaTeX")
    if isinstance(answer, (float, Decimal)) and not math.isfinite(answer):
        raise ValueError(f"the answer {answer} is no number, as of a missing value")
    return {"answer": str(answer)}


def solution(row: dict[str, Any], style: str) -> str | None:
    """The worked solution, which boxes the answer."""
    return row.get("solution")


def __getattr__(name: str) -> Any:
    return of_scorer(__name__, name)
