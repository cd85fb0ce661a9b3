"""Decode calibration prompts and cache their hidden states at chosen denoising steps."""

from __future__ import annotations

import argparse
from pathlib import Path

from goodpart.capture_job import Capture, arguments_of, check_size, finish, prompts_of
from goodpart.hidden_cache import CacheWriter
from goodpart.runtime import run


def cache_prompt(capture: Capture, path: Path) -> None:
    """Write the hidden states of one prompt."""
    with CacheWriter(path, capture.width, capture.facts) as writer:
        capture.run(writer.write)


def main(arguments: argparse.Namespace) -> None:
    """Write one folder of caches for each benchmark."""
    groups = prompts_of(arguments, "hidden_states", ".parquet")
    check_size(groups, arguments.max_gb)
    finish(groups, arguments.output, cache_prompt, "")


if __name__ == "__main__":
    options = arguments_of(__doc__, "one folder a benchmark")
    options.add_argument("--max-gb", type=float, required=True, help="refuse to write more than this")
    run(main, options.parse_args())
