"""Layer-wise, token-wise and all-pairs similarity and l2 norms: of cached states, and those streamed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.hidden_cache import read_steps
from goodpart.parquet import provenance, read_metadata
from goodpart.runtime import parser, progress, run
from goodpart.step_tables import SCHEMAS, TableWriters, step_tables

FACTS = ("model", "revision", "family", "dtype", "decode", "capture_steps")


def facts_of(sources: list[Path]) -> dict[str, Any]:
    """What made the states: one for all files. Raises GoodpartError where two of them differ."""
    facts: dict[str, Any] = {}
    for source in sources:
        made = {key: read_metadata(source).get(key) for key in FACTS}
        if facts and made != facts:
            raise GoodpartError(f"{source}: made with other settings than {sources[0]}; delete both, rerun")
        facts = made
    return facts


def main(arguments: argparse.Namespace) -> None:
    """Write layers.parquet, tokens.parquet, norms.parquet and pairs.parquet."""
    files = sorted(arguments.hidden_states.glob("[!.]*.parquet"))
    if not files:
        raise GoodpartError(f"{arguments.hidden_states}: no cached hidden states; rerun hidden_states")
    streamed = sorted(arguments.streamed.glob("[!.]*/layers.parquet")) if arguments.streamed else []
    facts = facts_of([*files, *streamed])
    with TableWriters(arguments.output, provenance(**facts)) as writers:
        for states in read_steps(progress(files, "statistics")):
            writers.add(step_tables(states))
        for file in streamed:
            writers.copy([file.with_name(f"{name}.parquet") for name in SCHEMAS])


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--hidden-states", type=Path, required=True, help="folder of cached states")
    options.add_argument("--streamed", type=Path, help="folder of tables that were made during capture")
    options.add_argument("--output", type=Path, nargs=4, required=True)
    run(main, options.parse_args())
