"""The final answer in code: what of a completion counts, under every prompt style, and what must not."""

import time

import pytest

from goodpart.benchmarks import STYLES, scorer_module
from goodpart.benchmarks.scoring import judge

HUMANEVAL, MBPP = scorer_module("humaneval"), scorer_module("mbpp")
PROMPT = 'from typing import List\n\n\ndef f(x: int) -> int:\n    """Double.\n    >>> f(2)\n    4\n    """\n'
TASK = {
    "prompt": PROMPT,
    "test": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-3) == -6\n",
    "entry_point": "f",
}
MBPP_TASK = {
    "imports": ["import math"],
    "setup": "",
    "tests": ["assert f(2) == 4", "assert f(-3) == -6", "assert math.isclose(f(1.5), 3.0)"],
    "entry_point": "f",
}
RIGHT = "def f(x):\n    return 2 * x\n"
WRONG = "def f(x):\n    return 3 * x\n"


def fenced(*blocks):
    return "\n\n".join(f"```python\n{block.strip(chr(10))}\n```" for block in blocks)


def open_fence(code):
    return f"Here it is:\n\n```python\n{code}"


DEMOS = {
    "cut print": "\nprint(f(5))\nprint(f(",
    "cut string": '\nprint(f(5))\nprint("the resu',
    "cut comment": "\n# Test cases\nprint(f(2))  # 4\nprint(f(10.7)) # 2",
    "wrong assert": "\nassert f(2) == 5",
    "asserts in a function": "\ndef test_f():\n    assert f(2) == 5\n\ntest_f()",
    "input": '\nn = int(input("n: "))\nprint(f(n))',
    "input in print": "\nprint(f(int(input())))",
    "several inputs": "\na, b = map(int, input().split())\nprint(f(a), f(b))",
    "input with the function's name of its argument": "\nx = int(input())\nresult = f(x)\nprint(result)",
    "main function": "\ndef main():\n    n = int(input())\n    print(f(n))\n\nmain()",
    "main guard": '\nif __name__ == "__main__":\n    print(f(int(input())))',
    "cut main guard": '\nif __name__ == "__main__":\n    print(f(',
    "unittest": (
        "\nimport unittest\n\nclass TestF(unittest.TestCase):\n    def test(self):\n"
        "        self.assertEqual(f(2), 5)\n\nunittest.main()"
    ),
    "cut unittest": "\nimport unittest\n\nclass T(unittest.TestCase):\n    def test(self):\n        self.",
    "doctest": "\nimport doctest\ndoctest.testmod(verbose=True, raise_on_error=True)\nraise_if = f('a', 1)",
    "loop": "\nfor case in [1, None, 3]:\n    print(f(case) + 1)",
    "endless loop": "\nwhile True:\n    n = int(input())\n    if n < 0:\n        break\n    print(f(n))",
    "import that is not here": "\nimport matplotlib.pyplot as plt\nplt.plot(list(map(f, x)))\nplt.show()",
    "undefined name": "\nresult = f(undefined)\nprint(result)",
    "raises": "\ntry:\n    f()\nexcept ValueError as e:\n    print(e)",
    "session": "\n>>> f(2)\n4",
    "prose": "\nThis function doubles its argument, and so it's right.",
    "cases in a variable": "\ncases = [(1, 2), (2, 5)]\nfor a, b in cases:\n    assert f(a) == b",
    "cut def": "\ndef g(x):\n    return (x +",
    "cut repeat": '\n\ndef f(x: int) -> int:\n    """Double.\n    >>> f(',
}


@pytest.mark.parametrize(("number", "demo"), list(enumerate(DEMOS)))
def test_a_demo_behind_the_answer_decides_nothing(sandbox, number, demo):
    """All forms and both outcomes, the styles in turn."""
    styles = STYLES[number % 4 :] + STYLES[: number % 4]
    text = RIGHT + DEMOS[demo]
    forms = [fenced(text), open_fence(text), text, "    return 2 * x\n" + DEMOS[demo]]
    for style, form in zip(styles, forms, strict=True):
        assert judge(HUMANEVAL, TASK, form, style, sandbox).correct, form
    assert judge(MBPP, MBPP_TASK, forms[number % 3], styles[0], sandbox).correct
    wrong = forms[number % 4].replace("2 * x", "3 * x")
    assert judge(HUMANEVAL, TASK, wrong, styles[number % 4], sandbox).correct is False


