"""Scorers of GSM8K and MATH-500, and the code in completions, by hand-written completions."""

import time

import pytest

from goodpart.benchmarks import scorer_module
from goodpart.benchmarks.mathematics.equations import sides
from goodpart.benchmarks.mathematics.latex import cleaned, last_boxed, value
from goodpart.benchmarks.programs.code import extract
from goodpart.benchmarks.scoring import cut

GSM8K, MATH = scorer_module("gsm8k"), scorer_module("math500")


@pytest.mark.parametrize(
    ("completion", "correct"),
    [
        ("3 * 4 = 12\nFinal Answer: 12", True),
        ("Final Answer: $12.00", True),
        ("**Final Answer:** 12 apples", True),
        ("**Final Answer**\n\n\\[\n\\boxed{12}\n\\]", True),
        ("final answer :   12  ", True),
        ("Final Answer：12", True),
        ("Final Answer: US$12", True),
        ("Final Answer: Rs.12", True),
        ("Final Answer: €12", True),
        ("Final Answer: 12 m^2", True),
        ("Final Answer: 12 m²", True),
        ("Final Answer: 12 molecules of H2O", True),
        ("Final Answer: 24/2", True),
        (r"Final Answer: \frac{24}{2}", True),
        ("Final Answer: 9 + 3 = 12", True),
        ("Final Answer: 12 + 3 = 15", False),
        ("Final Answer: x = 12", True),
        ("Final Answer: 012", True),
        ("Final Answer: 1.2e1", True),
        ("Final Answer: 12<|eot_id|><|endoftext|>", True),
        ("<|startoftext|>Final Answer: 12", True),
        ("Final Answer: 12<|im_end|>\nFinal Answer: 13", True),
        ("Final Answer: 12\n#### Explanation: 4 of 3", True),
        ("Final Answer: 12\n#### Explanation", True),
        (r"so \boxed{12}", True),
        (r"\boxed{\text{12}}", True),
        (r"$\boxed{\$12}$", True),
        (r"\boxed{12 \text{ eggs}}", True),
        (r"\boxed{11} no, \boxed{12}", True),
        ("#### 12", True),
        ("the answer might be 12", False),
        ("12", False),
        ("Final Answer: 12\nNo. Final Answer: 13", False),
        ("Final Answer: 12²", False),
        ("Final Answer: 1²", False),
        ("Final Answer: ١٢", False),
        ("Final Answer: twelve", False),
        ("Final Answer: 12 or 13", False),
        ("Final Answer: 1,2", False),
        ("Final Answer: 10, 11, 12", False),
        ("Final Answer: 1:2", False),
        ("Final Answer: 11-12", False),
        ("Final Answer: 12.0.0", False),
        ("Final Answer: 12e99999", False),
        ("Final Answer: 12/0", False),
        ("Final Answer: NaN", False),
        (r"Final Answer: \infty", False),
        ("Final Answer: " + "9" * 6000, False),
        ("12\nFinal Answer:", False),
        ("Final Answer: 12\0", True),
        (r"12 \boxed{}", False),
        (r"\boxed{12", False),
        ("", False),
    ],
)
def test_gsm8k(completion, correct):
    reference = {"answer": "12"}
    assert GSM8K.score(reference, completion).correct is correct


