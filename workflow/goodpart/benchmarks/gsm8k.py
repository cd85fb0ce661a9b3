"""GSM8K: word problems with one number as the answer (Cobbe et al., 2021)."""

from __future__ import annotations

import re
from typing import Any

from goodpart.benchmarks import few_shot, mathematics_prompt, of_scorer

FIELDS = ("question", "answer")


def item_id(row: dict[str, Any], split: str, index: int) -> str:
    """`{split}/{row number}`, both of the public file."""
    return f"{split}/{index}"


def example(row: dict[str, Any], style: str) -> str:
    """A solved problem for few-shot prompts: the rationale without calculator marks, and its answer."""
    return f"Question: {row['question'].strip()}\nAnswer: {solution(row, style)}"


def prompt(row: dict[str, Any], style: str, examples: tuple[str, ...] = ()) -> str:
    """The question, alone, with the request of the style, or after worked examples."""
    if style == "paper":
        request = 'Solve the problem step by step. End with a line "Final Answer:" and the number.'
        return few_shot(request, examples, f"Question: {row['question'].strip()}\nAnswer:")
    return mathematics_prompt("gsm8k", row["question"], style)


def reference(row: dict[str, Any]) -> dict[str, Any]:
    """The gold number: the text after `####`."""
    return {"answer": row["answer"].rsplit("####", 1)[1].strip()}


def solution(row: dict[str, Any], style: str) -> str:
    """The rationale without calculator marks, then the answer as the style asks for it."""
    rationale, answer = (part.strip() for part in row["answer"].rsplit("####", 1))
    rationale = re.sub(r"<<[^<>]*>>", "", rationale)
    endings = {"bare": f"#### {answer}", "paper": f"Final Answer: {answer}"}
    ending = endings.get(style, f"\\boxed{{{answer}}}")
    return f"{rationale.strip()}\n{ending}"


def __getattr__(name: str) -> Any:
    return of_scorer(__name__, name)