@pytest.mark.parametrize(
    "text",
    [
        RIGHT + "\nimport sys\nsys.exit(0)",
        RIGHT + "\nimport os\nos._exit(0)",
        RIGHT + "\nraise SystemExit",
        RIGHT + '\nname = input("press enter")',
        "def f(x):\n    return 2 * x if x > 0 else (",
        "def f(x):\n    y = 2 * x\n    if x > 0:\n        return",
        "def g(x):\n    return 2 * x\n\nprint(g(2))",
        "def f(x):\n    return input()\n",
        "def f(x):\n    return scale * x\n\nprint(f(2))\nscale = int(input())",
        "def f(x):\n    assert x > 0\n    return 2 * x\n",
        "print(f(2))",
        "def f(x):\n    pass\n",
        'def f(x: int) -> int:\n    """Double."""\n',
        "",
    ],
)
def test_what_a_demo_is_not(sandbox, text):
    assert not judge(HUMANEVAL, TASK, text, "dflash", sandbox).correct
    assert not judge(HUMANEVAL, TASK, fenced(text), "dflash", sandbox).correct
    assert not judge(MBPP, MBPP_TASK, fenced(text), "dflash_tests", sandbox).correct


@pytest.mark.parametrize(
    "code",
    [
        "memo = {0: 0}\n\ndef f(x):\n    return memo.get(x, 2 * x)\n\nassert f(0) == 1",
        "a = [0] * 3\nfor i in range(3):\n    a[i] = 2\n\ndef f(x):\n    return a[0] * x\n\nprint(f(",
        "import sys\nsys.setrecursionlimit(5000)\n\ndef f(x):\n    return 2 * x\n\nassert f(1) == 3",
        "from functools import lru_cache\n\n@lru_cache(None)\ndef f(x):\n    return 2 * x\n\nf.nothing()",
        "class Scale:\n    by = 2\n\ndef f(x, scale=Scale):\n    return scale.by * x\n\nassert f(1) == 3",
        "try:\n    import numpy_that_is_not_here as np\nexcept ImportError:\n    np = None\n\n"
        + RIGHT
        + "\nprint(f(",
        "import numpy_that_is_not_here as np\n\n" + RIGHT,
        "f = lambda x: 2 * x\nprint(f(",
        "def double(x):\n    return x + x\n\nf = double\nassert f(1) == 3",
        "count = 0\n\ndef f(x):\n    global count\n    count += 1\n    return 2 * x\n\nprint(f(",
        "from __future__ import annotations\n\ndef f(x: Some) -> Other:\n    return 2 * x",
        "from __future__ import annotations\n\ndef f(x: Some):\n    return 2 * x\n\nassert f(1) == 3",
        "from math import *\n\ndef f(x):\n    return 2 * x if pi else 0\n\nprint(f(",
        "SCALE: int = 2; OTHER = 3\n\ndef f(x):\n    return SCALE * x\n\nprint(f(",
    ],
)
def test_what_the_answer_needs_is_kept(sandbox, code):
    for module, task, form in ((HUMANEVAL, TASK, fenced(code)), (MBPP, MBPP_TASK, code)):
        verdict = judge(module, task, form, "dflash", sandbox)
        assert verdict.correct, (form, verdict)


FENCES = {
    "only the closing one": "{code}```\n",
    "only the closing one, and prose": "{code}```\n\nThis doubles x.\n",
    "only the closing one, and an example": "{code}```\n\nFor example:\n```python\nprint(f(3))\n```\n",
    "only the opening one": "```python\n{code}",
    "only the opening one, without a language": "Sure:\n```\n{code}",
    "only the opening one, and prose": "```python\n{code}\nThis function doubles x.",
    "within a line": "Sure: ```python\n{code}``` it is.",
    "tildes": "~~~python\n{code}~~~\n",
    "CRLF": "```python\r\n{code}```\r\n",
}


