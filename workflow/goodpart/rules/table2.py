"""Render Table 2 (adjacent layers skipped or not, the model in LLaDA's column) from cells.parquet."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from goodpart.parquet import read_table
from goodpart.runtime import parser, run
from goodpart.tables import adjacency_table, write


def main(arguments: argparse.Namespace) -> None:
    """Write the table as CSV, Markdown and LaTeX."""
    settings = json.loads(arguments.settings)
    cells = read_table(arguments.cells).to_pylist()
    table = adjacency_table(cells, settings["policies"], settings["model"], settings["labels"])
    write(table, arguments.output, settings["below_threshold"], settings["level"])


def options(description: str | None) -> argparse.ArgumentParser:
    """The arguments of both tables of adjacency."""
    made = parser(description)
    made.add_argument("--cells", type=Path, required=True)
    made.add_argument("--settings", required=True, help="policies, model, labels, threshold as JSON")
    made.add_argument("--output", type=Path, nargs="+", required=True, help="CSV, Markdown, LaTeX, HTML")
    return made


if __name__ == "__main__":
    run(main, options(__doc__).parse_args())
