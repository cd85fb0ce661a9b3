"""Render Table 3 (adjacent layers skipped or not, the model in Dream-Base's column) from cells.parquet."""

from scripts.table2 import main

__all__ = ["main"]
