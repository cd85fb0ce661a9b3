"""Render Table 1 (retention by benchmark, layers skipped and model) from cells.parquet."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from goodpart.parquet import read_table
from goodpart.runtime import parser, run
from goodpart.tables import retention_table, write


def main(arguments: argparse.Namespace) -> None:
    """Write the table as CSV, Markdown and LaTeX."""
    settings = json.loads(arguments.settings)
    table = retention_table(
        read_table(arguments.cells).to_pylist(),
        settings["policy"],
        settings["models"],
        settings["labels"],
    )
    write(table, arguments.output, settings["below_threshold"], settings["level"])


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--cells", type=Path, required=True)
    options.add_argument("--settings", required=True, help="policy, models, labels, threshold as JSON")
    options.add_argument("--output", type=Path, nargs="+", required=True, help="CSV, Markdown, LaTeX, HTML")
    run(main, options.parse_args())
