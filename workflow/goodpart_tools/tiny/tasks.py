"""Templates of the four tiny benchmarks, in the public benchmarks' own row formats.

Each generator draws one task from a `random.Random` and returns a `Task`: the row of a benchmark file
(GSM8K's `question`/`answer`, MATH-500's `problem`/`solution`/`answer`, HumanEval's
`prompt`/`test`/`entry_point`, MBPP's `text`/`code`/`test_list`), and the (prompt, response) pair for
training. `verify` solves the items again without these templates.

Numbers are small on purpose: most items have one digit, some have two. A native diffusion model of this size
can solve the first kind, and no model solves all of the second. The constants of a function are given as
they are, or as a step to compute: copying alone is soon learned without a mistake, and where all models are
right, no loss shows.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from operator import add, floordiv, mul, sub
from typing import Any

NAMES = "Tom Ann Ben Eva Sam Mia Leo Zoe Max Ida Jon Amy Dan Lea Tim Sue Bob Kim Ron Liv".split()
OBJECTS = (
    "apples pens books cards coins cups eggs hats keys maps nuts pears rings shells stamps toys"
).split()
CONTAINERS = "boxes bags jars rows".split()
GAINS, LOSSES = "buys finds gets".split(), "loses sells drops".split()
LETTERS = "x y z n k m".split()
FUNCTIONS = "calc step move fold pick turn form mark join find make work".split()
WORDS = "sun map red fig owl jam ink sky bee oak".split()
HARD = 0.2  # fraction of items with numbers up to LARGEST instead of 9
LARGEST = 30
RATIONALE = 18  # characters, one token each: answers fit into 24 tokens, those of equations into 16

Step = tuple[int, str, int]


@dataclass(frozen=True)
class Task:
    """One item: its row in the public format, and the text for training."""

    row: dict[str, Any]
    prompt: str
    response: str


def _apply(step: Step) -> int:
    a, op, b = step
    return {"+": add, "-": sub, "*": mul, "/": floordiv}[op](a, b)


def _limit(rng: random.Random) -> int:
    return LARGEST if rng.random() < HARD else 9


def _line(step: Step) -> str:
    return f"{step[0]}{step[1]}{step[2]}={_apply(step)}"


# The steps with numbers of one digit that give each of these numbers.
STEPS = {
    value: [
        (a, op, b)
        for a, op, b in product(range(1, 10), "+-*/", range(1, 10))
        if _apply((a, op, b)) == value and (op != "/" or a % b == 0)
    ]
    for value in range(1, 10)
}


def word_problem(rng: random.Random) -> Task:
    """A word problem of two or three steps with a rationale: a GSM8K row."""
    limit = _limit(rng)
    while True:
        story, steps = rng.choice((_chain, _groups, _comparison, _shares))(rng, limit)
        results = [_apply(step) for step in steps]
        rationale = "\n".join(map(_line, steps))
        if all(1 <= value <= limit for value in results) and len(rationale) <= RATIONALE:
            break
    answer = f"{rationale}\n#### {results[-1]}"
    return Task({"question": story, "answer": answer}, story, answer)


def _events(rng: random.Random, held: int, n: int, limit: int) -> tuple[list[str], list[Step]]:
    """`n` gains and losses of someone who has `held` objects: phrases and steps."""
    phrases, steps = [], []
    for _ in range(n):
        gain, number = rng.random() < 0.5, rng.randint(1, max(2, limit // 2))
        phrases.append(f"{rng.choice(GAINS if gain else LOSSES)} {number}")
        steps.append((held, "+" if gain else "-", number))
        held = _apply(steps[-1])
    return phrases, steps


def _chain(rng: random.Random, limit: int) -> tuple[str, list[Step]]:
    held = rng.randint(1, limit)
    phrases, steps = _events(rng, held, rng.choice((2, 2, 3)), limit)
    told = f"{', '.join(phrases[:-1])} and {phrases[-1]}"
    return f"{rng.choice(NAMES)} has {held} {rng.choice(OBJECTS)}, {told}. How many now?", steps


def _groups(rng: random.Random, limit: int) -> tuple[str, list[Step]]:
    a, b = rng.randint(2, limit // 2), rng.randint(2, limit // 2)
    phrases, steps = _events(rng, a * b, rng.choice((1, 1, 2)), limit)
    story = f"{rng.choice(NAMES)} has {a} {rng.choice(CONTAINERS)} of {b} {rng.choice(OBJECTS)}"
    return f"{story}, {' and '.join(phrases)}. How many now?", [(a, "*", b), *steps]


def _comparison(rng: random.Random, limit: int) -> tuple[str, list[Step]]:
    name, other = rng.sample(NAMES, 2)
    a, b = rng.randint(1, limit // 2), rng.randint(1, limit // 2)
    more = rng.random() < 0.6
    second = (a, "+" if more else "-", b)
    story = f"{name} has {a} {rng.choice(OBJECTS)}. {other} has {b} {'more' if more else 'fewer'}."
    return f"{story} How many together?", [second, (a, "+", _apply(second))]


def _shares(rng: random.Random, limit: int) -> tuple[str, list[Step]]:
    parts, each = rng.randint(2, limit // 2), rng.randint(1, limit // 2)
    total = parts * each
    gain = rng.random() < 0.5
    number = rng.randint(1, min(max(2, limit // 2), total - 1))
    held = total - number if gain else total + number
    steps: list[Step] = [(held, "+" if gain else "-", number), (total, "/", parts)]
    verb = rng.choice(GAINS if gain else LOSSES)
    story = f"{rng.choice(NAMES)} has {held} {rng.choice(OBJECTS)}, {verb} {number} and fills {parts}"
    return f"{story} {rng.choice(CONTAINERS)}. How many in each?", steps


def equation(rng: random.Random) -> Task:
    """An equation in one unknown, solved in one or two steps, with a boxed answer: a MATH-500 row."""
    limit, v = _limit(rng), rng.choice(LETTERS)
    while True:
        x, a, b = rng.randint(1, limit), rng.randint(2, 9), rng.randint(1, 9)
        sides, steps = rng.choice(EQUATIONS)(v, x, a, b)
        numbers = [n for step in steps for n in (step[0], _apply(step))]
        lines = [_line(step) for step in steps]
        fits = len("\n".join(lines)) <= RATIONALE - 7
        if fits and all(0 <= n <= limit for n in numbers) and _apply(steps[-1]) == x:
            break
    problem = f"Solve ${sides}$."
    shown, value = lines[-1].split("=")
    solution = "\n".join([*lines[:-1], f"{shown}=\\boxed{{{value}}}"])
    row = {"problem": problem, "solution": solution, "answer": str(x), "level": len(steps)}
    return Task(row, problem, solution)


# (letter of the unknown, its value, two numbers) -> the equation and the steps of its solution.
EQUATIONS: tuple[Callable[[str, int, int, int], tuple[str, list[Step]]], ...] = (
    lambda v, x, a, b: (f"{v}+{b}={x + b}", [(x + b, "-", b)]),
    lambda v, x, a, b: (f"{v}-{b}={x - b}", [(x - b, "+", b)]),
    lambda v, x, a, b: (f"{a}{v}={a * x}", [(a * x, "/", a)]),
    lambda v, x, a, b: (f"{v}/{a}={x // a}", [(x // a, "*", a)]),
    lambda v, x, a, b: (f"{a}{v}+{b}={a * x + b}", [(a * x + b, "-", b), (a * x, "/", a)]),
    lambda v, x, a, b: (f"{a}{v}-{b}={a * x - b}", [(a * x - b, "+", b), (a * x, "/", a)]),
    lambda v, x, a, b: (f"{a}({v}+{b})={a * (x + b)}", [(a * (x + b), "/", a), (x + b, "-", b)]),
    lambda v, x, a, b: (f"{v}/{a}+{b}={x // a + b}", [(x // a + b, "-", b), (x // a, "*", a)]),
)


@dataclass(frozen=True)
class Function:
    """A short function: its sentence, argument, body (lines after the `def`), and arguments for its tests.

    `meaning` computes the expected result independently of the body, for the tests.
    """

    sentence: str
    argument: str
    body: str
    samples: tuple[Any, ...]
    meaning: Callable[[Any], Any]


class Constant(int):
    """A number of a function; `said` is what its sentence has: the number, or a step such as `(9-4)`."""

    said: str


def _constant(rng: random.Random, value: int, computed: float) -> Constant:
    constant = Constant(value)
    constant.said = str(value)
    if computed and rng.random() < computed:
        constant.said = "({}{}{})".format(*rng.choice(STEPS[value]))
    return constant


def _one(sentence: str, x: str, expression: str, samples: tuple[Any, ...], meaning: Callable) -> Function:
    return Function(sentence, x, f"    return {expression}", samples, meaning)


def _loop(
    sentence: str, x: str, start: str, step: str, samples: tuple[Any, ...], meaning: Callable
) -> Function:
    body = f"    n = {start}\n    for i in {x}:\n        n += {step}\n    return n"
    return Function(sentence, x, body, samples, meaning)


def _of_numbers(x: str, a: Constant, b: Constant, c: Constant, numbers: tuple[int, ...]) -> list[Function]:
    return [
        _one(f"{x} times {a.said} plus {b.said}", x, f"{x} * {a} + {b}", numbers, lambda v: b + v * a),
        _one(
            f"{x} plus {b.said}, all times {a.said}",
            x,
            f"({x} + {b}) * {a}",
            numbers,
            lambda v: a * v + a * b,
        ),
        Function(
            f"{a.said} if {x} is more than {c.said} and {b.said} if not",
            x,
            f"    if {x} > {c}:\n        return {a}\n    return {b}",
            (*numbers, c, c + 1),
            lambda v: (b, a)[v - c > 0],
        ),
        Function(
            f"{x} plus {a.said} if {x} is less than {c.said} and {x} if not",
            x,
            f"    if {x} < {c}:\n        return {x} + {a}\n    return {x}",
            (*numbers, c, c - 1),
            lambda v: v + a * (c > v),
        ),
    ]


def _of_lists(x: str, a: Constant, b: Constant, c: Constant, lists: tuple[list[int], ...]) -> list[Function]:
    more, less = (*lists, [c, c + 1]), (*lists, [c, c - 1])
    each = f"the sum of the items of {x}"
    return [
        _loop(f"{each} times {a.said}", x, "0", f"i * {a}", lists, lambda v: a * sum(v)),
        _loop(f"{each} plus {b.said} each", x, "0", f"i + {b}", lists, lambda v: sum(v) + b * len(v)),
        _one(f"the largest of {x} minus {b.said}", x, f"max({x}) - {b}", lists, lambda v: sorted(v)[-1] - b),
        _one(f"the smallest of {x} times {a.said}", x, f"min({x}) * {a}", lists, lambda v: sorted(v)[0] * a),
        _one(
            f"the length of {x} plus {b.said}", x, f"len({x}) + {b}", lists, lambda v: b + sum(1 for _ in v)
        ),
        _one(
            f"a list of the items of {x} times {a.said}",
            x,
            f"[i * {a} for i in {x}]",
            lists,
            lambda v: list(map(a.__mul__, v)),
        ),
        _one(
            f"a list of the items of {x} more than {c.said}",
            x,
            f"[i for i in {x} if i > {c}]",
            more,
            lambda v: list(filter(c.__lt__, v)),
        ),
        _one(
            f"a list of the items of {x} less than {c.said}",
            x,
            f"[i for i in {x} if i < {c}]",
            less,
            lambda v: list(filter(c.__gt__, v)),
        ),
    ]


def _of_words(x: str, a: Constant, word: str, words: tuple[str, ...]) -> list[Function]:
    def repeated(v: str) -> str:
        return "".join(letter for letter in v for _ in range(a))

    return [
        _loop(f"each letter of {x} {a.said} times", x, '""', f"i * {a}", words, repeated),
        _one(f"{x} {a.said} times", x, f"{x} * {a}", words, lambda v: "".join([v] * a)),
        _one(f"{word} after {x}", x, f'{x} + "{word}"', words, lambda v: "".join([v, word])),
        _one(f"{word} before {x}", x, f'"{word}" + {x}', words, lambda v: "".join([word, v])),
        _one(f"{x} backwards", x, f"{x}[::-1]", words, lambda v: "".join(reversed(v))),
    ]


def _function(rng: random.Random, computed: float) -> Function:
    values = rng.randint(2, 9), rng.randint(1, 9), rng.randint(1, 9)
    a, b, c = (_constant(rng, value, computed) for value in values)
    x = rng.choice([v for v in LETTERS if v != "n"])
    numbers = _of_numbers(x, a, b, c, tuple(rng.sample(range(0, 12), 4)))
    lists = _of_lists(x, a, b, c, tuple(rng.sample(range(1, 12), rng.randint(3, 5)) for _ in range(3)))
    some = tuple(rng.sample(WORDS, 3))
    words = _of_words(x, a, rng.choice(WORDS), some)
    # Their order decides what a seed draws.
    return rng.choice([*numbers, *lists[:2], *words[:1], *lists[2:], *words[1:]])


def completion(rng: random.Random, computed: float = 0.0) -> Task:
    """A function to complete from its signature and docstring: a HumanEval row.

    computed: the share of its constants that are given as a step.
    """
    name, f = rng.choice(FUNCTIONS), _function(rng, computed)
    prompt = f'def {name}({f.argument}):\n    """Return {f.sentence}."""\n'
    checks = "".join(f"    assert candidate({s!r}) == {f.meaning(s)!r}\n" for s in f.samples)
    row = {
        "prompt": prompt,
        "canonical_solution": f.body + "\n",
        "test": f"def check(candidate):\n{checks}",
        "entry_point": name,
    }
    return Task(row, prompt, f.body)


def function(rng: random.Random, computed: float = 0.0) -> Task:
    """A function to write from a sentence, with assertions as tests: an MBPP row; `computed` as above."""
    name, f = rng.choice(FUNCTIONS), _function(rng, computed)
    text = f"Write {name}({f.argument}) to return {f.sentence}."
    code = f"def {name}({f.argument}):\n{f.body}"
    tests = [f"assert {name}({s!r}) == {f.meaning(s)!r}" for s in f.samples]
    row = {
        "text": text,
        "code": code,
        "test_list": tests,
        "test_setup_code": "",
        "challenge_test_list": [],
    }
    return Task(row, text, code)


GENERATORS: dict[str, Callable[[random.Random], Task]] = {
    "gsm8k": word_problem,
    "math500": equation,
    "humaneval": completion,
    "mbpp": function,
}
COMPUTED: dict[str, Callable[[random.Random], Task]] = {
    "humaneval": partial(completion, computed=0.5),
    "mbpp": partial(function, computed=0.5),
}
