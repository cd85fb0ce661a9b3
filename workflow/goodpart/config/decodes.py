"""Decoding presets: what a sampler is given for one family and benchmark, and mistakes in that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from goodpart.config.configuration import Configuration
from goodpart.errors import GoodpartError, nearest
from goodpart.models.families import family_module

HINTS = {
    "threshold": "Fast-dLLM's parallel decoding is called confidence_threshold here, and its caches are "
    "cache: prefix and cache: dual"
}


def decode_arguments(configuration: Configuration, decode: str, family: str, kind: str) -> dict[str, Any]:
    """A preset's arguments for one family, with what its `by_kind` changes for one kind of benchmark."""
    sampler = configuration.decodes.get(decode, {}).get(family)
    return sampler.arguments(kind) if sampler else {}


def decode_settings(configuration: Configuration, decode: str, family: str, benchmark: str) -> dict[str, Any]:
    """Arguments of the family's `Settings` for one preset and benchmark, checked.

    Raises GoodpartError for an unknown argument, a wrong type, or values that do not fit together.
    """
    entry = configuration.benchmarks[benchmark]
    arguments = decode_arguments(configuration, decode, family, entry.kind)
    arguments.setdefault("max_new_tokens", entry.max_new_tokens)
    _settings(family, arguments)
    return arguments


def sampler_settings(configuration: Configuration, decode: str, family: str, benchmark: str) -> Any:
    """The family's `Settings` for one preset and benchmark; GoodpartError as for `decode_settings`."""
    return _settings(family, decode_settings(configuration, decode, family, benchmark))


def _settings(family: str, arguments: dict[str, Any]) -> Any:
    settings = family_module(family).Settings
    fields = settings.__dataclass_fields__
    for name, value in arguments.items():
        if name not in fields:
            fix = HINTS.get(name) or nearest(name, fields)
            raise GoodpartError(f"unknown setting {name!r}; {fix}")
        if value is None and fields[name].default is not None:
            raise GoodpartError(f"{name} null is no value; give one, or remove the key")
        if isinstance(fields[name].default, bool) and not isinstance(value, bool):
            raise GoodpartError(f"{name} {value!r} is neither true nor false; write one of them")
        if isinstance(fields[name].default, str) and not isinstance(value, str):
            raise GoodpartError(f"{name} {value!r} is not a word; give one, as {fields[name].default}")
    return settings(**arguments)


def preset_mistakes(
    configuration: Configuration, decode: str, families: Iterable[str], benchmarks: Iterable[str]
) -> Iterable[str]:
    """Mistakes of a preset, each once, with the first benchmark that shows it."""
    benchmarks = [b for b in benchmarks if b in configuration.benchmarks]
    for family in dict.fromkeys(families):
        said: set[str] = set()
        for benchmark in benchmarks:
            for mistake in _mistakes(configuration, decode, family, benchmark):
                if mistake not in said:
                    yield f"  decodes.{decode}.{family} with benchmarks.{benchmark}: {mistake}"
                said.add(mistake)


def _mistakes(configuration: Configuration, decode: str, family: str, benchmark: str) -> Iterable[str]:
    try:
        chosen = decode_settings(configuration, decode, family, benchmark)
    except GoodpartError as error:
        yield str(error) if ";" in str(error) else f"{error}; correct it, or remove the key"
        return
    samples = configuration.benchmarks[benchmark].samples
    if samples > 1 and not chosen.get("temperature"):
        yield (
            f"{samples} samples an item are all the same at temperature 0; set a temperature above 0, or "
            "samples: 1"
        )
