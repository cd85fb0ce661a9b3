"""The cost of skipping adjacent layers on the same items: this run's verdicts, resampled in pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation.intervals import Floats, retention_interval
from goodpart.evaluation.item_verdicts import item_verdicts
from goodpart.evaluation.paper.table_cells import ALLOWED, NOT_ALLOWED, placed
from goodpart.evaluation.paper.values import Value, no_less_than

SAME = ("model", "decode", "benchmark")


def paired_differences(
    rows: Iterable[Mapping[str, Any]],
    kinds: Mapping[str, str],
    policies: Mapping[str, str],
    results: Path,
    level: float,
    resamples: int,
) -> dict[tuple[str, str, int], Value | None]:
    """Retention with adjacent layers not allowed, minus that with them allowed, in percent of full depth.

    By (column, kind of benchmark, k), for each model that was scored under both rules. The interval is the
    percentile interval of items resampled in pairs (`no_less_than` if no item differs). None if both rules
    skip the same layers. rows, kinds, policies: as for `placed`. results: the folder with the scores. Raises
    GoodpartError if the scores are of different items.
    """
    found: dict[tuple[str, str, int], dict[str, Mapping[str, Any]]] = {}
    for row, kind, adjacent in placed(rows, kinds, policies):
        place = row["paper_column"], kind, row["asked_k"]
        found.setdefault(place, {}).setdefault(adjacent, row)
    made: dict[tuple[str, str, int], Value | None] = {}
    for place, here in found.items():
        full = found.get((*place[:2], 0), {})
        cells = [full.get(NOT_ALLOWED), here.get(NOT_ALLOWED), here.get(ALLOWED)]
        known = [cell for cell in cells if cell and cell["retention"] is not None]
        if place[2] and len(known) == 3 and len({tuple(cell[key] for key in SAME) for cell in known}) == 1:
            if known[1]["layers"] is not None and known[1]["layers"] == known[2]["layers"]:
                made[place] = None
                continue
            baseline, apart, together = _verdicts(results, known)
            change = apart - together
            interval = retention_interval(baseline, change, level, resamples)
            value = Value(float(100 * change.sum() / baseline.sum()), *interval)
            made[place] = no_less_than(value, len(baseline), float(baseline.mean()), level)
    return made


def _verdicts(results: Path, cells: Sequence[Mapping[str, Any]]) -> list[Floats]:
    """The fraction of correct completions of each item [n], for each cell, in the same order of items."""
    files = [results / paths.SCORES.format(**cell, k=cell["asked_k"]) for cell in cells]
    verdicts = [item_verdicts(file) for file in files]
    for file, found in zip(files, verdicts, strict=True):
        if found.keys() != verdicts[0].keys():
            raise GoodpartError(f"{file}: other items than in {files[0]}; delete both and run again")
    items = sorted(verdicts[0])
    return [np.array([found[item] for item in items]) for found in verdicts]
