"""Render Table 3 (adjacent layers skipped or not, the model in Dream-Base's column) from cells.parquet."""

from __future__ import annotations

from goodpart.rules.table2 import main, options
from goodpart.runtime import run

if __name__ == "__main__":
    run(main, options(__doc__).parse_args())
