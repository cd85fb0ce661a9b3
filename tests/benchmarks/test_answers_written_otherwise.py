"""Answers in signs, words and scales that change the number, or that only write it in another way."""

import pytest

from goodpart.benchmarks import scorer_module
from goodpart.benchmarks.scoring import judge

GSM8K, MATH = scorer_module("gsm8k"), scorer_module("math500")


@pytest.mark.parametrize(
    ("module", "gold", "completion", "correct"),
    [
        (GSM8K, "5", "Final Answer: \u20135", False),
        (GSM8K, "-5", "Final Answer: \u20135", True),
        (GSM8K, "-5", "Final Answer: $\u20135", True),
        (GSM8K, "-5", "Final Answer: \u2013$5", True),
        (GSM8K, "5", "Final Answer \u2013 5", True),
        (GSM8K, "5", "Final Answer: 3\u20135", False),
        (GSM8K, "2", "Final Answer: 2\u2026", False),
        (GSM8K, "2", "Final Answer: 2 lakh", False),
        (GSM8K, "200000", "Final Answer: 2 lakh", True),
        (GSM8K, "2", "Final Answer: $2 M", False),
        (GSM8K, "2000000", "Final Answer: $2 M", True),
        (GSM8K, "2000000", "Final Answer: $2MM", True),
        (GSM8K, "2.5", "Final Answer: 2 1/2", True),
        (GSM8K, "2.5", "Final Answer: 2\\frac{1}{2}", True),
        (GSM8K, "70000", "Final Answer: 70 000", True),
        (GSM8K, "18", "Final\xa0Answer: 18", True),
        (GSM8K, "18", "Final Answer: \uff11\uff18", True),
        (GSM8K, "5", "Final Answer: 5\uff05", True),
        (MATH, "-5", "\\boxed{\u20135}", True),
        (MATH, "5", "\\boxed{\u20135}", False),
        (MATH, "-5", "\\boxed{3\u20138}", False),
        (MATH, "27", "\\boxed{27\\text{ lakh}}", False),
        (MATH, "27", "\\boxed{27\\text{ crore}}", False),
        (MATH, "27", "\\boxed{27\\text{-million}}", False),
        (MATH, "27", "\\boxed{27\\text{ halves}}", False),
        (MATH, "27", "\\boxed{27\\text{ fifths}}", False),
        (MATH, "27", "\\boxed{27\\text{ thirds}}", False),
        (MATH, "9", "\\boxed{27\\text{ thirds}}", True),
        (MATH, "\\frac{3}{2}", "\\boxed{3\\text{ halves}}", True),
        (MATH, "27", "\\boxed{27\\text{ squared}}", False),
        (MATH, "27", "\\boxed{27\\text{ cubed}}", False),
        (MATH, "27", "\\boxed{27\\text{ factorial}}", False),
        (MATH, "27", "\\boxed{27\\text{ per mille}}", False),
        (MATH, "27", "\\boxed{27\\text{ mil}}", False),
        (MATH, "\\frac{1}{3}", "\\boxed{0.\\overline{3}}", True),
        (MATH, "0.\\overline{3}", "\\boxed{\\frac{1}{3}}", True),
        (MATH, "\\frac{1}{6}", "\\boxed{0.1\\overline{6}}", True),
        (MATH, "15", "\\boxed{15^{\\text{th}}}", True),
        (MATH, "-27", "\\boxed{\\text{negative }27}", True),
        (MATH, "-27", "\\boxed{\\text{minus }27}", True),
        (MATH, "60^\\circ", "\\boxed{60\xba}", True),
        (MATH, "60^\\circ", "\\boxed{60\u02da}", True),
        (MATH, "x^{2}", "\\boxed{x**2}", True),
        (MATH, "1234", "\\boxed{1\uff0c234}", True),
        (MATH, "12", "\\boxed{\uff11\uff12}", True),
        (MATH, "5", "\\boxed{5\uff05}", True),
        (MATH, "27", "\\boxed{27\\text{ cm}}", True),
        (MATH, "3", "\\boxed{3\\text{ quarters}}", False),
        (MATH, "27", "\\boxed{27\\text{ square inches}}", True),
        (MATH, "50", "\\boxed{50\\text{ cents}}", True),
        (MATH, "6", "\\boxed{\\text{six}}", True),
    ],
)
def test_the_number_that_an_answer_is(module, gold, completion, correct):
    assert judge(module, {"answer": gold}, completion, "paper", None).correct is correct


