"""Copies of finished files that survive when Snakemake deletes the outputs of a job before it runs again.

A job whose settings have not changed, for example one that runs again because of `--forcerun`, restores its
copy instead of repeating the work; a job of generations also takes single completions from it, and one that
captures hidden states single prompts.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs.files import remove, written
from goodpart.jobs.parquet import is_whole, read_metadata, read_table

LINK = ".link"  # ends the names of links to a folder's files


def kept_copy(output: Path) -> Path:
    """Where the copy of a finished file, or of a folder of parts, lies: hidden, beside it."""
    return output.with_name(f".{output.name.removesuffix('.parquet')}.kept")


def keep(file: Path) -> None:
    """Keep a copy of a finished file: a hard link, which takes no space, where the file system has them."""
    with written(kept_copy(file)) as partial:
        try:
            os.link(file, partial)
        except OSError:
            shutil.copyfile(file, partial)


def keep_folder(folder: Path) -> None:
    """Keep a finished folder's files as hard links, or not at all: real copies of hidden states are large.

    The links do not end in `.parquet`, so that no pattern of a reader finds a file twice.
    """
    remove(kept_copy(folder))

    def link(source: str, target: str) -> None:
        os.link(source, f"{target}{LINK}")

    with contextlib.suppress(OSError, shutil.Error), written(kept_copy(folder)) as partial:
        shutil.copytree(folder, partial, copy_function=link)


def restore_parts(folder: Path, into: Path) -> None:
    """Link what `keep_folder` kept of a folder's parts `into` another folder, but for damaged ones."""
    kept = kept_copy(folder)
    for one in sorted(kept.iterdir()) if kept.is_dir() else []:
        part = into / one.name.removesuffix(LINK)
        files = (
            {file: part / file.relative_to(one) for file in one.rglob("*")} if one.is_dir() else {one: part}
        )
        if part.exists() or not all(map(is_whole, files)):
            continue
        with contextlib.suppress(OSError), written(part) as partial:
            if one.is_dir():
                partial.mkdir()
            for file, target in files.items():
                place = partial / target.relative_to(part)
                os.link(file, place.with_name(place.name.removesuffix(LINK)))


def restore(file: Path, facts: dict[str, Any]) -> bool:
    """Put the copy back if its metadata holds these facts; whether it did."""
    with contextlib.suppress(GoodpartError):
        metadata = read_metadata(kept_copy(file))
        if all(name in metadata and metadata[name] == value for name, value in facts.items()):
            read_table(kept_copy(file))  # one that is damaged is not restored
            with written(file) as partial:
                shutil.copyfile(kept_copy(file), partial)
            return True
    return False
