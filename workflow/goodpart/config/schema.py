"""The JSON schema for editors, generated from the types: `goodpart config schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from goodpart.config.configuration import Configuration

FILE = Path(__file__).parents[2] / "schemas" / "config.schema.yaml"  # the shipped one


def schema() -> dict[str, Any]:
    """The schema of a configuration file. Nothing is required in it, since files are merged."""
    made = _without_titles(Configuration.model_json_schema())
    for part in (made, *made["$defs"].values()):
        part.pop("required", None)
    made.pop("description")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "Configuration of the workflow",
    }


def _without_titles(part: Any) -> Any:
    """A part of a schema without the titles that pydantic makes from the names of keys."""
    if isinstance(part, dict):
        return {k: _without_titles(v) for k, v in part.items() if not (k == "title" and isinstance(v, str))}
    return [_without_titles(item) for item in part] if isinstance(part, list) else part


def as_yaml() -> str:
    """The schema as the text of the shipped file."""
    note = "# Generated from workflow/goodpart/config: goodpart config schema > this file\n"
    return note + yaml.safe_dump(schema(), sort_keys=False, width=110)
