"""Errors of the types, as lines that name the key, what is wrong with its value, and the fix."""

from __future__ import annotations

import math
import reprlib
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from goodpart.config.types import Section
from goodpart.errors import nearest

_SHORT = reprlib.Repr()
_SHORT.maxstring, _SHORT.maxother, _SHORT.maxdict, _SHORT.maxlist = 80, 80, 3, 4
WORDS = {None: "null", True: "true", False: "false"}


def quoted(value: Any) -> str:
    """A value as a message shows it: short, and null, true and false as YAML writes them."""
    return WORDS[value] if value is None or isinstance(value, bool) else _SHORT.repr(value)


def not_finite(value: Any, at: str = "") -> Iterable[str]:
    """Numbers that are none, wherever they are."""
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from not_finite(item, f"{at}.{key}" if at else str(key))
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"  {at}: {value} is not a number that can be used; give a finite one"


def lines(error: ValidationError, raw: Any, root: type[Section]) -> Iterable[str]:
    """One line for each error of validating `raw` as the section `root`."""
    for one in error.errors(include_url=False):
        kind, path = one["type"], _path(one["loc"], raw)
        key, parent = ".".join(path) or "(top level)", ".".join(path[:-1]) or "(top level)"
        value, said = one["input"], one["msg"]
        if one["loc"] and one["loc"][-1] == "[key]":
            yield (
                f"  {key}: {quoted(value)} is not allowed as a name; {said}"
                if kind != "not_allowed"
                else (f"  {key}: {quoted(value)} is not allowed; {said}")
            )
        elif kind == "missing":
            yield f"  {parent}: the key {path[-1]} is missing; add it"
        elif kind == "extra_forbidden":
            known = _section(one["loc"][:-1], root).model_fields
            yield f"  {parent}: unknown key {path[-1]!r}; {nearest(path[-1], known)}"
        elif kind == "not_allowed":
            yield f"  {key}: {quoted(value)} is not allowed; {said}"
        elif kind == "unknown":
            yield f"  {key}: {quoted(value)} is unknown; {said}"
        elif kind in ("dict_type", "model_type", "model_attributes_type", "mapping_type"):
            yield f"  {key}: {quoted(value)} is not allowed; give keys with values, as config.yaml shows"
        elif kind == "list_type":
            yield f"  {key}: {quoted(value)} is not allowed; give a list"
        elif kind in ("path", "hub", "revision"):
            yield f"  {key}: {said}"
        else:
            yield f"  {key}: {quoted(value)} is not allowed ({said}); correct it"


def _path(loc: tuple[int | str, ...], raw: Any) -> list[str]:
    """The keys of an error's place. What pydantic adds (`[key]`, branches of a union) is left out."""
    path: list[str] = []
    names = loc[:-2] if loc[-1:] == ("[key]",) else loc
    for step in names:
        if (isinstance(raw, Mapping) and step in raw) or (isinstance(raw, list) and isinstance(step, int)):
            raw = raw[step]
        elif step is not names[-1] or str(step).startswith("["):  # a tag of a union
            continue
        path.append(str(step))
    return path


def _section(loc: tuple[int | str, ...], root: type[Section]) -> type[Section]:
    """The section class at a place."""
    found: Any = root
    for step in loc:
        if isinstance(found, type) and issubclass(found, Section) and step in found.model_fields:
            found = found.model_fields[str(step)].annotation
        else:  # the key of a mapping, or the number in a list
            found = _inner(found, last=True)
        while not (isinstance(found, type) and issubclass(found, Section)) and not _is_container(found):
            found = _inner(found)
    return found


def _is_container(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (dict, list)


def _inner(annotation: Any, last: bool = False) -> Any:
    """The part of an annotation that holds sections: of a union, an annotated type or a container."""
    parts = [part for part in typing.get_args(annotation) if part is not type(None)]
    if not parts:
        return Section
    return parts[-1] if last or _is_container(annotation) else parts[0]
