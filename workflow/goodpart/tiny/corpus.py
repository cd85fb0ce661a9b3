"""The corpus of the tiny checkpoints: held-out benchmark files and an endless training stream.

Held-out items come first, from a seed of their own; a training item is any other item of the same
templates. Overlap is judged by content (the prompt's text), not by an id.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from goodpart.tiny.tasks import GENERATORS, Task


def held_out(benchmark: str, seed: int, n: int, n_calibration: int, largest: int) -> dict[str, list[Task]]:
    """Draw `n` items to evaluate and `n_calibration` to calibrate on (`train`).

    Of the n, items whose numbers go beyond `largest` are the split `hard`, the others `test`. No prompt
    occurs twice, within a split or across them. Raises ValueError when the templates
    cannot give that many different prompts.
    """
    rng = random.Random(f"{benchmark}-{seed}")
    tasks: dict[str, Task] = {}
    for _ in range(100 * (n + n_calibration)):
        task = GENERATORS[benchmark](rng)
        tasks.setdefault(task.prompt, task)
        if len(tasks) == n + n_calibration:
            drawn = list(tasks.values())
            test = [task for task in drawn[:n] if _largest(task) <= largest]
            hard = [task for task in drawn[:n] if _largest(task) > largest]
            return {"test": test, "hard": hard, "train": drawn[n:]}
    raise ValueError(f"{benchmark}: the templates give fewer than {n + n_calibration} items")


def _largest(task: Task) -> int:
    return max(map(int, re.findall(r"\d+", f"{task.prompt} {task.response} 0")))


def training_tasks(
    seed: int, excluded: set[str], benchmarks: Sequence[str] = tuple(GENERATORS)
) -> Iterator[Task]:
    """Yield training tasks for ever, of some benchmarks in equal shares, none of the excluded prompts."""
    rng = random.Random(f"training-{seed}")
    kinds = [GENERATORS[benchmark] for benchmark in benchmarks]
    while True:
        task = rng.choice(kinds)(rng)
        if task.prompt not in excluded:
            yield task


def rows(benchmark: str, split: str, tasks: list[Task]) -> list[dict]:
    """The benchmark's public rows, with the ids that the public files carry."""
    out = []
    for i, task in enumerate(tasks):
        row = dict(task.row)
        if benchmark == "math500":
            row |= {"subject": "Tiny", "unique_id": f"{split}/tiny/{i}.json"}
        elif benchmark == "humaneval":
            row = {"task_id": f"TinyEval/{split}-{i}"} | row
        elif benchmark == "mbpp":
            row = {"task_id": i + {"test": 0, "train": 100_000, "hard": 200_000}[split]} | row
        out.append(row)
    return out


PROMPT_FIELD = {"gsm8k": "question", "math500": "problem", "humaneval": "prompt", "mbpp": "text"}


def held_out_prompts(files: dict[str, list[dict]]) -> set[str]:
    """The prompts of held-out rows, given by file name (`gsm8k-test.jsonl`, ...)."""
    return {row[PROMPT_FIELD[name.split("-")[0]]] for name, rows in files.items() for row in rows}
