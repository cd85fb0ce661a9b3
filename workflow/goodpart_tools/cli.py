"""The command `goodpart`: one sub-command a tool."""

from __future__ import annotations

import argparse
import importlib
import sys

# Name -> module of goodpart_tools, and what `goodpart --help` says of it. Each module has
# `add_arguments(parser)` and `main(arguments)`, whose result, if any, is the exit status.
COMMANDS = {
    "check": ("check", "what a checkpoint is read as, and whether it can be used"),
    "config": ("config", "the whole configuration with its defaults, or its schema"),
    "estimate": ("estimate", "what a run costs: GPU hours, disk, downloads, memory"),
    "flops": ("flops", "the operations that skipping layers saves, from a config.json"),
    "export": ("export", "write a checkpoint without some of its layers"),
    "verdicts": ("verdicts", "completions that skipping turned right or wrong, to read"),
    "compare": ("compare", "two runs: what changed, and what differs beyond noise"),
    "provenance": ("provenance", "where a file comes from: inputs, revisions, settings"),
    "verify": ("verify", "this machine against outputs of the official code"),
    "lm-eval": ("lm_eval_model", "lm-evaluation-harness's tasks with layers skipped"),
    "gallery": ("gallery", "write docs/gallery.md after a run"),
    "promote": ("tiny.promote", "put a trained tiny checkpoint into workflow/resources/models"),
}


def main(words: list[str] | None = None) -> None:
    """Run one sub-command; exit with its status, 1 for an error that the user can mend."""
    from goodpart.jobs.runtime import run

    options = argparse.ArgumentParser(
        prog="goodpart",
        description="Tools beside the workflow. `goodpart COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n" + "\n".join(f"  {name:<12}{said}" for name, (_, said) in COMMANDS.items()),
    )
    options.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    options.add_argument("arguments", nargs=argparse.REMAINDER, help="of the command")
    chosen = options.parse_args(words)
    module = importlib.import_module(f"goodpart_tools.{COMMANDS[chosen.command][0]}")
    command = argparse.ArgumentParser(
        prog=f"goodpart {chosen.command}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(command)
    status: list[int | None] = []
    run(lambda arguments: status.append(module.main(arguments)), command.parse_args(chosen.arguments))
    sys.exit(status[0])