@pytest.mark.parametrize(
    ("gold", "answer", "correct"),
    [
        ("1,200", "1200", True),
        ("1,200", "$1,200.00.", True),
        ("1,200", r"1{,}200", True),
        ("1,200", r"1,\!200", True),
        ("1,200", "1.2k", True),
        ("1,200", "1, 200", False),
        ("1,200", "1.200", False),
        ("1,200", "200", False),
        ("5", "5 km", True),
        ("-10", "-$10", True),
        ("-10", "$-10", True),
        ("-10", "- 10", True),
        ("-10", "\u221210", True),
        ("-10", "10", False),
        ("-10", "20-10", False),
        ("-10", "US$-10", True),
        ("-10", "minus $10", True),
        ("-10", "negative 10", True),
        ("10", "negative 10", False),
        ("10", "HK$10", True),
        ("10", "A\\$10", True),
        ("70", "70%", True),
        ("70", "0.70", False),
        ("7", r"7\text{ cm}^2", True),
        ("7", r"7 \, \mathrm{ft}^{3}", True),
        ("7", r"7^\circ\text{F}", True),
        ("7", "*7* eggs", True),
        ("7", "7*", True),
        ("7", "7 eggs / day", True),
        ("7", r"\text{7}^2", False),
        ("7", r"7\pi", False),
        ("7", r"\sqrt{7}", False),
        ("7", r"\pm 7", False),
        ("7", "7x", False),
        ("7", r"\frac{7}{x}", False),
        ("7", "7 + x", False),
        ("7", "7\u00bd", False),
        ("7", "7 million", False),
        ("7,000,000", "$7 million", True),
        ("9" * 5000, "9" * 5000, True),
    ],
)
def test_gsm8k_separators_signs_and_units(gold, answer, correct):
    assert GSM8K.score({"answer": gold}, f"Final Answer: {answer}").correct is correct


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("#### Step 2: add 3 and 9\n3+9=12\n\nThe answer is $\\boxed{12}$.", 12),
        ("#### Step 2: add 3 and 9\n3+9=12", None),
        ("#### 2. Add the eggs\n3+9=12\n\\boxed{12}\n#### 3. Check", 12),
        ("#### 2 eggs come first\n\\boxed{12}", 12),
        ("#### $12 in all", 12),
        ("#### Answer: 12", 12),
        ("#### eggs = 12", 12),
        ("so #### 12", 12),
        ("\\boxed{11}\n#### 12", 12),
        ("To get the final answer, add 3.\n\\boxed{12}", 12),
        ("To get the final answer, add 3.", None),
        ("Steps to the final answer:\n1. 3+6=9\n\nSo \\boxed{12}", 12),
        ("Only then comes the final answer.\nShe has 9 eggs.", None),
        ("\\boxed{12}\n\nThis is the final answer.", 12),
        ("Final Answer: 12\n\nThe final answer is in dollars.", 12),
        ("\\boxed{11}\nThe final answer is 12 eggs.", 12),
        ("## Final Answer\n\nShe has 12 eggs.", 12),
        ("Final Answer -> 12", 12),
        ("**Final Answer (in eggs):** 12", 12),
        ("**Final Answer:**\n\nShe adds 3 to 9.\n\n\\boxed{12}", 12),
        ("\\boxed{12}\nFinal Answer:", 12),
        ("\\boxed{12}\nFinal Answer: unknown", None),
        ("Final Answer: 11\n\\boxed{12}", 11),
    ],
)
def test_what_anchors_an_answer(completion, answer):
    for gold in (2, 3, 9, 11, 12):
        assert GSM8K.score({"answer": str(gold)}, completion).correct is (gold == answer)


def test_a_dash_behind_the_label_is_no_sign():
    assert not GSM8K.score({"answer": "-10"}, "Final Answer - 10").correct
    assert GSM8K.score({"answer": "10"}, "Final Answer - 10").correct


def test_the_last_number_is_a_metric_of_its_own():
    loose = GSM8K.score({"answer": "12"}, "She has 3 * 4 = 12")
    assert (loose.correct, loose.last_number) == (False, True)
    assert GSM8K.score({"answer": "12"}, "Final Answer: 12").last_number
    assert not GSM8K.score({"answer": "12"}, "12 or 13").last_number
    assert not GSM8K.score({"answer": "12"}, "12. Final Answer: 13").last_number