TWO_QUANTITIES = [
    ("18", r"18\text{ ft }6\text{ in}", False),
    ("5", r"5 \text{ hours } 30 \text{ minutes}", False),
    ("18", r"18 \text{ dollars and } 50 \text{ cents}", False),
    ("18", r"18\text{ years and }6\text{ months}", False),
    ("18", r"18 \text{ apples, } 3 \text{ pears}", False),
    ("18", r"18\text{ red and }4\text{ blue}", False),
    ("18", r"18\text{ cm}, 20\text{ cm}", False),
    ("18", r"18 \text{ remainder 3}", False),
    ("5", r"5 \text{ and a half}", False),
    ("18", r"18\text{ and one half}", False),
    ("18", r"18 \text{ if } n=3, 9 \text{ otherwise}", False),
    ("18", r"18 \text{ or higher}", False),
    ("18", r"18 \text{ or greater}", False),
    ("18", r"18 \text{ and up}", False),
    ("18", r"18 \text{ and above}", False),
    ("18", r"18\text{ or so}", False),
    ("18", r"18 \text{ (or 36)}", False),
    ("18", r"18 \text{ (twelve)}", False),
    ("18", r"18 \text{ x}", False),
    ("18", r"18 \text{ is wrong}", False),
    (r"12\pi", r"12\pi \text{ or more}", False),
    (r"12\pi", r"12\pi\text{ ft }6\text{ in}", False),
    ("18", r"18 \text{ (eighteen)}", True),
    ("18", r"18 \text{ (or 18.0)}", True),
    ("18", r"18 \text{ times}", True),
    ("18", r"18 \text{ more apples}", True),
    ("18", r"18 \text{ km}/\text{h}", True),
    ("18", r"18\,\text{cm}^{2}.", True),
    (r"12\pi", r"12\pi \text{ (about 37.7)}", True),
    (r"12\pi", r"12\pi\text{ cm}^2.", True),
    (r"\sqrt{53}", r"\sqrt{53}\text{ units}.", True),
    ("3R^2", r"3R^2\text{ cm}.", True),
]
FRACTIONS = [
    (r"\frac{1}{4}", r"\sqrt\frac{1}{4}", False),
    (r"\frac{4}{9}", r"\sqrt[3]\frac{4}{9}", False),
    (r"\frac{1}{2}", r"\approx 3\frac{1}{2}", False),
    (r"\frac{1}{2}", r"3\frac{1}{2}, \text{ or so}", False),
    (r"\frac{1}{2}", r"\therefore 3\frac{1}{2}", False),
    (r"\frac{1}{2}", r"3\frac{1}{2} \checkmark", False),
    (r"\frac{1}{2}", r"\frac{1}{2} \checkmark", True),
    (r"\frac{\sqrt{3}}{3}", r"\sqrt\frac{1}{3}", True),
    (r"137 \frac{1}{2}", r"\approx 137\frac{1}{2}", True),
    (r"-\frac{\pi}{6}", r"-\frac\pi6", True),
]
LETTERS = [
    *[("2k", answer, True) for answer in (r"2 \cdot k", r"k \cdot 2", "k+k", "x = 2k", "2k.")],
    *[("2k", answer, False) for answer in ("2000", "2,000", r"2 \text{ thousand}", "2k^3", "2K", "2")],
    *[("3m", answer, False) for answer in ("3", r"3\text{ m}")],
    ("3m", "m+2m", True),
    ("27000", "27k", True),
]
POINTS = [
    (r"(-\sqrt{3}, \sqrt{3})", r"x = \pm\sqrt{3}", False),
    (r"(-\sqrt{3}, \sqrt{3})", r"-\sqrt3,\sqrt3", False),
    (r"(-\sqrt{3}, \sqrt{3})", r"-\sqrt3<x<\sqrt3", True),
    ("(2,4)", r"x=2 \text{ or } x=4", False),
    ("(2,4)", r"x=2 \text{ and } y=4", True),
    ("(-1,6)", r"x = -1 \text{ or } x = 6", False),
    ("(-1,6)", "x = -1, x = 6", False),
    ("(8,-2)", "y=8, x=-2", False),
    ("(8,-2)", "y=-2, x=8", True),
    ("(8,-2)", "x=8, y=-2", True),
    ("(8,-2)", r"x=8 \quad y=-2", True),
    ("(8,-2)", r"\begin{cases}x=8\\y=-2\end{cases}", True),
    ("(8,-2)", "(x,y) = (8,-2)", True),
    ("(2,3)", "m=2, b=3", True),
    (r"(3, \frac{\pi}{2})", r"r=3, \theta=\frac{\pi}{2}", True),
    ("1,-2", "[1,-2]", False),
    ("3, 5, 7", "[3,5,7]", False),
    (r"\{1,2\}", "[1,2]", False),
    ("[1,2]", "[1,2]", True),
]
BESIDE = [
    *[("5", answer, True) for answer in (r"\text{The answer is } 5", r"\text{There are } 5 \text{ ways}")],
    *[("5", answer, True) for answer in (r"\text{Answer: }5", r"\text{Total: } 5", r"\text{exactly } 5")],
    *[("5", answer, True) for answer in ("= 5", "**5**", r"5 \checkmark", r"5 \blacksquare", r"5\tag{1}")],
    *[("5", answer, True) for answer in (r"\begin{aligned}5\end{aligned}", r"\text{It is $5$.}", "€5", "£5")],
    (r"12\pi", r"= 12\pi", True),
    (r"12\pi", r"\text{The volume is }12\pi", True),
    ("\\$36", "USD 36", True),
    ("\\$36", "€36", False),
    (r"5.4 \text{ cents}", "5.4¢", True),
    ("x=5", r"\text{x = 5}", True),
    *[
        ("5", rf"\text{{{words} }}5", False)
        for words in ("The answer is not", "at least", "twice", "Not so:")
    ],
    *[
        ("5", rf"\text{{{words} }}5", False)
        for words in ("Step 3:", "It is false that it is", "log", "one less than")
    ],
    ("5", r"\begin{aligned}5\\6\end{aligned}", False),
    ("5", r"\text{The answer is }5\text{ or }6", False),
    (r"\text{ellipse}", r"\text{an ellipse}", True),
    (r"\text{even}", r"\text{even function}", True),
    (r"\text{even}", r"\text{The function is even}", True),
    (r"\text{east}", r"\text{due east}", True),
    *[(r"\text{even}", rf"\text{{{words}}}", False) for words in ("not even", "The function is not even")],
    *[
        (r"\text{even}", rf"\text{{{words}}}", False)
        for words in ("not an even function", "even or odd", "uneven")
    ],
    (r"\text{(C)}", r"\text{The answer is: (C) Plane}", True),
    ("4343_6", "999_{10} = 4343_6", True),
    ("4343_6", "998_{10} = 4343_6", False),
    ("4343_6", "4343_6 = 999_{10}", False),
    *[(r"\cot x", answer, True) for answer in (r"\text{cot } x", r"\operatorname{cot} x")],
    (r"\cot x", r"\text{tan } x", False),
]


