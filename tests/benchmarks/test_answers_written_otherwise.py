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
