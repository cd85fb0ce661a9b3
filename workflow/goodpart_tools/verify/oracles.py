"""Compare the scorers and the sandbox with completions whose verdict is known.

A FILE has one of these contents:

* completions with their correct verdict, one JSON line each (`benchmark`, `task_id`, `completion`,
  `expected_correct`, `strength`, ...);
* the same with `timeout_s`: hostile programs, which run one at a time next to a canary folder and listening
  sockets; these are checked after each program (see hostile.py);
* counts of correct samples with the exact pass@k (`n`, `c`, `k` or `tasks`, `value`);
* a JSON object of zero-shot prompts by benchmark: the hash of all prompts, and the subsets of 128 items.

FOLDER has the public data files, such as `gsm8k/test.jsonl`. A row is binding if its `strength` is must,
strict or must_with_stop. Other rows are only counted, because scorers may differ on them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from goodpart.benchmarks import benchmark_module, scorer_module
from goodpart.benchmarks.sandbox import Sandbox
from goodpart.benchmarks.scoring import Verdict, cut
from goodpart.errors import GoodpartError
from goodpart.evaluation.pass_at_k import mean_pass_at_k
from goodpart.jobs.runtime import processors

BINDING = ("must", "strict", "must_with_stop")
STOP_STYLE = "paper"  # the few-shot style with the stop strings of `must_with_stop`
# benchmark -> kind, file of the public data, and the ids of MBPP's test split
DATA: dict[str, tuple[str, str, tuple[int, int] | None]] = {
    "gsm8k": ("gsm8k", "gsm8k/test.jsonl", None),
    "math500": ("math500", "math500/test.jsonl", None),
    "humaneval": ("humaneval", "humaneval/HumanEval.jsonl.gz", None),
    "mbpp_full": ("mbpp", "mbpp/mbpp.jsonl", (11, 510)),
    "mbpp_sanitized": ("mbpp", "mbpp/sanitized-mbpp.json", (11, 510)),
}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The command line of `oracles`."""
    command.add_argument("files", type=Path, nargs="+", metavar="FILE")
    command.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="public benchmark data")
    command.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="number of rows to score in parallel"
    )
    command.add_argument("--sandbox", choices=["bubblewrap", "none"], default="bubblewrap")
    command.add_argument(
        "--cpu-seconds", type=float, default=10, help="CPU time of each process of a program"
    )
    command.add_argument("--wall-seconds", type=float, default=30, help="wall-clock time of a program")
    command.add_argument("--all", action="store_true", help="also print disagreements that are not binding")


def run(arguments: argparse.Namespace) -> int:
    """Check all files; return how many binding rows disagree."""
    sandbox = Sandbox(arguments.sandbox, arguments.cpu_seconds, arguments.wall_seconds)
    failed = 0
    for path in arguments.files:
        content = read(path)
        if isinstance(content, dict):
            found = check_prompts(content, arguments.data)
        elif "k" in content[0]:
            found = check_pass_at_k(content)
        elif "timeout_s" in content[0]:
            from goodpart_tools.verify.hostile import check_hostile

            found = check_hostile(content, arguments.data, arguments.sandbox)
        else:
            found = check_completions(content, arguments.data, sandbox, arguments.threads)
        failed += report(path.name, found, arguments.all)
    return failed


def read(path: Path) -> dict[str, Any] | list[dict[str, Any]]:
    """Rows of a file of JSON lines, or the object of a JSON file; GoodpartError names a bad line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GoodpartError(f"{path}: cannot be read ({error})") from None
    if path.suffix == ".json":
        try:
            found = json.loads(text)
        except ValueError as error:
            raise GoodpartError(f"{path}: not JSON ({error})") from None
        if not isinstance(found, dict):
            raise GoodpartError(f"{path}: not a JSON object; give a file of prompts or of JSON lines")
        return found
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise GoodpartError(f"{path}, line {number}: not JSON ({error})") from None
            needed = ("id",) if "k" in rows[-1] else ("id", "benchmark", "task_id", "completion", "strength")
            missing = [key for key in needed if key not in rows[-1]]
            if missing:
                raise GoodpartError(f"{path}, line {number}: has no {', '.join(missing)}")
    if not rows:
        raise GoodpartError(f"{path}: has no rows")
    return rows


@cache
def references(benchmark: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Task id -> data for scoring, from the public file of a benchmark."""
    module, rows = public(benchmark, folder)
    names = [module.item_id(row, f"{benchmark}/test", i) for i, row in enumerate(rows)]
    return dict(zip(names, map(module.reference, rows), strict=True))


