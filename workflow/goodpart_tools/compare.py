"""Compare two runs: what changed, and which results differ beyond noise.

A and B are results folders. The accuracies of a cell are compared on the items that both runs evaluated: by
McNemar's exact test with one completion per item, by a paired bootstrap with several, and by Fisher's exact
test if the runs share no item. Holm's method adjusts the p values over all cells, so that the probability of
any false "beyond noise" is at most alpha.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation.intervals import Floats, mcnemar, percentile_interval, resampling
from goodpart.evaluation.item_verdicts import NotScoredError, item_verdicts
from goodpart.jobs.files import read_json
from goodpart.jobs.parquet import read_metadata, read_table, read_tables

CELL = ("model", "decode", "benchmark", "policy", "asked_k")
ALPHA = 0.05
RESAMPLES = 10_000
SHOWN = 12  # lines of one kind that are printed without --all
# Keys of an artifact's metadata that are not settings: place, time, and values computed from others.
NO_SETTING = {"key", "keys", "host", "time", "kl"}
WIDTH = 240  # characters of a line that are printed without --all

Cell = tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """One cell of both runs. Accuracies are on the compared items; `p` is None without verdicts."""

    cell: Cell
    n: int  # compared items; if the runs share none, the number of each run's own
    paired: bool
    first: float
    second: float
    low: float  # interval of second - first
    high: float
    p: float | None
    same_completions: float | None  # share of the shared items with equal token ids


def cells_of(folder: Path) -> dict[Cell, dict[str, Any]]:
    """cell -> its row, of one results folder."""
    file = folder / paths.CELLS
    if not file.exists():
        raise GoodpartError(f"{folder}: holds no {paths.CELLS}; name the results folder of a finished run")
    return {tuple(str(row[key]) for key in CELL): row for row in read_table(file).to_pylist()}


def places(cell: Cell) -> dict[str, str]:
    """Wildcards of the paths of one cell."""
    model, decode, benchmark, policy, k = cell
    return {"model": model, "decode": decode, "benchmark": benchmark, "policy": policy, "k": k}


def shards(folder: Path, cell: Cell) -> list[Path]:
    """Generated shards of one cell, the newest last. Older, shorter shards remain if `n` was raised."""
    any_shard = folder / paths.GENERATIONS.format(**places(cell), first=0, last=0)

    def made(file: Path) -> tuple[str, int]:
        return read_metadata(file).get("time", ""), file.stat().st_mtime_ns  # a copy may have lost its own

    return sorted(any_shard.parent.glob("[!.]*-*.parquet"), key=made)


def verdicts(folder: Path, cell: Cell) -> dict[str, tuple[float, list[str]]]:
    """item -> (share of its completions that are correct, their token ids as text), of one cell."""
    try:
        means = item_verdicts(folder / paths.SCORES.format(**places(cell)))
    except NotScoredError:
        return {}
    made: dict[tuple[str, int], str] = {}  # completions of newer shards replace those of older ones
    for row in read_tables(shards(folder, cell), ["item_id", "sample", "token_ids"]).to_pylist():
        made[row["item_id"], row["sample"]] = str(row["token_ids"])
    tokens: dict[str, list[str]] = {}
    for item, sample in sorted(made):
        tokens.setdefault(item, []).append(made[item, sample])
    return {item: (mean, tokens.get(item, [])) for item, mean in means.items()}


def difference(cell: Cell, first: Mapping[str, Any], second: Mapping[str, Any]) -> Difference:
    """Compare the verdicts of one cell in two runs, on the shared items if there are any."""
    shared = sorted(first.keys() & second.keys())
    if not first or not second:
        nan = float("nan")
        return Difference(cell, 0, False, nan, nan, nan, nan, None, None)
    if not shared:
        a, b = (np.array([mean for mean, _ in side.values()]) for side in (first, second))
        return Difference(cell, min(len(a), len(b)), False, a.mean(), b.mean(), *unpaired(a, b), None)
    a, b = (np.array([side[item][0] for item in shared]) for side in (first, second))
    same = float(np.mean([first[item][1] == second[item][1] for item in shared]))
    draws = resampling([len(shared)], RESAMPLES) @ (b - a) / len(shared)
    low, high = percentile_interval(draws, 1 - ALPHA)
    single = bool(np.isin(a, [0, 1]).all() and np.isin(b, [0, 1]).all())
    tail = max(1 / RESAMPLES, min((draws <= 0).mean(), (draws >= 0).mean()))
    p = mcnemar(a, b) if single else float(min(1.0, 2 * tail))
    return Difference(cell, len(shared), True, a.mean(), b.mean(), low, high, p, same)


def unpaired(a: Floats, b: Floats) -> tuple[float, float, float]:
    """(low, high, p) of the difference of means over different items: bootstrap, Fisher's exact test."""
    from scipy.stats import fisher_exact

    means = [resampling([len(x)], RESAMPLES, seed) @ x / len(x) for seed, x in enumerate((a, b))]
    low, high = percentile_interval(means[1] - means[0], 1 - ALPHA)
    right = [round(float(x.sum())) for x in (a, b)]
    p = fisher_exact([[right[0], len(a) - right[0]], [right[1], len(b) - right[1]]]).pvalue
    return low, high, float(p)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted by Holm's step-down method (Scandinavian Journal of Statistics 6, 1979), in order."""
    adjusted, most = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        most = max(most, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = most
    return adjusted


def flat(value: Any, at: str = "") -> dict[str, Any]:
    """Nested mappings as dotted key -> value."""
    if not isinstance(value, dict):
        return {at: value}
    return {k: v for key, item in value.items() for k, v in flat(item, f"{at}.{key}" if at else key).items()}


def facts_of(folder: Path, cells: Iterable[Cell]) -> dict[str, set[str]]:
    """setting -> its values, from the Parquet files that the cells of one results folder were made from."""
    found: dict[str, set[str]] = {}

    def add(where: str, facts: Mapping[str, Any]) -> None:
        kept = {key: value for key, value in facts.items() if key not in NO_SETTING}
        for key, value in flat(kept).items():
            if key != "selection.cells":  # the report lists cells separately
                found.setdefault(f"{where}: {key}", set()).add(str(value))

    add("cells", read_metadata(folder / paths.CELLS))
    for cell in cells:
        for file in shards(folder, cell)[-1:]:
            kept = {k: v for k, v in read_metadata(file).items() if k != "layers_skipped"}
            add(f"generations of {cell[0]} on {cell[2]}", kept)
    for file in sorted(folder.glob("items/*/*.parquet")):
        add(f"items {file.parent.name} {file.stem}", read_metadata(file))
    return found


def skip_sets(folder: Path) -> dict[str, str]:
    """Static skip sets of one results folder: file -> layers."""
    files = sorted(folder.glob("skip_sets/*/*/k*.json"))
    return {str(f.relative_to(folder)): str(read_json(f).get("layers")) for f in files}


def changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """One line for each key whose value differs."""

    def text(value: Any) -> str:
        return " | ".join(sorted(value)) if isinstance(value, set) else str(value)

    lines = []
    for key in sorted(first.keys() | second.keys()):
        a, b = first.get(key), second.get(key)
        if a != b:
            lines.append(
                f"{key}: {'absent' if a is None else text(a)} -> {'absent' if b is None else text(b)}"
            )
    return lines


def block(title: str, lines: Sequence[str], everything: bool) -> list[str]:
    """A titled list, shortened unless `everything`."""
    shown = [*lines] if everything else [line[:WIDTH] for line in lines[:SHOWN]]
    more = [f"... and {len(lines) - SHOWN} more (--all)"] if len(shown) < len(lines) else []
    return [f"{title}: {len(lines) or 'none'}", *(f"    {line}" for line in [*shown, *more])]


def verdict_line(found: Difference, adjusted: float) -> str:
    """One cell's difference in words."""
    how = f"{found.n} items" if found.paired else f"at least {found.n} items, none shared"
    same = f", {100 * found.same_completions:.0f} % of completions identical" if found.paired else ""
    return (
        f"{' '.join(found.cell[:4])} k={found.cell[4]}: accuracy {found.first:.3f} -> {found.second:.3f}, "
        f"difference [{found.low:+.3f}, {found.high:+.3f}], p {adjusted:.2g} ({how}{same})"
    )


def report(first: Path, second: Path, everything: bool = False) -> str:
    """What changed from the run in `first` to that in `second`, as text."""
    a, b = cells_of(first), cells_of(second)
    shared = [cell for cell in a if cell in b]
    found = [difference(cell, verdicts(first, cell), verdicts(second, cell)) for cell in shared]
    compared = [one for one in found if one.p is not None]
    adjusted = holm([one.p for one in compared if one.p is not None])
    beyond, within = [], []
    for one, p in sorted(zip(compared, adjusted, strict=True), key=lambda pair: pair[1]):
        if p < ALPHA:
            beyond.append(verdict_line(one, p))
        elif not math.isclose(one.first, one.second, abs_tol=1e-12) or one.same_completions not in (None, 1):
            within.append(verdict_line(one, p))
    only = [f"{' '.join(c)}: only in {where}" for run_, other, where in ((a, b, first), (b, a, second))
            for c in run_ if c not in other]  # fmt: skip
    unknown = [f"{' '.join(one.cell)}: {a[one.cell]['status']} | {b[one.cell]['status']}"
               for one in found if one.p is None]  # fmt: skip
    lines = [
        f"{first} -> {second}: {len(shared)} cells in both",
        *block(
            "settings, versions and data that changed",
            changed(facts_of(first, shared), facts_of(second, shared)),
            everything,
        ),
        *block("skip sets that changed", changed(skip_sets(first), skip_sets(second)), everything),
        *block("cells of one run only", only, everything),
        *block("cells that were not scored in both", unknown, everything),
        *block(
            f"results that differ beyond noise (Holm's p under {ALPHA} over {len(compared)} cells)",
            beyond,
            True,
        ),
        *block("results that differ within noise", within, everything),
        f"cells with identical completions: {sum(one.same_completions == 1 for one in found)}",
    ]
    return "\n".join(lines)


def main(arguments: argparse.Namespace) -> None:
    """Print the comparison of two runs."""
    print(report(arguments.first, arguments.second, arguments.all))


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    options.add_argument("first", type=Path, metavar="RUN_A", help="a results folder")
    options.add_argument("second", type=Path, metavar="RUN_B", help="another results folder")
    options.add_argument("--all", action="store_true", help="print every line")
