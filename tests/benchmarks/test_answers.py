"""Answers in mathematics: which part of a completion is the answer, and in which reading."""

import json

import pytest

from goodpart.benchmarks import benchmark_module, scorer_module
from goodpart.benchmarks.items import checked_rows
from goodpart.benchmarks.scoring import judge
from goodpart.errors import GoodpartError

GSM8K, MATH = scorer_module("gsm8k"), scorer_module("math500")

BOXES = [
    ("4", r"The answer is \boxed{4}. I will use \boxed{} for the answer.", True),
    ("4", r"\boxed{4}. (As asked, within \boxed{answer}.)", True),
    ("4", r"\boxed{}", False),
    ("4", r"\boxed{4} \boxed{\text{your answer}}", True),
    ("4", r"\boxed{5}. Use \boxed{} for the answer.", False),
    ("4", r"\boxed{4}, no: \boxed{5}. Use \boxed{}", False),
    ("4", r"So \boxed{4}. In the form \boxed{...}.", True),
    ("3, 5, 7", r"\boxed{3}, \boxed{5}, and \boxed{7}", True),
    (r"\frac{1}{2}", r"$\boxed{\frac{1}{2}}$ or $\boxed{0.5}$", True),
    ("5", r"$\boxed{x=5}$, $\boxed{5}$", True),
    ("5", r"$\boxed{6}$, $\boxed{5}$", False),
    ("3, 5, 7", r"$\boxed{3}$, $\boxed{5}$, $\boxed{7}$.", True),
    ("3, 5, 7", r"$\boxed{3}$, $\boxed{5}$, $\boxed{8}$.", False),
    ("3, 5, 7", r"$\boxed{3}$, $\boxed{5}$.", False),
    ("3, 5", r"$\boxed{3}$, $\boxed{5}$, $\boxed{7}$.", False),
    ("3, 5", r"$x = \boxed{3}$ or $x = \boxed{5}$", True),
    ("3, 5", r"\boxed{3}. Wait, no, \boxed{5}", False),
    ("(3,5)", r"$x = \boxed{3}$ and $y = \boxed{5}$", True),
    ("7", r"\boxed{3}, \boxed{5}, \boxed{7}", False),
    ("7", r"\boxed{3} then I get \boxed{7}", True),
    ("3,5", r"First \boxed{3,5}. So \boxed{3,5}.", True),
    ("3,5,7", "- \\boxed{3}\n- \\boxed{5}\n- \\boxed{7}", True),
    ("(3,5)", r"\boxed{5}, \boxed{3}", False),
    ("7", r"\boxed{7}, \boxed{7}", True),
    ("1,080", r"\boxed{1080}", True),
    ("4", r"<think>\boxed{5}</think> \boxed{4}", True),
    ("4", r"<think>\boxed{4}</think> \boxed{5}", False),
]


@pytest.mark.parametrize(("gold", "completion", "correct"), BOXES)
def test_which_boxes_hold_the_answer(gold, completion, correct):
    assert judge(MATH, {"answer": gold}, completion, "dflash", None).correct is correct


RESTATED = {
    "a heading": "**Understanding the {label}:** It asks for 3 * 4.\n\n3 * 4 = 12\n{answer}",
    "a heading with a number": "### 1. Understand the {label}: there are 3 boxes\n\n3 * 4 = 12\n{answer}",
    "the problem restated": "{label}: How many eggs are in 3 boxes of 4?\n3 * 4 = 12\n{answer}",
    "restated in bold": "**{label}:** How many are in 3 boxes of 4?\n\n**Solution:** 3 * 4 = 12\n{answer}",
    "restated behind words": "Let us restate it.\n\n{label}: How many eggs are in 3 boxes?\n\n{answer}",
    "another problem behind": "3 * 4 = 12\n{answer}\n\n{label}: And in 4 boxes?\n{other}",
    "another problem and a solution": "{answer}\n{label}: And in 4 boxes?\nAnswer: 16\n{other}",
    "in a sentence": "The {label}: what is 3 * 4? It is 12.\n{answer}",
}
RESTATED |= {
    "restated in a list": "1. Understand it.\n2. **{label}:** How many eggs?\n3. 3 * 4 = 12\n{answer}",
    "restated in a step": "### Step 1\n\n{label}: How many eggs are there?\n\n### Step 2\n\n{answer}",
}
CUT_SHORT = {
    "a wrong answer, then the next problem": "{other}\n\n{label}: How many are in 3 boxes?\n{answer}",
    "no answer, then the next problem": "There are 3 boxes and 4 eggs.\n\n{label}: What is 3 * 4?\n{answer}",
}


