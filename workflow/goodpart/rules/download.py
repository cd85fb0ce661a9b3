"""Download one model or data set of the hub, by its revision, and verify it."""

from __future__ import annotations

import argparse
from pathlib import Path

from goodpart.checkpoints.reading import read_checkpoint
from goodpart.downloads import fetch, is_pinned
from goodpart.runtime import logger, parser, run


def main(arguments: argparse.Namespace) -> None:
    """Fill the folder of the record that is asked for, and write the record last."""
    if not is_pinned(arguments.revision):
        logger.warning(
            "%s: the revision %r can move; give a commit to be sure", arguments.hub, arguments.revision
        )
    record = fetch(
        arguments.kind, arguments.hub, arguments.revision, arguments.output.parent, arguments.endpoint
    )
    if arguments.kind == "model":
        read_checkpoint(arguments.output.parent)  # what cannot be used is refused before any job loads it
    size = sum(facts["size"] for facts in record["files"].values())
    logger.info(
        "%s at %s: %d files, %.2f GB", arguments.hub, record["commit"], len(record["files"]), size / 1e9
    )


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--kind", choices=["model", "dataset"], required=True)
    options.add_argument("--hub", required=True, help="owner/name")
    options.add_argument("--revision", required=True, help="a commit, or a branch")
    options.add_argument("--endpoint", help="a mirror of the hub")
    options.add_argument("--output", type=Path, required=True, help="download.json in the folder to fill")
    run(main, options.parse_args())
