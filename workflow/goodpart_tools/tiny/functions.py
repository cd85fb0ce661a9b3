"""Short functions of the tiny code benchmarks, with constants to copy or to compute."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from operator import add, floordiv, mul, sub
from typing import Any

LETTERS = "x y z n k m".split()
WORDS = "sun map red fig owl jam ink sky bee oak".split()

Step = tuple[int, str, int]


def apply(step: Step) -> int:
    """The result of a step."""
    a, op, b = step
    return {"+": add, "-": sub, "*": mul, "/": floordiv}[op](a, b)


# The steps with numbers of one digit that give each of these numbers.
STEPS = {
    value: [
        (a, op, b)
        for a, op, b in product(range(1, 10), "+-*/", range(1, 10))
        if apply((a, op, b)) == value and (op != "/" or a % b == 0)
    ]
    for value in range(1, 10)
}


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
    """A constant of a function. `said`: how the sentence gives it, as a number or as a step like `(9-4)`."""

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


def draw_function(rng: random.Random, computed: float) -> Function:
    """A function, with a share `computed` of its constants given as a step."""
    values = rng.randint(2, 9), rng.randint(1, 9), rng.randint(1, 9)
    a, b, c = (_constant(rng, value, computed) for value in values)
    x = rng.choice([v for v in LETTERS if v != "n"])
    numbers = _of_numbers(x, a, b, c, tuple(rng.sample(range(0, 12), 4)))
    lists = _of_lists(x, a, b, c, tuple(rng.sample(range(1, 12), rng.randint(3, 5)) for _ in range(3)))
    some = tuple(rng.sample(WORDS, 3))
    words = _of_words(x, a, rng.choice(WORDS), some)
    # Another order would give another corpus for the same seed.
    return rng.choice([*numbers, *lists[:2], *words[:1], *lists[2:], *words[1:]])
