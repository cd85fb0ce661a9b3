"""Cells of the paper's tables and of this run's: retentions with the data for their error."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.evaluation.paper.values import Missing, Value, no_less_than, retention
from goodpart.paths import FULL_DEPTH

LLADA, DREAM_BASE, DREAM_INSTRUCT, QWEN = "LLaDA-Instruct", "Dream-Base", "Dream-Instruct", "Qwen2.5"
# Names of models and benchmarks in cells.csv -> the column, the kind of benchmark, the number of layers L.
COLUMNS = {
    "llada-8b-instruct": LLADA,
    "dream-7b-base": DREAM_BASE,
    "dream-7b-instruct": DREAM_INSTRUCT,
    "qwen2.5-7b": QWEN,
}
KINDS = {"GSM8K": "gsm8k", "MATH-500": "math500", "HumanEval": "humaneval", "MBPP": "mbpp"}
NAMES = {kind: name for name, kind in KINDS.items()}
LAYERS = {LLADA: 32, DREAM_BASE: 28, DREAM_INSTRUCT: 28, QWEN: 28}
NOT_ALLOWED, ALLOWED = "not_allowed", "allowed"


@dataclass(frozen=True)
class Cell:
    """One cell of a table: retention in percent of full depth, and the data for its error.

    `kind`: kind of the benchmark. `percent` is None without a number; `why` gives the reason. If the printed
    number belongs to another cell, `percent` is the corrected number and `printed` the printed one.
    """

    column: str
    kind: str
    adjacent: str
    k: int
    percent: float | None
    accuracy: float | None = None  # at full depth
    n: int | None = None
    low: float | None = None
    high: float | None = None
    flops: float | None = None  # the paper's k/L, in percent
    why: str = ""
    withheld: bool = False  # printed as a dash
    table: str = ""
    printed: float | None = None
    got_k: int | None = None
    note: str = ""
    nll: float | None = None  # of the reference solutions, at full depth

    @property
    def place(self) -> tuple[str, str, str, int]:
        """The key of the cell in its table."""
        return self.column, self.kind, self.adjacent, self.k

    @property
    def value(self) -> Value:
        """The retention with its interval. Raises Missing if there is no number."""
        if self.percent is None:
            raise Missing(f"{describe(*self.place)}: {self.why}")
        return Value(self.percent, self.low, self.high)


def describe(column: str, kind: str, adjacent: str, k: int) -> str:
    """A cell in words."""
    more = ", adjacent layers allowed" if adjacent == ALLOWED else ""
    return f"{column} {NAMES[kind]} at k = {k}{more}"


def paper_cells(path: Path, level: float) -> list[Cell]:
    """The cells of the paper's tables, in its order, with their sampling error if n is known.

    Raises GoodpartError if the file lacks a column, or names an unknown model or benchmark.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        baselines = {
            (row["model"], row["benchmark"]): float(row["baseline_accuracy"])
            for row in rows
            if row["baseline_accuracy"]
        }
        return [_paper_cell(row, baselines[row["model"], row["benchmark"]], level) for row in rows]
    except (KeyError, ValueError) as error:
        raise GoodpartError(f"{path}: not a table of the paper's cells ({error})") from error


def _paper_cell(row: Mapping[str, str], accuracy: float, level: float) -> Cell:
    column, k = COLUMNS[row["model"]], int(row["layers_skipped"])
    printed = float(row["retention_percent"]) if row["retention_percent"] else None
    corrected = row["corrected_retention_percent"]
    percent = float(corrected) if corrected else printed
    n = int(row["inferred_n"]) if row["inferred_n"] else None
    number = Value(0.0) if percent is None or k == 0 else retention(percent, accuracy, n, level)
    return Cell(
        column,
        KINDS[row["benchmark"]],
        row["adjacent_skips"],
        k,
        percent,
        accuracy,
        n,
        number.low,
        number.high,
        flops=100 * k / LAYERS[column],
        why="printed as a dash" if percent is None else "",
        withheld=percent is None,
        table=row["table"],
        printed=printed,
        note=row["note"],
    )


def our_cells(
    rows: Iterable[Mapping[str, Any]], kinds: Mapping[str, str], policies: Mapping[str, str], level: float
) -> list[Cell]:
    """This run's cells at the places of the paper's cells. rows, kinds, policies: as for `placed`.

    An interval without width is widened (`no_less_than`).
    """
    cells = [_our_cell(row, kind, adjacent) for row, kind, adjacent in placed(rows, kinds, policies)]
    baselines = {cell.place[:2]: cell.accuracy for cell in cells if cell.k == 0}
    return [cell if cell.k == 0 else _against(cell, baselines.get(cell.place[:2]), level) for cell in cells]


def _against(cell: Cell, accuracy: float | None, level: float) -> Cell:
    """A cell with the accuracy at full depth, and an interval with a width."""
    if not accuracy or cell.n is None or cell.percent is None or cell.low != cell.high:
        return replace(cell, accuracy=accuracy)
    wide = no_less_than(Value(cell.percent, cell.low, cell.high), cell.n, accuracy, level)
    what = "no verdict changed" if cell.percent else "nothing solved"
    note = f"{what}: limits of an exact binomial interval"
    return replace(cell, accuracy=accuracy, low=max(0.0, wide.low or 0.0), high=wide.high, note=note)


def placed(
    rows: Iterable[Mapping[str, Any]], kinds: Mapping[str, str], policies: Mapping[str, str]
) -> Iterator[tuple[Mapping[str, Any], str, str]]:
    """Rows with a place among the paper's cells, with the kind of benchmark and the adjacency rule.

    rows: of cells.parquet. kinds: benchmark -> its kind; of two benchmarks of the same kind, the first
    counts. policies: `not_allowed` and `allowed` -> the policy's name. Full depth belongs to both.
    """
    first: dict[str, str] = {}
    for benchmark, kind in kinds.items():
        first.setdefault(kind, benchmark)
    adjacent_of = {policy: adjacent for adjacent, policy in policies.items()}
    for row in rows:
        kind = kinds.get(row["benchmark"])
        if row["paper_column"] is None or kind not in NAMES or first[kind] != row["benchmark"]:
            continue
        full = row["policy"] == FULL_DEPTH
        for adjacent in policies if full else [adjacent_of.get(row["policy"])]:
            if adjacent is not None:
                yield row, kind, adjacent


def _our_cell(row: Mapping[str, Any], kind: str, adjacent: str) -> Cell:
    percent, why = row["retention"], ""
    if row["status"] != "scored":
        percent, why = None, row["status"]
    elif row["got_k"] < row["asked_k"]:
        percent, why = None, f"the policy found only {row['got_k']} layers"
    elif percent is None:
        why = "nothing correct at full depth"
    return Cell(
        row["paper_column"],
        kind,
        adjacent,
        row["asked_k"],
        percent,
        row["accuracy"],
        row["n"],
        row["low"],
        row["high"],
        flops=row["flops_reduction_layers"],
        why=why,
        got_k=row["got_k"],
        nll=row.get("nll"),
    )
