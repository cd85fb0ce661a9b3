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
from typing import Any

from goodpart_tools.tiny.functions import LETTERS, Step, apply, draw_function

NAMES = "Tom Ann Ben Eva Sam Mia Leo Zoe Max Ida Jon Amy Dan Lea Tim Sue Bob Kim Ron Liv".split()
OBJECTS = (
    "apples pens books cards coins cups eggs hats keys maps nuts pears rings shells stamps toys"
).split()
CONTAINERS = "boxes bags jars rows".split()
GAINS, LOSSES = "buys finds gets".split(), "loses sells drops".split()
FUNCTIONS = "calc step move fold pick turn form mark join find make work".split()
HARD = 0.2  # fraction of items with numbers up to LARGEST instead of 9
LARGEST = 30
RATIONALE = 18  # characters, one token each: answers fit into 24 tokens, those of equations into 16


@dataclass(frozen=True)
class Task:
    """One item: its row in the public format, and the text for training."""

    row: dict[str, Any]
    prompt: str
    response: str


def _limit(rng: random.Random) -> int:
    return LARGEST if rng.random() < HARD else 9


def _line(step: Step) -> str:
    return f"{step[0]}{step[1]}{step[2]}={apply(step)}"


def word_problem(rng: random.Random) -> Task:
    """A word problem of two or three steps with a rationale: a GSM8K row."""
    limit = _limit(rng)
    while True:
        story, steps = rng.choice((_chain, _groups, _comparison, _shares))(rng, limit)
        results = [apply(step) for step in steps]
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
        held = apply(steps[-1])
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
    return f"{story} How many together?", [second, (a, "+", apply(second))]


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
        numbers = [n for step in steps for n in (step[0], apply(step))]
        lines = [_line(step) for step in steps]
        fits = len("\n".join(lines)) <= RATIONALE - 7
        if fits and all(0 <= n <= limit for n in numbers) and apply(steps[-1]) == x:
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


def completion(rng: random.Random, computed: float = 0.0) -> Task:
    """A function to complete from its signature and docstring: a HumanEval row.

    computed: the share of its constants that are given as a step.
    """
    name, f = rng.choice(FUNCTIONS), draw_function(rng, computed)
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
    name, f = rng.choice(FUNCTIONS), draw_function(rng, computed)
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