@pytest.mark.parametrize(
    ("gold", "answer", "correct"),
    [
        ("5", "5.", True),
        ("5", "{5}", True),
        ("5", r"\mathbf{5}", True),
        ("5", r"x = 5", True),
        ("5", r"\(5\)", True),
        ("5", r"5\text{ units}", True),
        ("5", "5\0", True),
        ("5", r"5 \text{ or } 6", False),
        ("5", "5, 6", False),
        ("5", r"\pm 5", False),
        ("5", "٥", False),
        (r"\frac{1}{2}", "0.5", True),
        (r"\frac{1}{2}", r"\dfrac12", True),
        (r"\frac{1}{3}", "0.333333", False),
        (r"\frac{1}{3}", "0.3333333333333333", False),
        (r"1\frac{4}{5}", "1.8", True),
        (r"1\frac{4}{5}", r"\frac{4}{5}", False),
        (".0000672", "0.0000671", False),
        (".0000672", r"6.72 \times 10^{-5}", True),
        (".0000672", r"6.71 \times 10^{-5}", False),
        (r"10,\!080", "10,080", True),
        (r"10,\!080", "10, 80", False),
        ("58,500", "58, 500", False),
        (r"\$18.90", "18.9", True),
        (r"864 \mbox{ inches}^2", "864", True),
        (r"90^\circ", r"90\degree", True),
        (r"90^\circ", r"90\text{ degrees}", True),
        (r"90^\circ", r"90\pi", False),
        ("52_8", r"52_{\text{8}}", True),
        ("52_8", "52_9", False),
        ("52_8", "42", False),
        (r"\text{(C)}", "C", True),
        (r"\text{(C)}", r"\textbf{(B)}", False),
        (r"\text{even}", r"\text{not even}", False),
        ("3R^2", "3r^2", False),
        (r"\sqrt{51}", "7.141428", False),
        (r"\sqrt{51}", r"51^{1/2}", True),
        (r"\frac{1}{2004!}", r"\frac{1}{2006!}", False),
        ("(3,4]", r"\left( 3 , 4 \right]", True),
        ("(3,4]", "[3,4]", False),
        (r"\begin{pmatrix} 1/5 \\ -3 \end{pmatrix}", r"\begin{bmatrix}\frac15\\-3\end{bmatrix}", True),
        ("p - q", "-(q-p)", True),
        (r"\{1\pm\sqrt{5},-2\}", r"-2, 1+\sqrt5, 1-\sqrt5", True),
        # looks: braces, fonts, sizes, colours, spaces, what follows
        (r"\left( 2, \frac{\pi}{3} \right)", r"{\left( 2, \frac{\pi}{3} \right)}", True),
        (r"\left( 2, \frac{\pi}{3} \right)", r"\boxed{\big( 2, \frac{\pi}{3} \big)}", True),
        (r"7.5 \text{ miles}", r"{{7.5 \text{ miles}}}", True),
        (r"96 \mbox{ feet}^2", r"\boxed{96 \mbox{ feet}^2}", True),
        (r"\frac{2}{7}", r"\mathbf{\frac{2}{7}}", True),
        ("8", r"\text{8 units}", True),
        ("8", r"8~\text{units}", True),
        ("8", r"8\ ", True),
        ("8", "8,", True),
        ("8", r"\underline{8}", True),
        ("8", r"\color{red}8", True),
        ("8", r"\text{8 or 9}", False),
        ("12345", "12 345", True),
        ("48", "4 8", False),
        ("48", "48'", False),
        ("3+4i", r"3+4\,i", True),
        ("3+4i", r"3 + 4\mathrm{i}", True),
        ("3+4i", r"3+4\cdot i", True),
        (r"\frac{10000}{\pi}", r"\frac{10,000}{\pi}", True),
        (r"\text{Ada}", r"\text{\textbf{Ada}}", True),
        (r"\text{Ada}", r"\displaystyle \text{Ada}", True),
        (r"35^\circ", r"35^{\text{o}}", True),
        (r"\begin{pmatrix} 1/5 \\ -3 \end{pmatrix}", r"\begin{pmatrix}\frac15\\[2mm]-3\end{pmatrix}", True),
        (r"(1,2) \cup (3,4)", r"(1,2) \bigcup (3,4)", True),
        # bases
        ("6", "6_7", False),
        ("6", "6_x", False),
        ("6", "6_{10}", True),
        ("101_2", r"\displaystyle 101_2", True),
        ("101_2", r"\left(101\right)_2", True),
        # equations
        ("48", r"f(2) = 6 \cdot 8 = 48", True),
        ("48", "a+b+c = 48", True),
        ("48", "x^2+y^2 = 48", True),
        ("48", "48 = x", True),
        ("48", "40+8 = 48", True),
        ("48", r"\angle ABC = 48^\circ", True),
        ("48", "49 = 48", False),
        ("48", "2x = 48", False),
        ("48", r"\sqrt{x} = 48", False),
        ("48", r"\le 48", False),
        ("48", "x = 48, y = 49", False),
        ("0", "2x-y+z = 0", False),
        ("0", "f(1) = 0", True),
        ("x^2-1", "p(x) = x^2-1", True),
        ("x^2-1", "x^2-1 = 0", False),
        ("x^2-1", "(x-1)(x+1) = x^2-1", True),
        ("4,-5", "x=4, x=-5", True),
        # percent
        ("0.25", r"25\%", True),
        ("0.25", r"0.25\%", False),
        ("25", r"25\%", True),
        # brackets
        ("(3,4)", "[3,4]", False),
        (r"(3,\pi)", r"[3,\pi]", False),
        ("(3,4,5)", r"\{3,4,5\}", False),
        (r"(3,\infty)", r"(3,\infty]", False),
        (r"(-\infty,3]", r"[-\infty,3]", False),
    ],
)
def test_math500(gold, answer, correct):
    assert MATH.score({"answer": gold}, f"$\\boxed{{{answer}}}$").correct is correct


