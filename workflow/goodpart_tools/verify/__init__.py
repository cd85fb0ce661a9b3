"""Compare this installation with references: `parity FOLDER...` or `oracles FILE... --data FOLDER`.

`parity` compares this machine's models and samplers with recorded outputs of the official code. `oracles`
compares its scorers and sandbox with completions whose verdict is known. The exit status is 1 where something
disagrees.
"""

from __future__ import annotations

import argparse
import sys

from goodpart.errors import GoodpartError
from goodpart_tools.verify import oracles, parity
from goodpart_tools.verify.golden import Golden, Mismatch
from goodpart_tools.verify.parity import parity_cases

__all__ = ["Golden", "Mismatch", "add_arguments", "main", "parity_cases"]


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of both references."""
    commands = options.add_subparsers(dest="reference", required=True)
    for module in (parity, oracles):
        name = module.__name__.rsplit(".", 1)[1]
        said = (module.__doc__ or "").split("\n")[0]
        command = commands.add_parser(
            name,
            help=said,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)


def main(arguments: argparse.Namespace) -> int:
    """Compare; 0, 1 if something disagrees, 2 for input that cannot be compared."""
    try:
        return int(bool(arguments.run(arguments)))
    except GoodpartError as error:
        print(error, file=sys.stderr)
        return 2
