"""Render Table 1 (retention by benchmark, layers skipped and model) from cells.parquet."""

from __future__ import annotations

from goodpart.evaluation.retention_tables import retention_table, write
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_table


def main(job: Job) -> None:
    """Write the table as CSV, Markdown and LaTeX."""
    settings = job.params.settings
    table = retention_table(
        read_table(job.input.cells).to_pylist(),
        settings["policy"],
        settings["models"],
        settings["labels"],
    )
    write(table, job.outputs, settings["below_threshold"], settings["level"])
