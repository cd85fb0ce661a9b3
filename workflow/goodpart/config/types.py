"""Kinds of values in a configuration. Each says in words what it accepts, for messages and for the schema."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from goodpart.errors import GoodpartError

VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})")
HUB_NAME = re.compile(r"[a-z0-9][\w.-]*/[a-z0-9][\w.-]*", re.ASCII | re.IGNORECASE)
REVISION = re.compile(r"\w[\w.-]*", re.ASCII)


class Section(BaseModel):
    """A mapping with known keys and nothing else. Numbers are never read from text, nor text from numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class CommandLineText(str):
    """Text that came with `--config`, where Snakemake leaves nested numbers and switches as text."""

    def value(self) -> Any:
        """What the same text means in a YAML file."""
        try:
            return yaml.safe_load(self)
        except yaml.YAMLError:
            return str(self)


def read_text(value: Any) -> Any:
    """The value that a text of the command line stands for; any other value unchanged."""
    return value.value() if isinstance(value, CommandLineText) else value


def described(what: str) -> tuple[Any, ...]:
    """Annotations of a type: whatever it refuses gives one error that says `what` to give instead."""

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise PydanticCustomError("not_allowed", "give {what}", {"what": what}) from None

    return WrapValidator(check), Field(description=what)


def choice(*allowed: str) -> Any:
    """One of some words."""

    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in allowed:
            words = ", ".join(allowed)
            raise PydanticCustomError("unknown", "use one of: {words}", {"words": words})
        return str(value)

    return Annotated[Literal[allowed], BeforeValidator(check)]


def integer(what: str, **bounds: int) -> Any:
    """A whole number within `bounds` (Field's ge, le, gt, lt)."""
    return Annotated[int, Field(**bounds), *described(what), BeforeValidator(read_text)]


def number(what: str, **bounds: float) -> Any:
    """A finite number within `bounds`; a whole one stays whole."""
    whole, fraction = Annotated[int, Field(**bounds)], Annotated[float, Field(allow_inf_nan=False, **bounds)]
    return Annotated[whole | fraction, *described(what), BeforeValidator(read_text)]


def _different(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise ValueError("given twice")
    return values


def _unique(items: Any, what: str, least: int = 1) -> Any:
    unique = Field(min_length=least, json_schema_extra={"uniqueItems": True})
    return Annotated[list[items], unique, AfterValidator(_different), *described(what)]


Flag = Annotated[bool, *described("true or false"), BeforeValidator(read_text)]
Count = integer("a whole number, 1 or more", ge=1)
CountFromZero = integer("a whole number, 0 or more", ge=0)
Positive = number("a number above 0", gt=0)
Share = number("a number from 0 to 1", ge=0, le=1)
Text = Annotated[str, *described("text, in quotes where it looks like a number")]
Word = Annotated[str, Field(pattern=r"^\w+$"), *described("the name of a module, of letters and digits")]
Name = Annotated[
    str,
    Field(pattern=r"^\w[\w.-]*$"),
    *described("a name of letters, digits, dots, dashes and underscores that begins with a letter or digit"),
]
Names = _unique(Text, "a list of different names, at least one")
Counts = _unique(CountFromZero, "a list of different numbers of layers, 0 or more each")
Rows = _unique(CountFromZero, "a list of row numbers of the source, from 0, that is not empty")
Layers = Annotated[list[CountFromZero], *described("a list of layers, numbered from 0")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$"), *described("64 hexadecimal digits, in lower case")]


def filled(path: str) -> str:
    """A path with `~` and environment variables filled in where they exist."""
    return os.path.expandvars(os.path.expanduser(path))


def expand(path: str) -> str:
    """A path with `~` and environment variables filled in; an error names what does not exist."""
    for name in VARIABLE.findall(path):
        if name.strip("{}") not in os.environ:
            said = f"the environment variable {name.strip('{}')} is not set; set it, or write the path out"
            raise PydanticCustomError("path", "{said}", {"said": said})
    written_out = filled(path)
    if path.startswith("~") and written_out.startswith("~"):
        said = (
            f"there is no home folder {path.split('/')[0]}; write the path out, with ./ before a name with ~"
        )
        raise PydanticCustomError("path", "{said}", {"said": said})
    return written_out


def _folder(path: str) -> str:
    if re.search(r"[{}\n]", path):
        raise PydanticCustomError(
            "not_allowed", "give {what}", {"what": "the path of a folder, without braces"}
        )
    return str(Path(path))


LocalPath = Annotated[str, Field(min_length=1), *described("a path"), AfterValidator(expand)]
Folder = Annotated[LocalPath, AfterValidator(_folder)]


def _hub_name(name: str) -> str:
    if HUB_NAME.fullmatch(name) and not re.search(r"\.\.|--|\.git$", name):
        return name
    parts = re.sub(r"^(\w+://)?([\w.-]+\.\w+(:\d+)?/)?(datasets/|models/)?", "", name.strip()).split("/")
    meant = "/".join(parts[:2]).split("@")[0].split("?")[0].removesuffix(".git")
    if HUB_NAME.fullmatch(meant) and meant != name:
        fix = f"give owner/name alone: {meant}"
    elif "/" not in name:
        fix = "it has no owner; give owner/name, as its page on the hub shows it"
    else:
        fix = "give owner/name, as its page on the hub shows it"
    raise PydanticCustomError("hub", "{said}", {"said": f"{name!r} is no name of the hub; {fix}"})


def _revision(revision: str) -> str:
    if REVISION.fullmatch(revision):
        return revision
    said = f"{revision!r} is no name of a folder; give the commit that it points at (40 hexadecimal digits)"
    raise PydanticCustomError("revision", "{said}", {"said": said})


HubName = Annotated[
    str, *described("the name of a repository on the hub, owner/name"), AfterValidator(_hub_name)
]
Revision = Annotated[
    str, *described("a commit, tag or branch, in quotes if it looks like a number"), AfterValidator(_revision)
]


def stop_on(title: str, mistakes: Iterable[str]) -> None:
    """Raise GoodpartError with one line a mistake, if there is one."""
    lines = list(dict.fromkeys(mistakes))
    if lines:
        raise GoodpartError("\n".join([title, *lines]))
