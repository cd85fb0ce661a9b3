"""Write a model, or a healed one, without the layers of a skip set as an ordinary checkpoint."""

from __future__ import annotations

from goodpart.jobs.job import Job
from goodpart.models.export import export
from goodpart.models.loading import checkpoint_folder
from goodpart.policies.skip_sets import static_layers


def main(job: Job) -> None:
    """Export one model."""
    entry = job.params.model
    folder = job.input.healed or checkpoint_folder(entry["name"], entry["revision"])
    export(folder, static_layers(job.input.skip_set, entry["layers"]), job.output)
