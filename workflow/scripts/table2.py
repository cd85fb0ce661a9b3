"""Render Table 2 (adjacent layers skipped or not, the model in LLaDA's column) from cells.parquet."""

from __future__ import annotations

from goodpart.evaluation.retention_tables import adjacency_table, write
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_table


def main(job: Job) -> None:
    """Write the table as CSV, Markdown and LaTeX."""
    settings = job.params.settings
    cells = read_table(job.input.cells).to_pylist()
    table = adjacency_table(cells, settings["policies"], settings["model"], settings["labels"])
    write(table, job.outputs, settings["below_threshold"], settings["level"])
