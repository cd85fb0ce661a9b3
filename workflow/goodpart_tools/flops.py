"""The operations that skipping layers saves, from a model's config.json; no weights are needed."""

from __future__ import annotations

import argparse
from pathlib import Path

from goodpart.errors import GoodpartError
from goodpart.models.checkpoints.files import read_object
from goodpart.models.flops import Shape


def main(arguments: argparse.Namespace) -> None:
    """Print the paper's k/L and the true reduction of one pass over a canvas."""
    shape = Shape.of(read_object(arguments.config), str(arguments.config))
    print(f"{'k':>3} {'k/L %':>7} {'true %':>7}")
    for k in arguments.skip:
        if not 0 <= k < shape.layers:
            raise GoodpartError(f"--skip {k}: the model has {shape.layers} layers; give fewer")
        true = shape.step_reduction(k, arguments.tokens, arguments.head)
        print(f"{k:>3} {100 * k / shape.layers:>7.2f} {true:>7.2f}")


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    options.add_argument("config", type=Path, help="a model's config.json")
    options.add_argument("--skip", type=int, nargs="+", required=True, help="numbers of layers")
    options.add_argument("--tokens", type=int, required=True, help="length of the canvas")
    options.add_argument("--head", type=int, help="positions whose logits are computed (default: all)")
