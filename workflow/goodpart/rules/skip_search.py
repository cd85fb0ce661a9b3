"""Let a policy choose layers by asking the model itself: all k of one model in one job."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from goodpart.divergence import ModelDivergence, cached_canvases
from goodpart.files import write_json
from goodpart.models import load
from goodpart.policies.guard import chooser
from goodpart.runtime import limit_threads, logger, parser, run


def main(arguments: argparse.Namespace) -> None:
    """Write the choice for each k, and the divergence that each leaves."""
    limit_threads(arguments.threads)
    entry, settings = json.loads(arguments.model), json.loads(arguments.settings)
    model = load(entry["name"], revision=entry["revision"], dtype=entry["dtype"], device=entry["device"])
    files = sorted(file for folder in arguments.hidden_states for file in folder.glob("[!.]*.parquet"))
    canvases = [canvas for file in files for canvas in cached_canvases(file, settings["steps"])]
    divergence = ModelDivergence(model, canvases, arguments.batch_size)
    choose = chooser(settings["kind"], model.layers)
    choices = {k: choose(divergence, k, settings) for k in sorted(arguments.k)}
    left = {k: round(divergence(choice.layers), 6) for k, choice in choices.items()}
    logger.info(
        "%d sets of layers tried on %d canvases; KL by k: %s", len(divergence.tried), len(canvases), left
    )
    write_json(
        arguments.output,
        {
            "choices": {k: asdict(choice) for k, choice in choices.items()},
            "kl": left,
            "measured": {"prompts": len(files), "canvases": len(canvases), "tried": len(divergence.tried)},
        },
    )


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--model", required=True, help="name, revision, ... of the checkpoint, as JSON")
    options.add_argument("--settings", required=True, help="the policy's entry, as JSON")
    options.add_argument("--k", type=int, nargs="+", required=True, help="layers to skip")
    options.add_argument("--hidden-states", type=Path, nargs="+", required=True, help="folders")
    options.add_argument("--batch-size", type=int, required=True)
    options.add_argument("--output", type=Path, required=True)
    run(main, options.parse_args())
