"""Let a policy choose layers by asking the model itself: all k of one model in one job."""

from __future__ import annotations

from dataclasses import asdict

from goodpart.jobs.files import write_json
from goodpart.jobs.job import Job
from goodpart.jobs.runtime import limit_threads, logger
from goodpart.models.loading import load_entry
from goodpart.policies.guard import chooser
from goodpart.policies.search_objective import ModelDivergence, cached_canvases


def main(job: Job) -> None:
    """Write the choice for each k, and the divergence that each leaves."""
    limit_threads(job.threads)
    entry, settings = job.params.model, job.params.settings
    model = load_entry(entry)
    files = sorted(file for folder in job.input.hidden_states for file in folder.glob("[!.]*.parquet"))
    canvases = [canvas for file in files for canvas in cached_canvases(file, settings["steps"])]
    divergence = ModelDivergence(model, canvases, job.params.batch_size)
    choose = chooser(settings["kind"], model.layers)
    choices = {k: choose(divergence, k, settings) for k in sorted(job.params.ks)}
    left = {k: round(divergence(choice.layers), 6) for k, choice in choices.items()}
    logger.info(
        "%d sets of layers tried on %d canvases; KL by k: %s", len(divergence.tried), len(canvases), left
    )
    write_json(
        job.output,
        {
            "choices": {k: asdict(choice) for k, choice in choices.items()},
            "kl": left,
            "measured": {"prompts": len(files), "canvases": len(canvases), "tried": len(divergence.tried)},
        },
    )