@pytest.mark.parametrize(
    ("module", "label", "answer", "other"),
    [
        (GSM8K, "Question", "Final Answer: 12", "Final Answer: 16"),
        (GSM8K, "Question", "#### 12", "#### 16"),
        (MATH, "Problem", r"\boxed{12}", r"\boxed{16}"),
    ],
)
def test_stop_strings_inside_of_an_answer_and_behind_it(module, label, answer, other):
    words = {"label": label, "answer": answer, "other": other}
    for forms, correct in ((RESTATED, True), (CUT_SHORT, False)):
        for name, form in forms.items():
            verdict = judge(module, {"answer": "12"}, form.format(**words), "paper", None)
            assert verdict.correct is correct, (name, verdict)


@pytest.mark.parametrize(
    ("gold", "answer", "correct"),
    [
        ("2000000", "$2M", True),
        ("2000000", "2 million", True),
        ("2", "$2M", False),
        ("2", "2 trillion", False),
        ("2000000000000", "2 trillion dollars", True),
        ("3000000000", "3B", True),
        ("3000000000", "$3bn", True),
        ("2000", "2K", True),
        ("2", "2 m", True),
        ("2", "2 mice", True),
        ("160", "160 minutes (2 hours 40 minutes)", True),
        ("160", "160 minutes (or 2)", False),
        ("2", "160 minutes (2 hours 40 minutes)", False),
        ("64", "$64 for 16 glasses", False),
        ("18", "18 = 9*2", True),
        ("18", "$18 = (4 + 5) * 2", True),
        ("18", "9 * 2 = 18", True),
        ("18", "18 = 20", False),
        ("20", "18 = 9*2", False),
    ],
)
def test_scale_words_and_remarks_of_gsm8k(gold, answer, correct):
    assert judge(GSM8K, {"answer": gold}, f"Final Answer: {answer}", "paper", None).correct is correct


def test_what_is_thought_is_no_answer():
    for module, right, wrong in (
        (GSM8K, "Final Answer: 4", "Final Answer: 5"),
        (MATH, r"\boxed{4}", r"\boxed{5}"),
    ):
        for first, second, correct in ((wrong, right, True), (right, wrong, False)):
            text = f"<think>\n{first}\n</think>\n{second}"
            assert judge(module, {"answer": "4"}, text, "dflash", None).correct is correct


@pytest.mark.parametrize(
    ("module", "gold", "completion", "correct", "strict"),
    [
        (MATH, "36", r"\boxed{36}", True, True),
        (MATH, r"\frac{1}{2}", r"\boxed{0.5}", True, True),
        (MATH, "4", r"\boxed{4}. I use \boxed{} for it.", True, False),
        (MATH, "3, 5", r"\boxed{3} and \boxed{5}", True, False),
        (MATH, r"\text{(C)}", r"\boxed{\text{(C) Plane}}", True, False),
        (MATH, "36", "36", False, False),
        (GSM8K, "12", "Question: 3 * 4?\nFinal Answer: 12", True, False),
        (GSM8K, "12", "Final Answer: 12", True, True),
        (GSM8K, "12", "Final Answer: 13", False, False),
    ],
)
def test_two_readings(module, gold, completion, correct, strict):
    verdict = judge(module, {"answer": gold}, completion, "paper", None)
    assert (verdict.correct, verdict.strict) == (correct, strict)


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("math500", {"problem": "?", "answer": True}),
        ("math500", {"problem": "?", "answer": ["5"]}),
        ("math500", {"problem": "?", "answer": " "}),
        ("math500", {"problem": "?", "answer": "5}"}),
        ("gsm8k", {"question": "?", "answer": "#### five"}),
        ("gsm8k", {"question": "?", "answer": "#### 3 h 20 min"}),
        ("gsm8k", {"question": "?", "answer": "#### 7:30"}),
        ("gsm8k", {"question": "?", "answer": "#### "}),
    ],
)
def test_a_gold_answer_that_is_none_is_refused_by_row(tmp_path, kind, row):
    good = {key: "#### 1" if key == "answer" else "?" for key in row}
    path = tmp_path / "rows.jsonl"
    if isinstance(row["answer"], str):
        path.write_text("\n".join(map(json.dumps, [good, row])))
    else:
        path.write_text(json.dumps(row))
    with pytest.raises(GoodpartError, match=r"rows\.jsonl: row [01] cannot be scored"):
        checked_rows({"path": str(path)}, benchmark_module(kind), scorer_module(kind))


@pytest.mark.parametrize(
    "answer", [5, 2.5, "5", "2024-01-02 is a day", r"\text{five}", "five", "(1,2)", r"x \in [1,2]"]
)
def test_a_gold_answer_scores_as_correct(answer):
    reference = benchmark_module("math500").reference({"problem": "?", "answer": answer})
    assert MATH.gold_fault(reference) is None
    assert MATH.score(reference, f"\\boxed{{{answer}}}").correct
