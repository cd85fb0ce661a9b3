"""Write a checkpoint without some of its layers, in its own public format.

    goodpart export MODEL --layers 9 11 --output FOLDER
    goodpart export MODEL --skip-set results/skip_sets/.../k2.json --output FOLDER

MODEL is a folder or a hub name.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from goodpart.models.checkpoints.reading import read_checkpoint
from goodpart.models.export import export
from goodpart.models.loading import checkpoint_folder
from goodpart.policies.skip_sets import static_layers


def main(arguments: argparse.Namespace) -> None:
    """Export one model."""
    folder, layers = checkpoint_folder(arguments.model, arguments.revision), arguments.layers
    if arguments.skip_set:
        layers = static_layers(arguments.skip_set, read_checkpoint(folder).architecture.layers)
    export(folder, layers, arguments.output)


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    options.add_argument("model", help="checkpoint folder, or hub name")
    options.add_argument("--revision", help="of a hub name")
    chosen = options.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--layers", type=int, nargs="+", help="layers to leave out, numbered from 0")
    chosen.add_argument("--skip-set", type=Path, help="JSON file whose `layers` to leave out")
    options.add_argument("--output", type=Path, required=True, help="folder to write")
