"""Templates of the four tiny benchmarks, in the public benchmarks' own row formats.

Each generator draws one task from a `random.Random` and returns a `Task`: the row that a benchmark
file holds (GSM8K's `question`/`answer`, MATH-500's `problem`/`solution`/`answer`, HumanEval's
`prompt`/`test`/`entry_point`, MBPP's `text`/`code`/`test_list`) and the (prompt, response) pair
that a model is trained on. Answers come from Python, never from a template.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NAMES = "Tom Ann Ben Eva Sam Mia Leo Zoe Max Ida Jon Amy Dan Lea Tim Sue Bob Kim Ron Liv".split()
OBJECTS = (
    "apples pens books cards coins cups eggs hats keys maps nuts pears rings shells stamps toys"
).split()
CONTAINERS = "boxes bags jars rows".split()
LETTERS = "x y z n t k m p".split()
FUNCTIONS = "calc step move fold pick turn form mark join find make work".split()
WORDS = "sun map red fig owl jam ink sky bee oak".split()


@dataclass(frozen=True)
class Task:
    """One item: its public-format row, and the text a model learns from it."""

    row: dict[str, Any]
    prompt: str
    response: str


def word_problem(rng: random.Random) -> Task:
    """A one- or two-step word problem with a rationale, as a GSM8K row."""
    name, thing = rng.choice(NAMES), rng.choice(OBJECTS)
    a, b = rng.randint(2, 12), rng.randint(2, 9)
    kind = rng.randrange(5)
    if kind == 0:
        verb = rng.choice(["buys", "finds", "gets"])
        story = f"{name} has {a} {thing}. {name} {verb} {b} more."
        steps = [(a, "+", b)]
    elif kind == 1:
        a = b + rng.randint(1, 12)
        verb = rng.choice(["loses", "sells", "drops"])
        story = f"{name} has {a} {thing}. {name} {verb} {b}."
        steps = [(a, "-", b)]
    elif kind == 2:
        a = rng.randint(2, 5)
        box = rng.choice(CONTAINERS)
        story = f"{name} has {a} {box} with {b} {thing} each."
        steps = [(a, "*", b)]
    elif kind == 3:
        c = rng.randint(2, min(9, a + b - 1))
        gain, loss = rng.choice(["buys", "finds", "gets"]), rng.choice(["loses", "sells", "drops"])
        story = f"{name} has {a} {thing}. {name} {gain} {b} and {loss} {c}."
        steps = [(a, "+", b), (a + b, "-", c)]
    else:
        a, c = rng.randint(2, 5), rng.randint(2, 9)
        box = rng.choice(CONTAINERS)
        story = f"{name} has {a} {box} with {b} {thing} each and finds {c} more."
        steps = [(a, "*", b), (a * b, "+", c)]
    lines = [f"{p} {op} {q} = {_apply(p, op, q)}" for p, op, q in steps]
    answer = _apply(*steps[-1])
    question = f"{story} How many {thing} does {name} have?"
    rationale = "\n".join(lines)
    return Task(
        {"question": question, "answer": f"{rationale}\n#### {answer}"},
        question,
        f"{rationale}\nFinal Answer: {answer}",
    )


def _apply(a: int, op: str, b: int) -> int:
    return {"+": a + b, "-": a - b, "*": a * b}[op]


def equation(rng: random.Random) -> Task:
    """A linear equation in one unknown with a boxed answer, as a MATH-500 row."""
    v = rng.choice(LETTERS)
    x, a, b = rng.randint(1, 20), rng.randint(2, 5), rng.randint(1, 9)
    kind = rng.randrange(5)
    if kind == 0:
        left, right, work = f"{v} + {b}", x + b, [f"{v} = {x + b} - {b}"]
    elif kind == 1:
        x = x + b
        left, right, work = f"{v} - {b}", x - b, [f"{v} = {x - b} + {b}"]
    elif kind == 2:
        x = rng.randint(1, 9)
        left, right, work = f"{a}{v}", a * x, [f"{v} = {a * x} / {a}"]
    elif kind == 3:
        x = rng.randint(1, 9)
        left, right = f"{a}{v} + {b}", a * x + b
        work = [f"{a}{v} = {right} - {b} = {a * x}", f"{v} = {a * x} / {a}"]
    else:
        x = rng.randint(1, 9)
        b = rng.randint(1, min(9, a * x))
        left, right = f"{a}{v} - {b}", a * x - b
        work = [f"{a}{v} = {right} + {b} = {a * x}", f"{v} = {a * x} / {a}"]
    problem = f"Solve ${left} = {right}$ for ${v}$."
    solution = "\n".join(work) + f" = \\boxed{{{x}}}"
    row = {"problem": problem, "solution": solution, "answer": str(x)}
    return Task(row, problem, solution)


@dataclass(frozen=True)
class Function:
    """A one-line function: its sentence, argument, expression, and arguments to test it on."""

    sentence: str
    argument: str
    expression: str
    samples: tuple[Any, ...]

    def value(self, sample: Any) -> Any:
        """Evaluate the reference expression (ours, from the templates below) on one argument."""
        return eval(self.expression, {}, {self.argument: sample})  # noqa: S307


def _function(rng: random.Random) -> Function:
    a, b, c = rng.randint(2, 9), rng.randint(1, 9), rng.randint(1, 9)
    x = rng.choice(LETTERS)
    numbers = tuple(rng.sample(range(0, 20), 3))
    lists = tuple(rng.sample(range(1, 20), rng.randint(3, 5)) for _ in range(3))
    words = tuple(rng.sample(WORDS, 3))
    word = rng.choice(WORDS)
    kinds: list[Callable[[], Function]] = [
        lambda: Function(f"{x} times {a} plus {b}", x, f"{x} * {a} + {b}", numbers),
        lambda: Function(f"{x} times {a} minus {b}", x, f"{x} * {a} - {b}", numbers),
        lambda: Function(
            f"{a} if {x} is more than {c} and {b} if not", x, f"{a} if {x} > {c} else {b}", numbers
        ),
        lambda: Function(f"the sum of {x} plus {b}", x, f"sum({x}) + {b}", lists),
        lambda: Function(f"the largest item of {x} minus {b}", x, f"max({x}) - {b}", lists),
        lambda: Function(f"the smallest item of {x} times {a}", x, f"min({x}) * {a}", lists),
        lambda: Function(f"the items of {x} times {a}", x, f"[i * {a} for i in {x}]", lists),
        lambda: Function(
            f"the items of {x} that are more than {c}", x, f"[i for i in {x} if i > {c}]", lists
        ),
        lambda: Function(f"{x} repeated {a} times", x, f"{x} * {a}", words),
        lambda: Function(f"the word {word} after {x}", x, f'{x} + "{word}"', words),
    ]
    return rng.choice(kinds)()


def completion(rng: random.Random) -> Task:
    """A function to complete from its signature and docstring, as a HumanEval row."""
    name, f = rng.choice(FUNCTIONS), _function(rng)
    prompt = f'def {name}({f.argument}):\n    """Return {f.sentence}."""\n'
    body = f"    return {f.expression}"
    checks = "".join(f"    assert candidate({s!r}) == {f.value(s)!r}\n" for s in f.samples)
    row = {
        "prompt": prompt,
        "canonical_solution": body + "\n",
        "test": f"def check(candidate):\n{checks}",
        "entry_point": name,
    }
    return Task(row, prompt, body)


def function(rng: random.Random) -> Task:
    """A function to write from a sentence, tested by assertions, as an MBPP row."""
    name, f = rng.choice(FUNCTIONS), _function(rng)
    text = f"Write a function {name}({f.argument}) to return {f.sentence}."
    code = f"def {name}({f.argument}):\n    return {f.expression}"
    tests = [f"assert {name}({s!r}) == {f.value(s)!r}" for s in f.samples]
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
