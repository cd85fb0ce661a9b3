"""The whole configuration with its defaults (`show`), or its `schema` for editors.

FILES are those that --configfile would name, after config.yaml of this folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from goodpart.config.checks import check
from goodpart.config.loading import read_files
from goodpart.config.schema import as_yaml


def main(arguments: argparse.Namespace) -> None:
    """Print the checked configuration with all defaults, or the schema."""
    if arguments.what == "schema":
        print(as_yaml(), end="")
        return
    config = read_files([Path("config.yaml"), *arguments.files])
    check(config)
    print(yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=110), end="")


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    options.add_argument("what", choices=["show", "schema"])
    options.add_argument("files", type=Path, nargs="*")
