"""The two readings of completions side by side: a careful person's, and the benchmark's own harness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

TITLE = "## Two readings"
HOW = """
Every completion is judged twice. *Default*: as a careful person would; the tables take it. *Strict*: as the
benchmark's own harness does, by the text as it stands (docs/benchmarks.md says how the two differ). Accuracy
is in percent; *difference* is default less strict, in percentage points.
"""
HEADER = [
    "Model", "Benchmark", "Policy", "Skipped", "n", "Accuracy, default", "Strict", "Difference",
    "Retention, default", "Strict",
]  # fmt: skip


def reading_rows(cells: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """One line of text a cell that was scored in both readings, in the order of the cells."""
    return [
        [
            cell["model"],
            cell["benchmark"],
            cell["policy"],
            str(cell["asked_k"]),
            str(cell["n"]),
            f"{100 * cell['accuracy']:.1f}",
            f"{100 * cell['strict_accuracy']:.1f}",
            f"{100 * (cell['accuracy'] - cell['strict_accuracy']):+.1f}",
            _percent(cell["retention"]),
            _percent(cell["strict_retention"]),
        ]
        for cell in cells
        if cell["status"] == "scored" and cell["strict_accuracy"] is not None
    ]


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f}"
