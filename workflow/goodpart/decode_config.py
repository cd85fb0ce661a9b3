"""The decoding presets of a configuration: what a sampler is given for one family and benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodpart.errors import GoodpartError, nearest
from goodpart.families import family_module


def decode_settings(config: Mapping[str, Any], decode: str, family: str, benchmark: str) -> dict[str, Any]:
    """Arguments of the family's `Settings` for one preset and benchmark, checked.

    Raises GoodpartError for an unknown argument or values that do not fit together.
    """
    entry = config["benchmarks"][benchmark]
    arguments = decode_arguments(config, decode, family, entry["kind"])
    arguments.setdefault("max_new_tokens", entry["max_new_tokens"])
    settings = family_module(family).Settings
    unknown = sorted(set(arguments) - set(settings.__dataclass_fields__))
    if unknown:
        raise GoodpartError(
            f"unknown setting {unknown[0]!r}; {nearest(unknown[0], settings.__dataclass_fields__)}"
        )
    settings(**arguments)
    return arguments


def decode_arguments(config: Mapping[str, Any], decode: str, family: str, kind: str) -> dict[str, Any]:
    """A preset's arguments for one family, with what its `by_kind` changes for one kind of benchmark."""
    arguments = dict(config["decodes"].get(decode, {}).get(family, {}))
    return arguments | arguments.pop("by_kind", {}).get(kind, {})


def sampler_settings(config: Mapping[str, Any], decode: str, family: str, benchmark: str) -> Any:
    """The family's `Settings` for one preset and benchmark; GoodpartError as for `decode_settings`."""
    return family_module(family).Settings(**decode_settings(config, decode, family, benchmark))
