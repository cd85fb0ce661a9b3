"""What a model's entry leaves out and its config.json says: how it decodes, and its number of layers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs.downloads import place
from goodpart.models.checkpoints.architecture import dimensions
from goodpart.models.checkpoints.files import read_object

FACTS = ("family", "layers")


def add_facts(raw: dict[str, Any], root: Path) -> None:
    """Write `family` and `layers` into the entries of `raw` that lack them, where a config.json is at hand.

    That is the file of `path`, that of a download, or the one that `shape` names. What cannot be read is left
    to the check of the whole, which says why.
    """
    models = raw.get("models")
    for entry in models.values() if isinstance(models, dict) else ():
        if not isinstance(entry, dict) or all(entry.get(name) is not None for name in FACTS):
            continue
        for file in _places(entry, raw, root):
            try:
                found = dimensions(read_object(file), str(file))
            except GoodpartError:
                continue
            for name in FACTS:
                if entry.get(name) is None:
                    entry[name] = getattr(found, name)
            break


def _places(entry: dict[str, Any], raw: dict[str, Any], root: Path) -> Iterable[Path]:
    """Where the config.json of an entry may lie."""
    path, hub, shape = (entry.get(key) for key in ("path", "hub", "shape"))
    if isinstance(path, str):
        yield root / Path(path).expanduser() / "config.json"
        return
    if isinstance(hub, str):
        downloads = raw.get("downloads")
        folder = downloads.get("folder") if isinstance(downloads, dict) else None
        at = Path(folder if isinstance(folder, str) else "downloads").expanduser()
        yield root / at / place("model", hub, entry.get("revision")) / "config.json"
    if isinstance(shape, str):
        yield root / Path(shape).expanduser()
