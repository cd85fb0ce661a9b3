"""A model's config.json, and the keys that an entry may leave out because it has them: family and layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goodpart.config.types import filled
from goodpart.errors import GoodpartError
from goodpart.jobs.downloads import downloaded
from goodpart.models.checkpoints.architecture import dimensions
from goodpart.models.checkpoints.files import read_object

FACTS = ("family", "layers")


def config_file(
    entry: Mapping[str, Any], root: Path = Path(), downloads: str | Path | None = None
) -> Path | None:
    """The config.json of a model's entry: that of its `path`, of its download, or its `shape`.

    downloads: the folder of all downloads; by default the one that the run has set. None where the entry
    names none of them; the file of a `path` or `shape` may not exist.
    """
    if path := entry.get("path"):
        return root / filled(path) / "config.json"
    if (hub := entry.get("hub")) and (found := downloaded("model", hub, entry.get("revision"), downloads)):
        return found / "config.json"
    shape = entry.get("shape")
    return root / filled(shape) if shape else None


def add_facts(raw: dict[str, Any], root: Path) -> dict[str, str]:
    """Write `family` and `layers` into the entries of `raw` that lack them, where a config.json is at hand.

    Returns why a config.json could not tell them, by the name of the entry; one without any is left out.
    """
    models, given = raw.get("models"), raw.get("downloads")
    folder = given.get("folder") if isinstance(given, dict) else None
    downloads = root / filled(folder if isinstance(folder, str) else "downloads")
    reasons = {}
    for entry_name, entry in models.items() if isinstance(models, dict) else ():
        if not isinstance(entry, dict) or all(entry.get(name) is not None for name in FACTS):
            continue
        texts = {key: value for key, value in entry.items() if isinstance(value, str)}
        file = config_file(texts, root, downloads)
        if file is None:
            continue
        try:
            found = dimensions(read_object(file), str(file))
        except GoodpartError as error:
            reasons[entry_name] = str(error)
            continue
        for name in FACTS:
            if entry.get(name) is None:
                entry[name] = getattr(found, name)
    return reasons
