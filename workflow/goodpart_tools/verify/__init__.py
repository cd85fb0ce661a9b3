"""Check an installation: `python -m goodpart_tools.verify parity FOLDER...` and `... oracles FILE... --data
FOLDER`.

`parity` compares this machine's models and samplers with recorded outputs of the official code. `oracles`
compares its scorers and sandbox with completions whose verdict is known.
"""

from __future__ import annotations

import argparse
import sys

from goodpart.errors import GoodpartError
from goodpart_tools.verify import oracles, parity
from goodpart_tools.verify.golden import Golden, Mismatch
from goodpart_tools.verify.parity import parity_cases

__all__ = ["Golden", "Mismatch", "main", "parity_cases"]


def main(words: list[str] | None = None) -> int:
    """Run the command line. Return the exit status: 0, 1 for disagreements, 2 for bad input."""
    options = argparse.ArgumentParser(
        prog="python -m goodpart_tools.verify", description="Check this installation"
    )
    commands = options.add_subparsers(dest="command", required=True)
    for module in (parity, oracles):
        name = module.__name__.rsplit(".", 1)[1]
        said = (module.__doc__ or "").split("\n")[0].split(": ", 1)[1]
        command = commands.add_parser(name, help=said, description=said)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = options.parse_args(words)
    try:
        failed = arguments.run(arguments)
    except GoodpartError as error:
        print(error, file=sys.stderr)
        return 2
    return 1 if failed else 0
