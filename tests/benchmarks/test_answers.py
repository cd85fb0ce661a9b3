"""Answers in mathematics, by kind of notation: what is the same answer, and what must not pass for it."""

import json

import pytest

from goodpart.benchmarks import STYLES, benchmark_module, scorer_module
from goodpart.benchmarks.items import checked_rows
from goodpart.benchmarks.scoring import judge
from goodpart.errors import GoodpartError

GSM8K, MATH = scorer_module("gsm8k"), scorer_module("math500")

OPTIONS = [
    (r"\text{(C)}", r"\text{(C) Plane}", True),
    (r"\text{(C)}", r"\text{C) Plane}", True),
    (r"\text{(C)}", r"(C)\ 12", True),
    (r"\text{(C)}", r"\textbf{(C)}", True),
    (r"\text{(C)}", r"\text{(B) Plane}", False),
    (r"\text{(C)}", r"\text{(C) or (D)}", False),
    (r"\text{(C)}", "(C), (D)", False),
    (r"\text{(C)}", r"\text{C. Plane}", True),
    (r"\text{(C)}", r"\text{Option C}", True),
    (r"\text{(C)}", r"\text{Plane}", False),
    (r"\text{(C)}", r"\textbf{(C) }\frac{1}{2}", True),
    (r"\text{(C)}", r"\text{C: a plane}", True),
    (r"\text{(C)}", "C", True),
    (r"\text{(C)}", r"\text{The answer is (C)}", True),
    (r"\text{(C)}", r"\text{A and C}", False),
    (r"\text{(C)}", r"\text{not (C)}", False),
    (r"\text{(C)}", r"\text{(A) Circle, (C) Plane}", False),
    (r"\text{(E)}", r"\text{(E) Plane}", True),
]
SETS = [
    (r"(-\infty,2)\cup(3,\infty)", r"x < 2 \text{ or } x > 3", True),
    (r"(-\infty, 2) \cup (3, \infty)", "x<2 ∪ x>3", True),
    (r"(-\infty, 2) \cup (3, \infty)", "(−∞, 2) ∪ (3, ∞)", True),
    ("(-∞,2)∪(3,∞)", r"(-\infty,2)\cup(3,\infty)", True),
    (r"(-\infty,2)\cup(3,\infty)", r"x \le 2 \text{ or } x > 3", False),
    (r"(-\infty,2)\cup(3,\infty)", r"x < 2 \text{ and } x > 3", False),
    (r"(-\infty,2)\cup(3,\infty)", "2<x<3", False),
    (r"(-\infty,2)\cup(3,\infty)", "x < 2, x > 3", True),
    (r"(-\infty,2)\cup(3,\infty)", r"\{x \mid x < 2 \text{ or } x > 3\}", True),
    (r"(-\infty,2)\cup(3,\infty)", r"x\in(-\infty,2)\cup(3,\infty)", True),
    (r"(-\infty,2)\cup(2,\infty)", r"x \ne 2", True),
    (r"(-\infty,2)\cup(2,\infty)", r"\mathbb{R}\setminus\{2\}", True),
    (r"(-\infty,2)\cup(2,\infty)", r"x \neq 3", False),
    (r"[2,\infty)", r"x \ge 2", True),
    (r"[2,\infty)", "x ≥ 2", True),
    (r"[2,\infty)", "x > 2", False),
    ("[-2,7]", "-2 ≤ x ≤ 7", True),
    ("[-2,7]", r"x \ge -2 \text{ and } x \le 7", True),
    ("(-2,7]", r"-2 < x \leq 7", True),
    ("(-2,7]", r"-2 \leq x \leq 7", False),
    (r"(-\infty,\frac{1}{2})\cup(3,\infty)", r"x>3 \text{ or } x<0.5", True),
    (r"(-\infty,-3]\cup[3,\infty)", r"x \leq -3 \text{ or } x \geq 3", True),
    (r"(-\infty,-3]\cup[3,\infty)", r"x \leq -3 \text{ or } x > 3", False),
    (r"(-\infty,2)\cup(3,\infty)", r"x < 2 \cup x > 3", True),
    (r"(-\infty,2)\cup(3,\infty)", r"(3,\infty)\cup(-\infty,2)", True),
    (r"(-\infty,2)\cup(3,\infty)", "x < 2 or x > 3", True),
    (r"(-\infty,2)\cup(3,\infty)", r"t < 2 \text{ or } y > 3", False),
    (r"(0,1)\cup(2,3)", r"0<x<1 \text{ or } 2<x<3", True),
    (r"(0,1)\cup(2,3)", r"0<x<1 \text{ or } 2<x\le 3", False),
    (r"(2,\infty)", "x<2", False),
    (r"(-\infty,\infty)", r"\mathbb{R}", True),
    (r"(-\infty,\infty)", r"x \in \mathbb{R}", True),
]
LISTS_AND_INTERVALS = [
    ("-2,1", "-2 < x < 1", False),
    ("-2,1", r"x \in (-2,1)", False),
    ("-2,1", r"x \in [-2,1]", False),
    ("-2,1", r"-2 \le x \le 1", False),
    ("-2,1", "[-2,1]", False),
    ("-2,1", r"x \in \{-2,1\}", True),
    ("-2,1", "1, -2", True),
    ("-2,1", r"x=-2 \text{ or } x=1", True),
    ("-2,1", r"\{-2, 1\}", True),
    ("-2,1", "x=-2, x=1", True),
    ("-2,1", r"-2 \text{ and } 1", True),
    ("2,3", "2 < x < 3", False),
    ("-1, 0, 2", r"-1 \le x \le 2", False),
    ("2,3", "x = 2, 3", True),
    ("(-2,1)", "-2 < x < 1", True),
]
UNITS = [
    ("36", "36 dollars", True),
    ("36", "36 cm", True),
    ("36", "36x", False),
    ("36", r"36\text{ cm}^{3}", True),
    ("36", "36 cm^2", True),
    ("36", "36 square inches", True),
    ("36", "36 miles per hour", True),
    ("36", r"36\ \mathrm{cm}^2", True),
    ("36", r"\$36 per hour", True),
    ("36", r"36 \text{ or more}", False),
    ("36", r"36\text{ km/h}", True),
    ("36", r"36 \frac{\text{mi}}{\text{h}}", True),
    ("36", "36 percent", True),
    ("36", "37 dollars", False),
    ("36", "36 or 37", False),
    ("36", "36 pi", False),
    ("36", "36 cm²", True),
    ("36", r"36\text{ square feet}", True),
    ("36", "36 apples and 4 pears", False),
    ("36", "36 units^2", True),
    ("36", r"36 \text{ m/s}^2", True),
    ("36", "36!", False),
    ("36", "36 squared", False),
    (r"\frac{3}{4}", r"\frac{3}{4} cups", True),
    (r"3\pi", r"3\pi cm", True),
]
BASES = [
    ("52_8", r"52_{\text{eight}}", True),
    ("52_8", "52_{eight}", True),
    ("52_8", r"52 \text{ (base 8)}", True),
    ("52_8", r"52 \text{ base eight}", True),
    ("52_8", "52_{nine}", False),
    ("52_8", r"52 \text{ (base 9)}", False),
    ("6", r"6 \text{ (base 7)}", False),
    ("52_8", r"52 \text{ in base } 8", True),
    ("101_2", r"101 \text{ binary}", True),
    ("52_8", r"52_{\text{base }8}", True),
    ("52_8", "52₈", True),
]
WORDS = [
    ("5", r"\text{five}", True),
    ("5", "five", True),
    ("36", "thirty-six", True),
    ("36", "thirty-six dollars", True),
    ("136", "one hundred thirty-six", True),
    ("5", "six", False),
    ("5", "fifty", False),
    ("36", "thirty", False),
    (r"\frac12", r"\text{one half}", True),
    ("5", "twenty five", False),
    ("25", "twenty five", True),
]
VECTORS = [
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)", True),
    ("(1,2)", r"\begin{pmatrix}1\\2\end{pmatrix}", True),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\langle 1,2\rangle", True),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(2,1)", False),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\{1,2\}", False),
    (r"\begin{pmatrix}1/5\\-3\end{pmatrix}", "(0.2,-3)", True),
    (r"\begin{pmatrix}1&0\\0&1\end{pmatrix}", "(1,0,0,1)", False),
]
POWERS_OF_TEN = [
    ("0.0000672", "6.72e-5", True),
    (r"6.02 \times 10^{23}", "6.02e23", True),
    (r"6.02 \times 10^{23}", "6.02 × 10^23", True),
    ("0.0000672", "6.72 × 10⁻⁵", True),
    ("0.0000672", "6.72e-4", False),
    ("1200", "1.2e3", True),
    ("1200", "1.2E+3", True),
    ("1200", r"1.2 \cdot 10^3", True),
]
RESIDUES = [
    ("3", r"3 \pmod{7}", True),
    ("3", r"x\equiv 3 \pmod 7", True),
    (r"3 \pmod 7", r"x \equiv 3 \pmod{7}", True),
    (r"3 \pmod 7", r"3 \pmod{5}", False),
    ("3", r"4 \pmod{7}", False),
    (r"3 \pmod 7", "3", True),
    ("3", "3 (mod 7)", True),
    ("3", r"3 \bmod 7", True),
]
SIGNS_IN_TERMS = [
    (r"\frac{1\pm\sqrt5}{2}", r"\frac{1+\sqrt5}{2},\frac{1-\sqrt5}{2}", True),
    (r"\frac{1+\sqrt{5}}{2}, \frac{1-\sqrt{5}}{2}", r"\frac{1\pm\sqrt5}{2}", True),
    (r"\frac{1+\sqrt{5}}{2}", r"\frac{1\pm\sqrt5}{2}", False),
    ("3, -3", r"\pm 3", True),
    ("-3,3", "±3", True),
    ("3", r"\pm 3", False),
    (r"2 \pm 3i", "2+3i, 2-3i", True),
    (r"1+\sqrt{2}, 1-\sqrt2", r"1 \pm \sqrt{3}", False),
]
UNICODE = [
    ("|x|", r"\lvert x\rvert", True),
    (r"\sqrt{3}", "√3", True),
    (r"2\sqrt{3}", "2√3", True),
    ("x^2", "x²", True),
    (r"3\pi", "3π", True),
    (r"\frac{1}{2}", "½", True),
    ("5", "5½", False),
    (r"45^\circ", "45°", True),
]
NUMBERS = [
    ("14", r"1\ 4", False),
    ("12", "12.", True),
    ("12", "12...", False),
    ("1000000", "1 million", True),
    ("1.5", r"1.5\text{ million}", False),
    ("1500000", r"1.5\text{ million dollars}", True),
    ("1000", "1,000", True),
    ("12", r"1\ 2", False),
    ("27", r"27\text{ hundredths}", False),
    ("0.27", r"27\text{ hundredths}", True),
    ("27", r"27\text{ dozen}", True),
]
MORE = [
    (r"(-\infty,2)\cup(3,\infty)", r"x \in (-\infty, 2) \text{ or } x \in (3, \infty)", True),
    (r"(-\infty,2)\cup(3,\infty)", "-∞ < x < 2 or 3 < x < ∞", True),
    (r"(-\infty,2)\cup(3,\infty)", r"x<2\quad\text{or}\quad x>3", True),
    (r"(-\infty,2)\cup(3,\infty)", r"x < 2 \lor x > 3", True),
    (r"(-\infty,2)\cup(3,\infty)", "x<2; x>3", True),
    (r"(-\infty,2)\cup(3,\infty)", r"\{x : x<2\} \cup \{x : x>3\}", True),
    (r"(-\infty,2)\cup(3,\infty)", r"x \notin [2,3]", True),
    (r"(-\infty,2)\cup(3,\infty)", r"x \notin (2,3)", False),
    (r"(-\infty,-3)\cup(3,\infty)", "|x| > 3", True),
    (r"(-\infty,-3)\cup(3,\infty)", r"|x| \ge 3", False),
    ("(-3,3)", "|x|<3", True),
    (r"(-\infty,2)\cup(2,\infty)", r"\text{all real numbers except } 2", True),
    (r"(-\infty,2)\cup(2,\infty)", r"\text{All real numbers except } x = 2", True),
    (r"(-\infty,2)\cup(2,\infty)", r"\mathbb{R} - \{2\}", True),
    (r"(-\infty,2)\cup(2,\infty)", r"\mathbb{R} \setminus \{3\}", False),
    ("36", r"36^\circ C", True),
    ("36", "36°C", True),
    ("36", "36 USD", True),
    ("36", r"36\text{ square }\text{cm}", True),
    ("36", "36 m/s", True),
    ("36", "36 sq. ft.", True),
    ("36", r"36 \text{ (thirty-six)}", True),
    ("52_8", r"52_\text{eight}", True),
    ("52_8", r"\text{52 base 8}", True),
    ("52_8", r"\text{52 (base eight)}", True),
    ("27000", r"27\text{k}", True),
    ("27000000", r"\$27\text{M}", True),
    ("27", r"27\text{M}", False),
    ("27", r"27\text{ m}", True),
    ("35", r"3\quad 5", False),
    ("23", r"2\,3", False),
    (r"1\frac{4}{5}", r"1\text{ and }\frac45", True),
    (r"1\frac{4}{5}", "1 and 4/5", True),
    (r"1\frac{4}{5}", "-1 4/5", False),
    (r"-1\frac{4}{5}", "-1 4/5", True),
    (r"1\frac{4}{5}", r"1\tfrac45", True),
    (r"1\frac45", "1.8", True),
    (r"1\frac45", "1 ⅘", True),
    ("3,5", "3; 5", True),
    ("3,5", r"3 \text{ and } 5", True),
    ("12", "0012", True),
    (r"\frac{14}{5}", "14/5", True),
    ("5", "5 or 6", False),
    ("0.5", "50 percent", True),
    ("10", "10 dozen", True),
    ("36", "36 inches tall", True),
    ("36", r"\text{36 dollars}", True),
    ("36", r"\text{36 or more}", False),
    (r"2\sqrt{3}", r"2\sqrt{3} cm", True),
    (r"36\pi", r"36\pi \text{ cm}^3", True),
    (r"36\pi", r"36\pi cubic inches", True),
    ("36", r"36\pi", False),
    ("9", "9/1", True),
    ("xy", "xy", True),
    ("abcd", "abcd", True),
    (r"3 \text{ and } 4", "3, 4", True),
    (r"\text{Monday}", "Monday", True),
    (r"\text{Monday}", r"\text{on Monday}", False),
    ("2024-01-02", "2024-01-02", True),
    ("x^2+1", "x^2+1 units", True),
]
KINDS = {
    "options": OPTIONS,
    "sets": SETS,
    "lists and intervals": LISTS_AND_INTERVALS,
    "units": UNITS,
    "bases": BASES,
    "words": WORDS,
    "vectors": VECTORS,
    "powers of ten": POWERS_OF_TEN,
    "residues": RESIDUES,
    "signs in terms": SIGNS_IN_TERMS,
    "unicode": UNICODE,
    "numbers": NUMBERS,
    "more of all": MORE,
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_answer_in_several_notations(kind):
    found = []
    for number, (gold, answer, correct) in enumerate(KINDS[kind]):
        style = STYLES[number % len(STYLES)]
        verdict = judge(MATH, {"answer": gold}, f"So it is $\\boxed{{{answer}}}$.", style, None)
        found += [(gold, answer, verdict)] if verdict.correct is not correct else []
    assert not found
    assert {correct for *_, correct in KINDS[kind]} == {True, False}


BOXES = [
    ("4", r"The answer is \boxed{4}. I will use \boxed{} for the answer.", True),
    ("4", r"\boxed{4}. (As asked, within \boxed{answer}.)", True),
    ("4", r"\boxed{}", False),
    ("4", r"\boxed{4} \boxed{\text{your answer}}", True),
    ("4", r"\boxed{5}. Use \boxed{} for the answer.", False),
    ("4", r"\boxed{4}, no: \boxed{5}. Use \boxed{}", False),
    ("4", r"So \boxed{4}. In the form \boxed{...}.", True),
    ("3, 5, 7", r"\boxed{3}, \boxed{5}, and \boxed{7}", True),
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
