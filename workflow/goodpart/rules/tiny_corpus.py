"""Write the tiny benchmarks (public row formats) and the shared tokenizer from a seed."""

from __future__ import annotations

import argparse
from pathlib import Path

from goodpart.files import write_jsonl, write_text
from goodpart.runtime import parser, run
from goodpart.tiny.corpus import held_out, rows
from goodpart.tiny.tasks import GENERATORS
from goodpart.tiny.tokenizer import train_tokenizer


def main(arguments: argparse.Namespace) -> None:
    """Write `{benchmark}-{split}.jsonl` for each tiny benchmark, and tokenizer.json."""
    for benchmark in GENERATORS:
        drawn = held_out(benchmark, arguments.seed, arguments.items, arguments.calibration)
        for split, tasks in drawn.items():
            path = arguments.output / f"{benchmark}-{split}.jsonl"
            write_jsonl(path, rows(benchmark, split, tasks))
    write_text(arguments.output / "tokenizer.json", train_tokenizer(arguments.seed))


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--items", type=int, required=True, help="evaluated items a benchmark")
    options.add_argument("--calibration", type=int, required=True, help="calibration items a benchmark")
    options.add_argument("--output", type=Path, required=True, help="folder to write into")
    run(main, options.parse_args())
