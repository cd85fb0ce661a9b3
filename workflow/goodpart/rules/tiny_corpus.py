"""Write the tiny benchmarks (public row formats) and the shared tokenizer from a seed."""

from __future__ import annotations

import argparse
from pathlib import Path

from goodpart.files import write_jsonl, write_text
from goodpart.runtime import parser, run
from goodpart.tiny.corpus import held_out, rows
from goodpart.tiny.tasks import GENERATORS
from goodpart.tiny.tokenizer import train_tokenizer
from goodpart.tiny.verify import verify


def main(arguments: argparse.Namespace) -> None:
    """Write `{benchmark}-{split}.jsonl` for each tiny benchmark, every row verified, and tokenizer.json."""
    for benchmark in GENERATORS:
        sizes = (arguments.items, arguments.calibration, arguments.largest)
        drawn = held_out(benchmark, arguments.seed, *sizes)
        for split, tasks in drawn.items():
            if not tasks:
                continue
            made = rows(benchmark, split, tasks)
            for row in made:
                verify(benchmark, row)
            write_jsonl(arguments.output / f"{benchmark}-{split}.jsonl", made)
    write_text(arguments.output / "tokenizer.json", train_tokenizer(arguments.seed))


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--items", type=int, required=True, help="evaluated items a benchmark")
    options.add_argument("--calibration", type=int, required=True, help="calibration items a benchmark")
    options.add_argument("--largest", type=int, required=True, help="number in an evaluated item")
    options.add_argument("--output", type=Path, required=True, help="folder to write into")
    run(main, options.parse_args())
