"""Tables of cells that a run narrows: their former version is kept, and what a redraw lacks is said."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs.files import sha256, written
from goodpart.jobs.parquet import read_metadata

FOLDER = "earlier"  # in the results folder


def cells_in(file: Path) -> set[tuple[Any, ...]]:
    """The cells (model, benchmark, policy, k) of a table of cells; none where it is missing or damaged."""
    try:
        return {tuple(cell) for cell in read_metadata(file)["selection"]["cells"]} if file.exists() else set()
    except (GoodpartError, KeyError, TypeError):
        return set()


def keep_earlier(file: Path, cells: Iterable[tuple[Any, ...]], drawn: Sequence[Path]) -> str | None:
    """Keep a table of cells that will hold fewer of its cells, and what was `drawn` from it.

    Copies go to earlier/ beside it, under names with a digest of the table. Returns what to tell the user, or
    None where no cell goes.
    """
    former, wanted = cells_in(file), set(cells)
    if not former - wanted:
        return None
    stamp = sha256(file)[:8]
    for source in [file, *(path for path in drawn if path.exists())]:
        target = file.parent / FOLDER / f"{source.stem}-{stamp}{source.suffix}"
        if not target.exists():
            with written(target) as partial:
                shutil.copyfile(source, partial)
    return (
        f"{file} loses {len(former - wanted)} of its {len(former)} cells, which this configuration does not "
        f"ask for; the former table is {file.parent / FOLDER}/{file.stem}-{stamp}{file.suffix}"
    )


def refuse_missing(file: Path, cells: Iterable[tuple[Any, ...]]) -> None:
    """GoodpartError where a table that is only drawn again lacks cells that the configuration asks for."""
    former, wanted = cells_in(file), set(cells)
    if missing := wanted - former:
        raise GoodpartError(
            f"{file} has {len(wanted) - len(missing)} of the {len(wanted)} cells of this configuration; give "
            "the configuration of the run that made it (--configfile), or leave out redraw to make the others"
        )
