"""Download one model or data set of the hub, by its revision, and verify it."""

from __future__ import annotations

from goodpart.jobs.downloads import fetch, is_pinned
from goodpart.jobs.job import Job
from goodpart.jobs.runtime import logger
from goodpart.models.checkpoints.reading import read_checkpoint


def main(job: Job) -> None:
    """Fill the folder of the record that is asked for, and write the record last."""
    kind, hub = job.wildcards.kind, f"{job.wildcards.owner}/{job.wildcards.name}"
    revision = job.wildcards.revision
    if not is_pinned(revision):
        logger.warning("%s: the revision %r can move; give a commit to be sure", hub, revision)
    record = fetch(kind, hub, revision, job.output.parent, job.params.endpoint)
    if kind == "model":
        read_checkpoint(job.output.parent)  # what cannot be used is refused before any job loads it
    size = sum(facts["size"] for facts in record["files"].values())
    logger.info("%s at %s: %d files, %.2f GB", hub, record["commit"], len(record["files"]), size / 1e9)
