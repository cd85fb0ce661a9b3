"""Speed and accuracy of the scorers: `python tests/bench/scoring.py FOLDER [part ...] [--oracles FOLDER]`.

FOLDER holds the data files as docs/benchmarks.md names them. Each part scores the reference solutions, says
how many are correct, and compares, side by side: gsm8k with itself a second time (noise); math500, whose
answers are rewritten so that strings differ, with a new process for every comparison (a sample); code in the
sandbox with a bare interpreter, one at a time, and with all processors.

The part `accuracy` prints precision (of the completions scored as correct, how many are) and recall (of the
correct completions, how many are scored so) by benchmark, in both readings: of the cases in tests/, and with
--oracles of the binding rows of a folder of labelled completions (docs/benchmarks.md has their format).
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from goodpart.benchmarks import scorer_module
from goodpart.benchmarks.mathematics import equivalence
from goodpart.benchmarks.programs.code import run_programs
from goodpart.benchmarks.sandbox import Sandbox
from goodpart.benchmarks.scoring import judge
from goodpart.jobs.runtime import processors
from goodpart_tools.verify.oracles import BINDING, DATA, STOP_STYLE, public, read, reference_of

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
    score = scorer_module("gsm8k").score
    pairs = [(module.reference(row), row["answer"]) for row in rows]
    first, verdicts = timed(lambda pair: score(*pair), pairs, 1)
    second, _ = timed(lambda pair: score(*pair), pairs, 1)
    right = sum(v.correct for v in verdicts)
    print(f"gsm8k: {right} of {len(rows)} correct; 1,000 items in {1000 * first / len(rows):.2f} s, ", end="")
    print(f"again in {1000 * second / len(rows):.2f} s")


def math500(folder: Path, threads: int) -> None:
    """Score all reference solutions, and their answers times 1, which only math-verify can compare."""
    module, rows = public("math500", folder)
    scorer = scorer_module("math500")
    pairs = [(module.reference(row), row["solution"]) for row in rows]
    seconds, verdicts = timed(lambda pair: scorer.score(*pair), pairs, threads)
    right = sum(v.correct for v in verdicts)
    print(f"math500: {right} of {len(rows)} solutions correct, in {seconds:.1f} s")
    pairs = [(row["answer"], f"1 \\cdot {row['answer']}") for row in rows]
    compare = lambda pair: equivalence.equivalent(*pair, scorer.SECONDS)  # noqa: E731
    seconds, verdicts = timed(compare, pairs, threads)
    print(f"math500: 500 answers by math-verify in {seconds:.1f} s, {sum(v[0] for v in verdicts)} equal")

    def anew(pair: tuple[str, str]) -> None:
        judge = equivalence.Judge()
        judge.ask(*pair, scorer.SECONDS)
        judge.close()

    sample = pairs[::50]
    fresh, _ = timed(anew, sample, threads)
    pooled, _ = timed(compare, sample, threads)
    print(f"math500: reused processes are {fresh / pooled:.1f} times as fast as new ones")


def code(name: str, folder: Path, threads: int) -> None:
    """Score all reference solutions, in the sandbox and in a bare interpreter."""
    module, rows = public(name, folder)
    scorer = scorer_module(DATA[name][0])
    sandbox = Sandbox()
    sandbox.probe()
    pairs = [(module.reference(row), row.get("canonical_solution") or row["code"]) for row in rows]
    both, verdicts = timed(lambda pair: scorer.score(*pair, sandbox), pairs, threads)
    wrong = [row["task_id"] for row, v in zip(rows, verdicts, strict=True) if not v.correct]
    print(f"{name}: {len(rows) - len(wrong)} of {len(rows)} correct, in {both:.1f} s; wrong: {wrong}")
    programs = programs_of(scorer, pairs)[:100]
    one, _ = timed(lambda program: run_programs([(program, "")], sandbox), programs, 1)
    many, _ = timed(lambda program: run_programs([(program, "")], sandbox), programs, threads)

    def bare(program: str) -> None:
        command = [sys.executable, "-I", "-S", "-c", BARE]
        subprocess.run(command, input=program, text=True, capture_output=True, check=False)

    plain, _ = timed(bare, programs, 1)
    print(f"{name}: the sandbox takes {one / plain:.2f} times a bare interpreter's time; ", end="")
    print(f"{threads} threads are {one / many:.2f} times as fast as one")


def programs_of(scorer: Any, pairs: Sequence[tuple[dict[str, Any], str]]) -> list[str]:
    """The programs that the scorer runs."""
    kept: list[str] = []

    class Keep(Sandbox):
        def run(self, program: str) -> Any:
            kept.append(program)
            return super().run("pass")

    for reference, solution in pairs[:100]:
        scorer.score(reference, solution, Keep("none"))
    return kept


Case = tuple[
    str, dict[str, Any], str, str, bool
]  # benchmark, reference, completion, style, whether it is right


def labelled(folder: Path, oracles: Path | None) -> dict[str, list[Case]]:
    """Where they are from -> completions with the verdict that a careful person gives."""
    import test_answers
    import test_code_answers as code_cases
    import test_notations

    cases = [
        ("math500", {"answer": gold}, f"\\boxed{{{answer}}}", "dflash", right)
        for kind in test_notations.KINDS.values()
        for gold, answer, right in kind
    ]
    cases += [
        ("math500", {"answer": gold}, text, "dflash", right) for gold, text, right in test_answers.BOXES
    ]
    for body, right in ((code_cases.RIGHT, True), (code_cases.WRONG, False)):
        for demo in code_cases.DEMOS.values():
            cases.append(("humaneval", code_cases.TASK, code_cases.fenced(body + demo), "dflash", right))
            cases.append(
                ("mbpp", code_cases.MBPP_TASK, code_cases.open_fence(body + demo), "dflash_tests", right)
            )
        for before, form, after in code_cases.SEVERAL.values():
            text = before + form.format(code_cases.fenced(body)) + after
            cases.append(("humaneval", code_cases.TASK, text, "dflash", right))
    found = {"tests": cases}
    for file in sorted(oracles.glob("*.jsonl")) if oracles else []:
        rows = read(file)
        if "k" not in rows[0] and "timeout_s" not in rows[0]:
            found[file.name] = [
                (
                    DATA[row["benchmark"]][0],
                    reference_of(row, folder),
                    row["completion"],
                    STOP_STYLE if row["strength"] == "must_with_stop" else "dflash",
                    row["expected_correct"],
                )
                for row in rows
                if row["strength"] in BINDING and row["expected_correct"] is not None
            ]
    return found


def accuracy(folder: Path, threads: int, oracles: Path | None) -> None:
    """Precision and recall of both readings by benchmark."""
    sandbox = Sandbox()
    sandbox.probe()

    def verdict(case: Case) -> Any:
        kind, reference, completion, style, _ = case
        return judge(scorer_module(kind), reference, completion, style, sandbox)

    for source, cases in labelled(folder, oracles).items():
        _, verdicts = timed(verdict, cases, threads)
        for kind in dict.fromkeys(case[0] for case in cases):
            for reading in ("correct", "strict"):
                pairs = [
                    (bool(getattr(v, reading)), case[4])
                    for case, v in zip(cases, verdicts, strict=True)
                    if case[0] == kind
                ]
                both = sum(said and right for said, right in pairs)
                precision = both / max(1, sum(said for said, _ in pairs))
                recall = both / max(1, sum(right for _, right in pairs))
                name = {"correct": "default"}.get(reading, reading)
                print(
                    f"{source} {kind}, {name}: precision {precision:.4f}, recall {recall:.4f}, n {len(pairs)}"
                )


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
    options.add_argument("parts", nargs="*", metavar="part", help=", ".join([*PARTS, "accuracy"]))
    options.add_argument("--threads", type=int, default=processors(64))
    options.add_argument("--oracles", type=Path, help="labelled completions, for `accuracy`")
    arguments = options.parse_args()
    for part in arguments.parts or [*PARTS, "accuracy"]:
        if part == "accuracy":
            sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "benchmarks")]
            accuracy(arguments.folder, arguments.threads, arguments.oracles)
        else:
            PARTS[part](arguments.folder, arguments.threads)
