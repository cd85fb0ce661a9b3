"""Verdicts of one cell's items, as its scores tell them."""

from __future__ import annotations

from pathlib import Path

from goodpart.errors import GoodpartError
from goodpart.jobs.parquet import read_table


class NotScoredError(GoodpartError):
    """Some completions of a cell have no verdict."""


def item_verdicts(scores: Path) -> dict[str, float]:
    """Item -> the share of its completions that are correct (0..1), in the order of the file.

    Raises NotScoredError, naming why, where a completion has no verdict.
    """
    table = read_table(scores, ["item_id", "correct", "status"])
    if states := set(table["status"].to_pylist()) - {"scored"}:
        raise NotScoredError(f"{scores}: {', '.join(sorted(states))}")
    found: dict[str, list[bool]] = {}
    for item, correct in zip(table["item_id"].to_pylist(), table["correct"].to_pylist(), strict=True):
        found.setdefault(item, []).append(correct)
    return {item: sum(verdicts) / len(verdicts) for item, verdicts in found.items()}


def not_run(scores: Path) -> bool:
    """Whether a file of scores exists and some of its completions were not run, for want of a sandbox say."""
    if not scores.exists():
        return False
    try:
        states = read_table(scores, ["status"])["status"].unique().to_pylist()
    except GoodpartError:
        return False  # a damaged file is the business of the job that reads it
    return any(state.startswith("not run") for state in states)