@pytest.mark.parametrize("fence", FENCES)
def test_a_single_fence(sandbox, fence):
    style = "paper"
    for code, correct in ((RIGHT, True), (WRONG, False)):
        text = FENCES[fence].format(code=code)
        assert judge(HUMANEVAL, TASK, text, style, sandbox).correct is correct
        assert judge(MBPP, MBPP_TASK, text, "dflash", sandbox).correct is correct
    for body, correct in (("    return 2 * x\n", True), ("    return 3 * x\n", False)):
        if "prose" not in fence and "tildes" not in fence:
            text = FENCES[fence].format(code=body)
            assert judge(HUMANEVAL, TASK, text, style, sandbox).correct is correct, text


SQUARE = "def f(x):\n    return x ** 2"
STUB = 'def f(x):\n    """Double x."""\n    pass\n'
SEVERAL = {
    "a stub first": ("First the signature:\n" + fenced(STUB) + "\n\nNow the body:\n\n", "{}", ""),
    "a stub with dots": (fenced("def f(x):\n    ...") + "\n", "{}", ""),
    "a stub afterwards": ("", "{}", "\n\nAs said:\n" + fenced("def f(x):\n    raise NotImplementedError")),
    "the prompt repeated": (fenced(PROMPT) + "\n\nHere is my solution:\n\n", "{}", ""),
    "a draft": ("A first try:\n" + fenced("def f(x):\n    return x") + "\n\nThat is not enough.\n", "{}", ""),
    "a retracted one": (fenced(SQUARE) + "\n\nWait, this is wrong for -3. Fixed:\n\n", "{}", ""),
    "tried again": (fenced(SQUARE) + "\n\nThat is wrong, it squares. Let me try again:\n\n", "{}", ""),
    "incorrect before": (fenced(SQUARE) + "\nSorry, the previous code was incorrect. Use this:\n", "{}", ""),
    "a mistake above": (fenced(SQUARE) + "\nThe code above has a mistake. Here is the solution:\n", "{}", ""),
    "to avoid an error": (fenced(SQUARE) + "\nTo avoid the sign error:\n", "{}", ""),
    "buggy, so": (fenced(SQUARE) + "\nWait, the first version is buggy, so:\n", "{}", ""),
    "a new version": (fenced(SQUARE) + "\nOops, my original answer squares. New version:\n", "{}", ""),
    "not to be used": ("", "{}", "\n\nDo not use this, it is wrong:\n\n" + fenced(SQUARE)),
    "led to as wrong": ("", "{}", "\n\nA common mistake is:\n\n" + fenced(SQUARE)),
    "led to as incorrect": ("An incorrect one:\n" + fenced(SQUARE) + "\nThe right one:\n", "{}", ""),
    "thinking": ("<think>\nMaybe\n" + fenced(SQUARE) + "\nno.\n</think>\n\n", "{}", ""),
    "thinking without its first tag": (fenced(SQUARE) + "\nno.\n</think>\n\n", "{}", ""),
    "a cut repetition": ("", "{}", "\n\nOnce more:\n```python\ndef f(x):\n    y = x\n    retu"),
    "an example": ("", "{}", "\n\nUse it:\n" + fenced("y = f(undefined)\nprint(y)")),
    "installation": (fenced("pip install nothing").replace("python", "bash") + "\n\n", "{}", ""),
    "output": ("", "{}", "\n\nOutput:\n```\n4\n```"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SEVERAL)
def test_the_final_block_of_several(sandbox, kind):
    before, form, after = SEVERAL[kind]
    for code, correct in ((RIGHT, True), (WRONG, False)):
        for module, task in ((HUMANEVAL, TASK), (MBPP, MBPP_TASK))[: 2 if correct else 1]:
            text = before + form.format(fenced(code)) + after
            verdict = judge(module, task, text, "dflash", sandbox)
            assert verdict.correct is correct, (text, verdict)


@pytest.mark.parametrize(
    ("text", "correct"),
    [
        (fenced("import math", "def f(x):\n    return math.prod([2, x])"), True),
        (fenced("def double(x):\n    return x + x", "def f(x):\n    return double(x)"), True),
        (fenced("def f(x):\n    return double(x)", "def double(x):\n    return x + x"), True),
        (fenced("S = 2\nprint(S)", "def g(x):\n    return S * x", "def f(x):\n    return g(x)"), True),
        (fenced("def double(x):\n    return x * x", "def f(x):\n    return double(x)"), False),
        (fenced("def double(x):\n    return x + x", "def f(x):\n    return triple(x)"), False),
        (fenced(RIGHT, WRONG), False),
        (fenced(WRONG, RIGHT), True),
        (fenced(RIGHT) + "\n\nWait, that is wrong. The corrected version:\n\n" + fenced(WRONG), False),
        ("<think>\n" + fenced(RIGHT) + "\n</think>\n" + fenced(WRONG), False),
        ("<think>\n" + fenced(RIGHT), False),
        ("<think>\n" + fenced(RIGHT) + "\n</think>\nI do not know.", False),
        (fenced(RIGHT) + "\n\nAlternatively:\n\n" + fenced("f = lambda x: x + x"), True),
        (RIGHT + "\n\nWait, that is wrong. Here it is:\n\n" + WRONG, False),
        (WRONG + "\n\nWait, that is wrong. Here it is:\n\n" + RIGHT, True),
    ],
)  # fmt: skip
def test_blocks_that_belong_together_and_those_that_do_not(sandbox, text, correct):
    for module, task in ((HUMANEVAL, TASK), (MBPP, MBPP_TASK)):
        verdict = judge(module, task, text, "dflash", sandbox)
        assert verdict.correct is correct, (text, verdict)


@pytest.mark.parametrize(
    ("completion", "correct"),
    [
        ("    return 2 * x\n#test\nf(", True),
        ("    return 2 * x\nprint(f(2)", True),
        ("    return 2 * x\nif True:\n    raise", True),
        ("    return 2 * x\nclass Another(object", True),
        ("    y = (2 *\n# the argument\nx)\n    return y\n", True),
        ('    s = """\ndef g():\nif x\n"""\n    return 2 * x\n', True),
        ("    # step 1\n    y = x\n# step 2\n    return y + x\n\nprint(f(3)", True),
        ("    return double(x)\n\ndef double(x):\n    return 2 * x\n\ndef other(", True),
        ("    return 2 * x\n\ndef f(x):\n    return 3 * x\n", True),
        ("    return 3 * x\n\ndef f(x):\n    return 2 * x\n", False),
        ("    return double(x)\n\ndef double(x):\n    return 3 * x\n", False),
        ("    if x > 0:\n        return 2 * x\n#test\n    return 3 * x", False),
    ],
)
def test_stop_strings_and_a_raw_body(sandbox, completion, correct):
    verdict = judge(HUMANEVAL, TASK, completion, "paper" if correct else "bare", sandbox)
    assert verdict.correct is correct, verdict


@pytest.mark.parametrize(
    ("text", "correct"),
    [
        ("Problem: Double a number.\nTests: ...\n" + fenced(RIGHT), True),
        ("**Understanding the Problem:** it doubles.\n\n" + fenced(RIGHT), True),
        (fenced('def f(x):\n    """Double.\n\nProblem: doubling.\n    """\n    return 2 * x'), True),
        (fenced(RIGHT) + "\n\nProblem: Triple a number.\nFunction:\n" + fenced(WRONG), True),
        (fenced(WRONG) + "\n\nProblem: Double a number.\nFunction:\n" + fenced(RIGHT), False),
        ("There are 3 numbers.\n\nProblem: Double a number.\nFunction:\n" + fenced(RIGHT), False),
    ],
)
def test_the_next_problem_and_the_same_one_restated(sandbox, text, correct):
    assert judge(MBPP, MBPP_TASK, text, "paper", sandbox).correct is correct


UNITTEST = """import unittest
from solution import f

class TestF(unittest.TestCase):
    def test(self):
        self.assertEqual(f(2), 4)

unittest.main()
"""
DOCTEST = 'def f(x):\n    """Double.\n\n    ```python\n    >>> f(2)\n    4\n    ```\n    """\n'
CUT = "def f(x):\n    y = x\n"
CUT_LOOP = "def f(x):\n    for y in range(9):\n        if y == x:\n            return 2 * y\n"
RESTATED = {  # {code}: a whole function; what stands around it is not the answer
    "tests in a block": "```python\n{code}```\n```python\n" + UNITTEST + "```",
    "tests in the same block": "```python\n{code}\n" + UNITTEST + "```",
    "tests in raw text": "{code}\n" + UNITTEST,
    "an import by its own name": "```python\n{code}```\n```python\nfrom f import f\nprint(f(2))\n```",
    "an import of all": "{code}\nfrom solution import *\nprint(f(2))",
    "an import from a package": "{code}\nfrom .solution import f as f, other\nprint(f(2))",
    "an import that is tried": "{code}\ntry:\n    from solution import f\nexcept NameError:\n    pass\n",
    "cut off in a block": "```python\n{code}\n" + CUT,
    "cut off in raw text": "{code}\n" + CUT,
    "cut off after a docstring": '{code}\ndef f(x):\n    """Double."""\n',
    "cut off before its last line": "```python\n{code}\n" + CUT_LOOP,
    "cut off in a line": "{code}\n" + CUT + "    return (",
    "an excerpt": "```python\n{code}```\nThe line that matters:\n```python\n" + CUT + "```\nThis names x.",
    "an excerpt with dots": "```python\n{code}```\nIt begins:\n```\n" + CUT + "    ...\n```\nThis names x.",
    "an excerpt in the same block": "```python\n{code}\n# It begins:\n" + CUT + "```\nThis names x.",
    "indented below prose": "Here it is:\n\n{indented}\n\nIt doubles x.",
    "in a quotation": "> Here it is:\n>\n> ```python\n{quoted}\n> ```\n",
    "a byte order mark": "\ufeff{code}",
    "a byte order mark in a block": "```python\n\ufeff{code}```",
}  # fmt: skip


@pytest.mark.parametrize("kind", RESTATED)
def test_what_restates_the_function_is_not_the_answer(sandbox, kind):
    for code, correct in ((RIGHT, True), (WRONG, False)):
        lines = code.rstrip().split("\n")
        indented, quoted = ("\n".join(start + line for line in lines) for start in ("    ", "> "))
        text = RESTATED[kind].format(code=code, indented=indented, quoted=quoted)
        for module, task in ((HUMANEVAL, TASK), (MBPP, MBPP_TASK))[: 2 if correct else 1]:
            verdict = judge(module, task, text, "dflash", sandbox)
            assert verdict.correct is correct, (text, verdict)


@pytest.mark.parametrize(
    ("text", "correct"),
    [
        (fenced(WRONG) + "\n\nWait, that is wrong, it should print:\n\n" + fenced(CUT), False),
        (fenced(CUT), False),
        (DOCTEST + "    return 2 * x\n", True),
        (DOCTEST + "    return 3 * x\n", False),
        (fenced(DOCTEST + "    return 2 * x\n"), True),
        (fenced(DOCTEST.replace("```python", "```") + "    return 2 * x\n") + "\nIt doubles.", True),
        (fenced(DOCTEST + "    return 3 * x\n"), False),
        (fenced(DOCTEST + "    return 3 * x\n") + "\n\nFixed:\n\n" + fenced(RIGHT), True),
        ('```\ndef f(x):\n    """Double.\n```\n\nAgain:\n\n' + fenced(DOCTEST + "    return 2 * x"), True),
        (fenced("from tools import g\ndef f(x):\n    return g(x)", "def g(x):\n    return 2 * x"), True),
        (fenced("from math import pi\ndef f(x):\n    return 2 * x + pi - 3.14", "pi = 3.14"), False),
        ('def f(x):\n    """Double\n\n' + fenced('def f(x):\n    """Double."""\n    return 2 * x'), True),
        ("class A:  # so\n    def f(self, x=0):\n        return 2 * self\n", False),
        (fenced(RIGHT) + "\n\nIn steps:\n\n    f = 3\n\nThat is all.", True),
        (RIGHT + "\ndef f(x):\n    if x > 9:\n        return x\n    else:\n        return 3 * x\n", False),
        (RIGHT + "\ndef f(x):\n    while True:\n        if x:\n            return 3 * x\n", False),
        (RIGHT + "\ndef f(x):\n    for i in range(9):\n        x += i\n    else:\n        return x\n", False),
        (RIGHT + "\ndef f(x):\n    def g(y):\n        return 3 * y\n", True),
        ("    return 2 * x\n\n" + CUT, True),
        ("    return 2 * x\n\n" + UNITTEST, True),
        ("    # The solution\n" + fenced(RIGHT), True),
        ("    # The solution\n" + RIGHT, True),
        ("\ufeff    return 2 * x\n", False),
    ],
)  # fmt: skip
def test_what_else_stands_around_a_function(sandbox, text, correct):
    verdict = judge(HUMANEVAL, TASK, text, "dflash", sandbox)
    assert verdict.correct is correct, (text, verdict)


def test_an_import_or_a_function_that_returns_nothing_may_be_the_answer(sandbox):
    task = {**MBPP_TASK, "entry_point": "gcd", "tests": ["assert gcd(4, 6) == 2"]}
    assert judge(MBPP, task, fenced("from math import gcd"), "dflash", sandbox).correct
    text = fenced("def double(x):\n    x[:] = x + x") + "\n\nFor example:\n\n" + fenced("x = [1]\ndouble(x)")
    task = {**MBPP_TASK, "entry_point": "double", "tests": ["x = [1]\ndouble(x)\nassert x == [1, 1]"]}
    assert judge(MBPP, task, text, "dflash", sandbox).correct


HELPER = "def double(x):\n    return 2 * x\n"


@pytest.mark.parametrize(
    ("completion", "correct"),
    [
        ("    return double(x)\n\n# A helper\n" + HELPER, True),
        ("    return double(x)\n\n# A helper\n" + HELPER.replace("2", "3"), False),
        ("    return double(x)\n\nclass A:\n    pass\n\n" + HELPER, True),
        ("    return double(x)\n\nprint('x')\n\n" + HELPER, True),
        ("    return double(x)\n\nif __name__ == '__main__':\n    print(f(2))\n\n" + HELPER, True),
        ("    return double(x)\n\n# A helper\n" + HELPER + "\nThis is prose.", True),
        ("    return twice(x)\n\n# One\ndef twice(x):\n    return double(x)\n\n# Two\n" + HELPER, True),
        ("    return x and f(0) + 2 * x\n\n# Another\ndef f(x):\n    return 3 * x\n", True),
        ("    return x and f(0) + 3 * x\n\n# Another\ndef f(x):\n    return 2 * x\n", False),
        ("    return 2 * x\n\n# A demo\ndef double(x):\n    return f(x\n", True),
    ],
)
def test_a_helper_below_a_raw_body(sandbox, completion, correct):
    for style in ("bare", "paper"):
        verdict = judge(HUMANEVAL, TASK, completion, style, sandbox)
        assert verdict.correct is correct, verdict


def test_endless_repetition_is_judged_in_seconds():
    start = time.perf_counter()
    judge(HUMANEVAL, TASK, "x = (\n" * 2000, "bare", None)
    judge(HUMANEVAL, TASK, "    x = (\n" + "#\n" * 20000, "bare", None)
    judge(MBPP, MBPP_TASK, "\nProblem:" * 20000, "paper", None)
    judge(scorer_module("gsm8k"), {"answer": "2"}, "Question:" * 20000, "paper", None)
    assert time.perf_counter() - start < 20


def test_both_readings_are_told_apart(sandbox):
    text = fenced(RIGHT + "\nassert f(2) == 5")
    verdict = judge(HUMANEVAL, TASK, text, "dflash", sandbox)
    assert (verdict.correct, verdict.strict) == (True, False)
    verdict = judge(HUMANEVAL, TASK, fenced(RIGHT, WRONG), "dflash", sandbox)
    assert (verdict.correct, verdict.strict) == (False, True)
    for code, correct in ((RIGHT, True), (WRONG, False)):
        verdict = judge(HUMANEVAL, TASK, fenced(code), "dflash", sandbox)
        assert (verdict.correct, verdict.strict) == (correct, correct)
    verdict = judge(HUMANEVAL, TASK, fenced(RIGHT), "dflash", None)
    assert (verdict.correct, verdict.strict, verdict.status) == (None, None, "not run: no sandbox")


def test_what_both_readings_run_is_run_once():
    class Counting:
        def __init__(self):
            self.runs = 0

        def run(self, program):
            self.runs += 1
            return type("Outcome", (), {"passed": False, "reason": ""})()

    for text, runs in (
        (fenced(WRONG), 1),
        (WRONG, 1),
        ("    return 3 * x\n", 1),
        (fenced(WRONG + "\nprint(f(1))"), 2),
    ):
        sandbox = Counting()
        judge(HUMANEVAL, TASK, text, "dflash", sandbox)
        assert sandbox.runs == runs, text
