"""The corpus of the tiny checkpoints: held-out benchmark files and an endless training stream.

Held-out items are drawn first, from their own seed. A training item is any other item of the same templates.
Items are compared by content (the text of the prompt), not by id.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence

from goodpart_tools.tiny.tasks import COMPUTED, GENERATORS, Task

STEP = re.compile(r"\(\d\D\d\)")


def held_out(benchmark: str, seed: int, n: int, n_calibration: int, largest: int) -> dict[str, list[Task]]:
    """Draw `n` items for evaluation and `n_calibration` for calibration (`train`).

    Of the n items, those with numbers above `largest` form the split `hard`, the others `test`. Of the
    functions, every second one has a constant to compute; as many without one are left over (`spare`) and
    held out too. No prompt occurs twice, in one split or in two. Raises ValueError if the templates have too
    few different prompts.
    """
    total = n + n_calibration
    drawn = _different(benchmark, GENERATORS[benchmark], random.Random(f"{benchmark}-{seed}"), total)
    spare: list[Task] = []
    if benchmark in COMPUTED:
        rng, half = random.Random(f"{benchmark}-computed-{seed}"), (total + 1) // 2
        computed = _different(
            benchmark, COMPUTED[benchmark], rng, half, lambda task: STEP.search(task.prompt)
        )
        spare = drawn[half:]
        drawn = [task for pair in zip(drawn, computed, strict=False) for task in pair][:total]
    test = [task for task in drawn[:n] if _largest(task) <= largest]
    hard = [task for task in drawn[:n] if _largest(task) > largest]
    return {"test": test, "hard": hard, "train": drawn[n:], "spare": spare}


def _different(
    benchmark: str,
    generator: Callable[[random.Random], Task],
    rng: random.Random,
    n: int,
    wanted: Callable[[Task], object] = bool,
) -> list[Task]:
    """`n` tasks with different prompts."""
    tasks: dict[str, Task] = {}
    for _ in range(100 * n):
        task = generator(rng)
        if wanted(task):
            tasks.setdefault(task.prompt, task)
        if len(tasks) == n:
            return list(tasks.values())
    raise ValueError(f"{benchmark}: the templates give fewer than {n} items")


def _largest(task: Task) -> int:
    return max(map(int, re.findall(r"\d+", f"{task.prompt} {task.response} 0")))


def training_tasks(
    seed: int,
    excluded: set[str],
    benchmarks: Sequence[str] = tuple(GENERATORS),
    computed: bool = False,
) -> Iterator[Task]:
    """Yield training tasks forever: the benchmarks in equal shares, without the excluded prompts.

    computed: whether functions have constants to compute.
    """
    rng = random.Random(f"training-{seed}")
    generators = {**GENERATORS, **(COMPUTED if computed else {})}
    kinds = [generators[benchmark] for benchmark in benchmarks]
    while True:
        task = rng.choice(kinds)(rng)
        if task.prompt not in excluded:
            yield task


def rows(benchmark: str, split: str, tasks: list[Task]) -> list[dict]:
    """The benchmark's rows in the public format, with ids."""
    out = []
    for i, task in enumerate(tasks):
        row = dict(task.row)
        if benchmark == "math500":
            row |= {"subject": "Tiny", "unique_id": f"{split}/tiny/{i}.json"}
        elif benchmark == "humaneval":
            row = {"task_id": f"TinyEval/{split}-{i}"} | row
        elif benchmark == "mbpp":
            first = {"test": 0, "train": 100_000, "hard": 200_000, "spare": 300_000}[split]
            row = {"task_id": first + i} | row
        out.append(row)
    return out


PROMPT_FIELD = {"gsm8k": "question", "math500": "problem", "humaneval": "prompt", "mbpp": "text"}


def held_out_prompts(files: dict[str, list[dict]]) -> set[str]:
    """The prompts of held-out rows, given by file name (`gsm8k-test.jsonl`, ...)."""
    return {row[PROMPT_FIELD[name.split("-")[0]]] for name, rows in files.items() for row in rows}
