"""A page for the report: which versions made the cells, when and where, and the whole configuration."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from goodpart.files import write_text
from goodpart.pages import page
from goodpart.parquet import read_metadata
from goodpart.runtime import parser, run


def markdown(made: dict[str, Any], config: dict[str, Any]) -> str:
    """The page's text: what the metadata of cells.parquet say, and the configuration as it was run."""
    import yaml

    facts = {name: value for name, value in made.items() if isinstance(value, str)}
    rows = [*facts.items(), *made.get("versions", {}).items()]
    lines = ["# This run", "", "| what made the cells | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in rows]
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    lines += ["", "Run times of all jobs are under Statistics.", "", "## Configuration", ""]
    return "\n".join([*lines, "```yaml", text + "```", ""])


def main(arguments: argparse.Namespace) -> None:
    """Write the page."""
    text = markdown(read_metadata(arguments.cells), json.loads(arguments.config))
    write_text(arguments.output, page("This run", text))


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--cells", type=Path, required=True, help="cells.parquet")
    options.add_argument("--config", required=True, help="the whole configuration, as JSON")
    options.add_argument("--output", type=Path, required=True, help="HTML")
    run(main, options.parse_args())
