"""Seconds to make tables from many cells: `python tests/bench/tables.py [--cells 10000]`.

Two parts: the numbers of each cell from its 128 scores and generations in memory (with the paired bootstrap),
and the three formats of Table 1 from the finished cells.
"""

import argparse
import time

import numpy as np
import pyarrow as pa

from goodpart.evaluation.cells import cell
from goodpart.evaluation.retention_tables import retention_table, to_csv, to_latex, to_markdown

ITEMS, KS = 128, range(25)


def tables(rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """Scores and generations of one cell."""
    ids = pa.array([f"item/{i}" for i in range(ITEMS)])
    sample = pa.array(np.zeros(ITEMS, np.int32))
    scores = pa.table(
        {"item_id": ids, "sample": sample, "correct": rng.random(ITEMS) < 0.6, "status": ["scored"] * ITEMS}
    )
    made = pa.table(
        {
            "item_id": ids,
            "sample": sample,
            "token_ids": pa.array(list(rng.integers(0, 9, (ITEMS, 64)))),
            "ended": rng.random(ITEMS) < 0.9,
            "truncated": rng.random(ITEMS) < 0.1,
            "forward_passes": rng.integers(1, 64, ITEMS),
            "kl": rng.random(ITEMS),
        }
    )
    return scores, made


def main(cells: int, resamples: int) -> None:
    """Print the seconds of both parts."""
    rng = np.random.default_rng(0)
    base, mine = tables(rng), tables(rng)
    began = time.perf_counter()
    found = [cell(*mine, *base, 0.95, resamples) for _ in range(cells)]
    print(f"{cells} cells from scores, {resamples} resamples: {time.perf_counter() - began:.1f} s")
    names = [(m, b, k) for b in range(cells // (20 * len(KS))) for m in range(20) for k in KS]
    rows = [
        {
            **one,
            "model": f"model{m}",
            "benchmark": f"benchmark{b}",
            "policy": "similarity" if k else "full",
            "asked_k": k,
            "got_k": k,
        }
        for (m, b, k), one in zip(names, found, strict=False)
    ]
    began = time.perf_counter()
    table = retention_table(
        rows,
        "similarity",
        {f"model{m}": None for m in range(20)},
        {f"benchmark{b}": f"Benchmark {b}" for b in range(cells // (20 * len(KS)))},
    )
    printed = (to_csv(table, None), to_markdown(table, None, 0.95), to_latex(table, None, 0.95))
    seconds = time.perf_counter() - began
    print(f"{len(rows)} cells to a table, {sum(map(len, printed)):,} characters: {seconds:.2f} s")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cells", type=int, default=10000)
    options.add_argument("--resamples", type=int, default=10000)
    arguments = options.parse_args()
    main(arguments.cells, arguments.resamples)
