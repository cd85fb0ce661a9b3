"""The last lines of a run: what was made and where, what was not and why, and what to do next."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

from goodpart.errors import GoodpartError

WIDTH = 98
UNSCORED_HELP = "docs/troubleshooting.md says what they need; the next run scores them once it is available"


@dataclass(frozen=True)
class FailedJob:
    """A job that failed: what it is called, an output that asks for it, and its log."""

    name: str
    output: str
    log: str | None


def last_line(log: str | None) -> str:
    """The last line of a job's log, without its time."""
    try:
        lines = Path(log or "").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "it wrote no log"
    return re.sub(r"^[\d-]+ [\d:,]+ [A-Z]+ ", "", lines[-1]) if lines else "its log is empty"


def duration(seconds: float) -> str:
    """Seconds in words, such as 3 min 5 s or 2 h 10 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def unscored(cells: Path) -> Counter[str]:
    """Why cells were not scored -> how many; empty where there is no file of cells."""
    from goodpart.jobs.parquet import read_table

    try:
        states = read_table(cells, ["status"])["status"].to_pylist()
    except GoodpartError:
        return Counter()
    return Counter(state for state in states if state != "scored")


def of_success(
    made: Sequence[str], figures: str, cells: str, seconds: float, jobs: int, next_step: str
) -> str:
    """What a run that ended well says.

    `made`: outputs of its jobs; `figures`: the folder of figures and tables; `cells`: the file of cells.
    """
    lines = [f"Done: {jobs} {'job' if jobs == 1 else 'jobs'} in {duration(seconds)}."]
    drawn = sorted({Path(name).stem for name in made if Path(name).parent == Path(figures)}, key=_natural)
    if drawn:
        names = f"{figures}/: {', '.join(drawn)}"
        lines.append(fill(names, WIDTH, initial_indent="  made     ", subsequent_indent=" " * 11))
    if cells in made:
        lines.append(f"  results  {cells}, one row a cell")
    for status, number in sorted(unscored(Path(cells)).items()) if drawn else []:
        lines.append(f"  {number} cells {status}. {UNSCORED_HELP}.")
    return "\n".join([*lines, f"Next: {next_step}"])


def of_failure(failed: Iterable[FailedJob], options: Sequence[str], seconds: float) -> str:
    """What a run with failed jobs says; `options`: those of the run that a single job needs as well."""
    failed = list(failed)
    lines = [f"{len(failed)} {'job' if len(failed) == 1 else 'jobs'} failed, after {duration(seconds)}:"]
    for job in failed:
        again = shlex.join(["snakemake", "--cores", "1", job.output, *options])
        lines += [
            f"  {job.name}: {last_line(job.log)}",
            f"    log:       {job.log}",
            f"    run alone: {again}",
        ]
    return "\n".join([*lines, "Finished work is kept: the same command goes on from here."])


def _natural(name: str) -> tuple[str, int]:
    """Order of figure2 before figure10."""
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :] or 0)
