"""Decode calibration prompts and keep only similarities and norms of their hidden states."""

from __future__ import annotations

import argparse
from pathlib import Path

from goodpart.capture_job import Capture, arguments_of, finish, prompts_of
from goodpart.runtime import run
from goodpart.step_tables import SCHEMAS, TableWriters, step_tables


def stream_prompt(capture: Capture, path: Path) -> None:
    """Write the four tables of one prompt into the folder `path`."""
    paths = [path / f"{name}.parquet" for name in SCHEMAS]
    with TableWriters(paths, capture.facts) as writers:
        capture.run(lambda states: writers.add(step_tables(states)))


def main(arguments: argparse.Namespace) -> None:
    """Write one folder for each benchmark, with a folder of tables for each prompt."""
    groups = prompts_of(arguments, "streamed_statistics", "")
    finish(groups, arguments.output, stream_prompt, "pairs.parquet")


if __name__ == "__main__":
    run(main, arguments_of(__doc__, "one folder a benchmark").parse_args())
