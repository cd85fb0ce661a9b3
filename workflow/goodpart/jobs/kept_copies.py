"""Copies of finished files that survive when Snakemake deletes the outputs of a job before it runs again.

A job whose settings have not changed, for example one that runs again because of `--forcerun`, restores its
copy instead of repeating the work; a job of generations also takes single completions from it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs.files import written
from goodpart.jobs.parquet import read_metadata, read_table


def kept_copy(file: Path) -> Path:
    """Where the copy of a finished file lies: hidden, beside it."""
    return file.with_name(f".{file.stem}.kept")


def keep(file: Path) -> None:
    """Keep a copy of a finished file: a hard link, which takes no space, where the file system has them."""
    with written(kept_copy(file)) as partial:
        try:
            os.link(file, partial)
        except OSError:
            shutil.copyfile(file, partial)


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