@cache
def public(benchmark: str, folder: Path) -> tuple[Any, list[dict[str, Any]]]:
    """Module and public test rows of a benchmark."""
    from goodpart.benchmarks.items import checked_rows

    if benchmark not in DATA:
        raise GoodpartError(f"{benchmark}: unknown benchmark; use one of {', '.join(DATA)}")
    kind, name, ids = DATA[benchmark]
    source: dict[str, Any] = {"path": str(folder / name)}
    if ids:
        source["ids"] = ids
    module = benchmark_module(kind)
    return module, checked_rows(source, module, scorer_module(kind))


# row id, strength, whether it agrees (None: any verdict is fine), description
Found = tuple[str, str, bool | None, str]


def check_completions(
    rows: list[dict[str, Any]], folder: Path, sandbox: Sandbox, threads: int
) -> Iterator[Found]:
    """Score all rows, `threads` in parallel."""
    if any(scorer_module(DATA[row["benchmark"]][0]).SANDBOX for row in rows if row["benchmark"] in DATA):
        sandbox.probe()
    for row in rows:
        reference_of(row, folder)
    with ThreadPoolExecutor(processors(threads)) as pool:
        verdicts = pool.map(lambda row: judged(row, folder, sandbox), rows)
        for row, verdict in zip(rows, verdicts, strict=True):
            yield agreement(row, verdict)


def reference_of(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The data for scoring one row. Raises GoodpartError for an unknown task."""
    known = references(row["benchmark"], folder)
    if str(row["task_id"]) not in known:
        raise GoodpartError(f"{row['id']}: {folder} has no task {row['task_id']} of {row['benchmark']}")
    return known[str(row["task_id"])]


def judged(row: dict[str, Any], folder: Path, sandbox: Sandbox) -> Verdict:
    """Score one row."""
    scorer = scorer_module(DATA[row["benchmark"]][0])
    text = row["completion"]
    if row["strength"] == "must_with_stop":
        text = cut(scorer, text, STOP_STYLE)
    return scorer.score(reference_of(row, folder), text, sandbox)


def agreement(row: dict[str, Any], verdict: Verdict) -> Found:
    """Whether a verdict is the expected one."""
    expected = row["expected_correct"]
    said = (
        f"expected {expected}, scored {verdict.correct}: {verdict.reason}; answer {verdict.extracted!a:.80}"
    )
    return row["id"], row["strength"], None if expected is None else verdict.correct is expected, said


def check_pass_at_k(rows: list[dict[str, Any]]) -> Iterator[Found]:
    """Compare exact pass@k values, and refusals if there is no value."""
    for row in rows:
        counts = row.get("tasks") or [(row["n"], row["c"])]
        try:
            value = mean_pass_at_k(counts, row["k"])
        except GoodpartError as error:
            yield row["id"], "must", row["value"] is None, str(error)
            continue
        exact = row.get("exact")
        same = value == Fraction(exact) if exact else row["value"] is not None
        same = same and abs(float(value) - row["value"]) <= 1e-15
        yield row["id"], "must", same, f"expected {exact or row['value']}, found {value}"


def check_prompts(content: dict[str, Any], folder: Path) -> Iterator[Found]:
    """Compare the hash of all zero-shot prompts of a benchmark, and the rows of its subset."""
    from goodpart.benchmarks.items import subset

    for name, wanted in content.items():
        module, rows = public({"mbpp": "mbpp_sanitized"}.get(name, name), folder)
        prompts = [module.prompt(row, "dflash") for row in rows]
        found = hashlib.sha256("\0".join(prompts).encode()).hexdigest()
        hashed = wanted["sha256_of_prompts_joined_by_NUL"]
        yield f"{name}/prompts", "must", found == hashed, f"expected {hashed}, found {found}"
        rows_128 = wanted.get("subset_128_seed0_transformers_backend")
        if rows_128:
            chosen = subset(len(rows), len(rows_128), "dflash")
            yield f"{name}/subset", "must", chosen == rows_128, f"found {chosen[:8]}..."


def report(name: str, found: Iterator[Found], everything: bool) -> int:
    """Print disagreements and counts of one file; return how many binding rows disagree."""
    agree: Counter[str] = Counter()
    differ: Counter[str] = Counter()
    free = 0
    for row, strength, agrees, said in found:
        if agrees is None:
            free += 1
            continue
        (agree if agrees else differ)[strength] += 1
        if not agrees and (strength in BINDING or everything):
            print(f"{'DIFFERS' if strength in BINDING else 'differs'} {row} ({strength}): {said}", flush=True)
    for strength in sorted({*agree, *differ}):
        binds = "binding" if strength in BINDING else "not binding"
        total = agree[strength] + differ[strength]
        print(f"{name}: {strength} ({binds}): {agree[strength]} of {total} agree")
    if free:
        print(f"{name}: {free} rows accept any verdict")
    failed = sum(differ[strength] for strength in BINDING)
    print(f"{name}: {failed} binding rows disagree", flush=True)
    return failed