@pytest.mark.parametrize(
    ("gold", "answer", "correct"), [*TWO_QUANTITIES, *FRACTIONS, *LETTERS, *POINTS, *BESIDE]
)
def test_what_stands_beside_a_value(gold, answer, correct):
    verdict = judge(MATH, {"answer": gold}, f"So it is \\boxed{{{answer}}}.", "paper", None)
    assert verdict.correct is correct, verdict


@pytest.mark.parametrize("answer", [r"\text{The answer is } 5", "= 5", "**5**", r"5\tag{1}", "€5"])
def test_the_strict_reading_takes_nothing_away(answer):
    assert judge(MATH, {"answer": "5"}, f"\\boxed{{{answer}}}", "paper", None).strict is False


@pytest.mark.parametrize(
    ("gold", "completion", "correct"),
    [
        ("18", "Final Answer:\n- 18", True),
        ("18", "Final Answer:\n\n- $18", True),
        ("18", "### Final Answer\n- **$18**", True),
        ("-18", "Final Answer:\n-18", True),
        ("18", "Final Answer:\n-18", False),
        ("18", "Final Answer: - 18", False),
        ("112", "Final Answer:\n112 = 117 - 5", True),
        ("18", "Final Answer:\n```\n18\n```", True),
        ("18", "Final Answer: 9*2=<<9*2=18>>18", True),
        ("18", "#### 9*2=<<9*2=18>>18", True),
        ("-10", "Final Answer: -10 = -5 - 5", True),
        ("18", "Final Answer: 18 and a half", False),
        ("18", "Final Answer: 18 squared", False),
        ("18", "Final Answer: 18 square feet", True),
        ("20", "Final Answer: 20\nThe final answer is in dollars, 3 of which are taxed.", True),
        ("3", "Final Answer: 20\nThe final answer is in dollars, 3 of which are taxed.", False),
        ("18", "Final Answer: 20\nNo. The final answer is 18.", True),
        ("18", "The final answer is that she earns $18.", True),
    ],
)
def test_lists_fences_and_remarks_of_gsm8k(gold, completion, correct):
    assert judge(GSM8K, {"answer": gold}, completion, "paper", None).correct is correct
