"""A table of cells that a narrower run replaces is kept; a redraw of cells that do not exist is refused."""

import pytest

from goodpart.errors import GoodpartError
from goodpart.evaluation import earlier
from goodpart.evaluation.cells import SCHEMA
from goodpart.jobs.parquet import write_rows

WIDE = [("m", "b", "full", 0), ("m", "b", "similarity", 2), ("n", "b", "full", 0)]


@pytest.fixture
def cells(tmp_path):
    file = tmp_path / "results" / "cells.parquet"
    write_rows(file, [], SCHEMA, {"selection": {"cells": WIDE}})
    (tmp_path / "table1.csv").write_text("wide")
    return file


def test_a_narrower_run_keeps_the_former_table_and_what_was_drawn_from_it(cells, tmp_path):
    drawn = [tmp_path / "table1.csv", tmp_path / "table1.tex"]
    said = earlier.keep_earlier(cells, WIDE[:2], drawn)
    assert "loses 1 of its 3 cells" in said
    kept = sorted(file.name.split("-")[0] for file in (cells.parent / "earlier").iterdir())
    assert kept == ["cells", "table1"]
    [copy] = (cells.parent / "earlier").glob("cells-*.parquet")
    assert str(copy) in said
    assert copy.read_bytes() == cells.read_bytes()
    assert earlier.keep_earlier(cells, [*WIDE, ("n", "b", "similarity", 2)], drawn) is None


def test_what_is_missing_or_damaged_narrows_nothing(cells):
    cells.write_bytes(b"PAR1")
    assert earlier.keep_earlier(cells, WIDE[:1], []) is None
    cells.unlink()
    assert earlier.keep_earlier(cells, WIDE[:1], []) is None


def test_a_redraw_of_cells_that_nobody_made_is_refused(cells):
    earlier.refuse_missing(cells, WIDE[:2])
    with pytest.raises(GoodpartError, match="has 3 of the 4 cells of this configuration; give the config"):
        earlier.refuse_missing(cells, [*WIDE, ("n", "b", "similarity", 2)])
