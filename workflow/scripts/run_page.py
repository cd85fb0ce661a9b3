"""A page for the report: which versions made the cells, when and where, and the whole configuration."""

from __future__ import annotations

from typing import Any

from goodpart.evaluation.pages import page
from goodpart.jobs.files import write_text
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_metadata


def markdown(made: dict[str, Any], config: dict[str, Any]) -> str:
    """The page's text: what the metadata of cells.parquet say, and the configuration as it was run."""
    import yaml

    facts = {name: value for name, value in made.items() if isinstance(value, str)}
    rows = [*facts.items(), *made.get("versions", {}).items()]
    lines = ["# This run", "", "| what made the cells | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in rows]
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    lines += ["", "Run times of all jobs are under Statistics.", "", "## Configuration", ""]
    return "\n".join([*lines, "```yaml", text + "```", ""])


def main(job: Job) -> None:
    """Write the page."""
    text = markdown(read_metadata(job.input.cells), job.params.config)
    write_text(job.output, page("This run", text))
