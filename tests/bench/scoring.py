"""Speed of the scorers on the public data: `python tests/bench/scoring.py FOLDER [part ...]`.

FOLDER has the data files with the names in docs/benchmarks.md. Each part scores the reference solutions,
prints how many are correct, and compares times: gsm8k with a second run (noise); math500, with rewritten
answers whose strings differ, with a new process per comparison (a sample); code in the sandbox with a bare
interpreter, one program at a time, and with all processors.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from goodpart.benchmarks import equivalence
from goodpart.benchmarks.code import run_program
from goodpart.runtime import processors
from goodpart.sandbox import Sandbox
from goodpart.verify.oracles import public

BARE = "import sys\nexec(compile(sys.stdin.read(), 'p', 'exec'), {'__name__': 'p'})"


def timed(work: Callable[[Any], Any], things: Sequence[Any], threads: int) -> tuple[float, list[Any]]:
    """Seconds and results of a function on all items, `threads` in parallel."""
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = list(pool.map(work, things))
    return time.perf_counter() - began, done


def gsm8k(folder: Path, threads: int) -> None:
    """All reference solutions."""
    module, rows = public("gsm8k", folder)
    pairs = [(module.reference(row), row["answer"]) for row in rows]
    first, verdicts = timed(lambda pair: module.score(*pair), pairs, 1)
    second, _ = timed(lambda pair: module.score(*pair), pairs, 1)
    right = sum(v.correct for v in verdicts)
    print(f"gsm8k: {right} of {len(rows)} correct; 1,000 items in {1000 * first / len(rows):.2f} s, ", end="")
    print(f"again in {1000 * second / len(rows):.2f} s")


def math500(folder: Path, threads: int) -> None:
    """Score all reference solutions, and their answers times 1, which only math-verify can compare."""
    module, rows = public("math500", folder)
    pairs = [(module.reference(row), row["solution"]) for row in rows]
    seconds, verdicts = timed(lambda pair: module.score(*pair), pairs, threads)
    right = sum(v.correct for v in verdicts)
    print(f"math500: {right} of {len(rows)} solutions correct, in {seconds:.1f} s")
    pairs = [(row["answer"], f"1 \\cdot {row['answer']}") for row in rows]
    compare = lambda pair: equivalence.equivalent(*pair, module.SECONDS)  # noqa: E731
    seconds, verdicts = timed(compare, pairs, threads)
    print(f"math500: 500 answers by math-verify in {seconds:.1f} s, {sum(v[0] for v in verdicts)} equal")

    def anew(pair: tuple[str, str]) -> None:
        judge = equivalence.Judge()
        judge.ask(*pair, module.SECONDS)
        judge.close()

    sample = pairs[::50]
    fresh, _ = timed(anew, sample, threads)
    pooled, _ = timed(compare, sample, threads)
    print(f"math500: reused processes are {fresh / pooled:.1f} times as fast as new ones")


def code(name: str, folder: Path, threads: int) -> None:
    """Score all reference solutions, in the sandbox and in a bare interpreter."""
    module, rows = public(name, folder)
    sandbox = Sandbox()
    sandbox.probe()
    pairs = [(module.reference(row), row.get("canonical_solution") or row["code"]) for row in rows]
    both, verdicts = timed(lambda pair: module.score(*pair, sandbox), pairs, threads)
    wrong = [row["task_id"] for row, v in zip(rows, verdicts, strict=True) if not v.correct]
    print(f"{name}: {len(rows) - len(wrong)} of {len(rows)} correct, in {both:.1f} s; wrong: {wrong}")
    programs = programs_of(module, pairs)[:100]
    one, _ = timed(lambda program: run_program(program, "", sandbox), programs, 1)
    many, _ = timed(lambda program: run_program(program, "", sandbox), programs, threads)

    def bare(program: str) -> None:
        command = [sys.executable, "-I", "-S", "-c", BARE]
        subprocess.run(command, input=program, text=True, capture_output=True, check=False)

    plain, _ = timed(bare, programs, 1)
    print(f"{name}: the sandbox takes {one / plain:.2f} times a bare interpreter's time; ", end="")
    print(f"{threads} threads are {one / many:.2f} times as fast as one")


def programs_of(module: Any, pairs: Sequence[tuple[dict[str, Any], str]]) -> list[str]:
    """The programs that the scorer runs."""
    kept: list[str] = []

    class Keep(Sandbox):
        def run(self, program: str) -> Any:
            kept.append(program)
            return super().run("pass")

    for reference, solution in pairs[:100]:
        module.score(reference, solution, Keep("none"))
    return kept


PARTS: dict[str, Callable[[Path, int], None]] = {
    "gsm8k": gsm8k,
    "math500": math500,
    **{
        name: lambda folder, threads, name=name: code(name, folder, threads)  # type: ignore[misc]
        for name in ("humaneval", "mbpp_sanitized", "mbpp_full")
    },
}

if __name__ == "__main__":
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("folder", type=Path)
    options.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    options.add_argument("--threads", type=int, default=processors(64))
    arguments = options.parse_args()
    for part in arguments.parts or PARTS:
        PARTS[part](arguments.folder, arguments.threads)