@pytest.mark.parametrize(
    ("text", "boxed"),
    [
        (r"\boxed{4} then \boxed{5}", "5"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\fbox{42}.", "42"),
        (r"\boxed{\boxed{42}}", "{42}"),
        (r"\boxed{42} and \boxed{4", "42"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed {42}", "42"),
        (r"\boxed 42$", "42"),
        ("```\nprint('\\\\boxed{42}')\n```", "42"),
        (r"\boxed{42", None),
        ("42", None),
        ("\\boxed{" * 5000, None),
        ("\\boxed{" + "(" * 5000 + "}", "(" * 5000),
    ],
)
def test_the_boxed_answer(text, boxed):
    assert last_boxed(text) == boxed


@pytest.mark.parametrize(
    "answer",
    ["9" + " " * 20000 + "9", "9" + "\\ " * 9000 + "9", "{" * 10000 + "}" * 10000, "1,111" * 4000 + "="],
)
def test_long_answers_are_read_in_no_time(answer):
    started = time.process_time()
    for text in (f"Final Answer: {answer}", f"####{answer}x", "final answer" * 1700):
        GSM8K.score({"answer": "5"}, text)
    text = cleaned(answer)
    assert [*map(value, (text, *sides(text)))].count(None)
    assert time.process_time() - started < 2


def test_numbers_too_long_for_int_are_no_crash():
    assert value("9" * 5000) is None
    assert not MATH.score({"answer": "5"}, "\\boxed{" + "9" * 5000 + "}").correct


def test_math_verify_is_ended_when_it_hangs():
    from goodpart.benchmarks.mathematics.equivalence import Judge

    judge = Judge()
    same, reason = judge.ask(r"\binom{10^9}{10^8}", "5", 0.5)
    assert not same
    assert "no verdict in 0.5 s of processor time" in reason
    assert judge.ask("0.5", r"\frac{1}{2}", 20) == (True, "math-verify")
    assert judge.ask("42", "(" * 3000 + ")" * 3000, 20)[0] is False
    assert judge.ask("x+1", "1+x", 20) == (True, "math-verify")
    judge.close()


@pytest.mark.parametrize(
    ("completion", "code", "fenced"),
    [
        ("    return 1\n", "    return 1\n", False),
        ("```python\ndef f():\n    pass\n```", "def f():\n    pass\n", True),
        ("```\nno\n```\nand\n```py\nf = 1\n```", "f = 1\n", True),
        ("```sh\npip\n```\n```\nother = 1\n```", "pip\n", True),
        ("```python\ndef f(): pass", "def f(): pass", True),
        ("Here: ```python\ndef f(): pass``` it is", "def f(): pass", True),
        ("1. Do\n   ```python\n   def f():\n       pass\n   ```", "def f():\n    pass\n", True),
        ("```python\n    return 1\n```", "    return 1\n", True),
        ("```python\r\ndef f(): pass\r\n```", "def f(): pass\r\n", True),
        ("```python\ns = '```'\ndef f(): pass\n```", "s = '```'\ndef f(): pass\n", True),
        ("```python\ndef f_2(): pass\n```\n```python\ndef f(): pass\n```", "def f(): pass\n", True),
        ("```python\ndef f(): pass```\nTest:\n```python\nf()\n```", "def f(): pass", True),
        ("```python\nf = 1```\nTest:\n```\nf\n```", "f = 1", True),
        ("```python\ndef f(): pass\n\n```python\nf()\n```", "def f(): pass\n\n", True),
        ("```\ng()\n```\n~~~python\ndef f(): pass\n~~~\nDone", "def f(): pass\n", True),
        ("s = 1\n~~~~~\nf = 2\n", "s = 1\n~~~~~\nf = 2\n", False),
        ('```python\ns = """```\n"""\nf = 1\n```', 's = """```\n"""\nf = 1\n', True),
        ("[BEGIN]\ndef f(): pass\n[DONE]\nmore", "\ndef f(): pass\n", False),
        ("    return 1<|eot_id|><|endoftext|>", "    return 1", False),
        ("", "", False),
    ],
)
def test_the_code_of_a_completion(completion, code, fenced):
    assert extract(completion, "f") == (code, fenced)


@pytest.mark.parametrize(
    ("kind", "style", "completion", "kept"),
    [
        ("gsm8k", "paper", "Final Answer: 1\n\nQuestion: 2?", "Final Answer: 1\n\n"),
        ("gsm8k", "dflash", "Question: 2?", "Question: 2?"),
        ("math500", "paper", "$1$\n\nProblem: 2", "$1$\n\n"),
        ("humaneval", "bare", "    return 1\n\ndef g():", "    return 1\n"),
        ("humaneval", "paper", "\n    return 1\nprint(1)", "\n    return 1"),
        (
            "humaneval",
            "paper",
            "import a\ndef f():\n    pass\nprint(1)",
            "import a\ndef f():\n    pass\nprint(1)",
        ),
        ("humaneval", "dflash", "    return 1\nprint(1)", "    return 1\nprint(1)"),
        ("mbpp", "paper", "def f(): pass\n\nProblem: 2", "def f(): pass\n"),
        ("mbpp", "bare", "a<|mask|>b<|im_end|>c", "ab"),
    ],
)
def test_stop_strings_of_a_style(kind, style, completion, kept):
    assert cut(scorer_module(kind), completion, style) == kept


def test_a_benchmark_reaches_its_scorer_through_one_module():
    from goodpart import benchmarks

    for kind in ("gsm8k", "math500", "humaneval", "mbpp"):
        module, scorer = benchmarks.benchmark_module(kind), benchmarks.scorer_module(kind)
        assert module is not scorer
        assert module.score is scorer.score
        assert module.SANDBOX == scorer.SANDBOX
        with pytest.raises(AttributeError, match=rf"benchmarks\.{kind}' has no attribute 'nothing'"):
            _ = module.nothing
