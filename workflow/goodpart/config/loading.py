"""Files of a configuration: read as `--configfile` reads them, and refused where YAML would mislead."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from goodpart.config.types import CommandLineText, stop_on
from goodpart.errors import GoodpartError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Octal and sexagesimal numbers of YAML 1.1.
ODD = re.compile(r"[-+]?(0[0-7_]+|[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")


def read_files(files: Iterable[Path]) -> dict[str, Any]:
    """Files merged in their order, as `--configfile` does; an empty file changes nothing.

    Raises GoodpartError for a file that is missing or no mapping in YAML, and for a key given twice.
    """
    from snakemake.utils import update_config

    config: dict[str, Any] = {}
    files = list(files)
    for file in files:
        if not file.is_file():
            raise GoodpartError(f"{file}: no such file; run this in the folder of config.yaml")
        try:
            read = yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER) or {}  # noqa: S506  a safe loader
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise GoodpartError(f"{file}: not valid YAML ({error}); correct it") from error
        if not isinstance(read, dict):
            raise GoodpartError(f"{file}: holds no keys with values; write them as config.yaml does")
        update_config(config, read)
    refuse_misleading(files)
    return config


def refuse_misleading(files: Iterable[str | Path]) -> None:
    """GoodpartError for what YAML reads in another way than people do, with the lines of a local file.

    These are a key given twice in one mapping, of which the last one counts, and numbers like 010 and 1:30.
    """
    texts = {Path(file): _text(Path(file)) for file in map(str, files) if Path(file).is_file()}
    twice = [line for file, text in texts.items() for line in _duplicates(_composed(file, text), file)]
    stop_on("a key is given twice, and YAML keeps only the last:", twice)
    numbers = [line for file, text in texts.items() for line in _odd_numbers(file, text)]
    stop_on("YAML takes these for other numbers than they look like:", numbers)


def _text(file: Path) -> str:
    text = file.read_text(encoding="utf-8")
    # JSON may be indented by tabs, and YAML not.
    return text.replace("\t", " ") if file.suffix.lower() == ".json" else text


def _composed(file: Path, text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise GoodpartError(f"{file}: not valid YAML ({error}); correct it") from error


def _odd_numbers(file: Path, text: str) -> Iterable[str]:
    """One line for each number that a leading 0 makes octal, or a colon sexagesimal."""
    for token in yaml.scan(text, Loader=_LOADER):
        if isinstance(token, yaml.ScalarToken) and token.plain and ODD.fullmatch(token.value):
            line, value = token.start_mark.line + 1, yaml.load(token.value, Loader=_LOADER)  # noqa: S506  safe
            yield f"  {file}: line {line}: {token.value} is {value}; write that, or '{token.value}' for text"


def _duplicates(
    node: yaml.Node | None, file: Path, at: str = "", seen: set[int] | None = None
) -> Iterable[str]:
    """One line for each key that a mapping of the file has twice."""
    seen = set() if seen is None else seen
    if node is None or id(node) in seen:  # an empty file, or an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _duplicates(item, file, f"{at}{number}.", seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[Hashable, int] = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, _key(key)
            shown = str(getattr(key, "value", name))
            if name in lines:
                yield f"  {file}: {at}{shown}: in lines {lines[name]} and {line}; merge them, or remove one"
            else:
                lines[name] = line
            yield from _duplicates(value, file, f"{at}{shown}.", seen)


def _key(node: yaml.Node) -> Hashable:
    """What makes two keys the same: value and type, so that 1 and "1" differ."""
    return (node.tag, node.value) if isinstance(node, yaml.ScalarNode) else id(node)


def mark_texts(config: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Mark texts of `config` that came with `--config` (`given`), so that they may stand for numbers."""
    for key, value in given.items():
        if key in config:
            config[key] = _marked(config[key], value)


def find_in_clone(config: dict[str, Any], clone: Path) -> None:
    """Let relative paths that do not exist where the workflow runs name the files of the clone.

    `snakemake --snakefile CLONE/Snakefile --directory ELSEWHERE` runs outside of the clone.
    """
    if clone.resolve() != Path().resolve():
        for section in ("models", "benchmarks"):
            _find_in_clone(config.get(section), clone)


def _find_in_clone(value: Any, clone: Path) -> None:
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if key in ("path", "shape") and isinstance(item, str):
            if not Path(item).exists() and (clone / item).exists():
                value[key] = str(clone / item)
        else:
            _find_in_clone(item, clone)


def _marked(value: Any, given: Any) -> Any:
    if isinstance(value, dict) and isinstance(given, Mapping):
        return {k: _marked(item, given[k]) if k in given else item for k, item in value.items()}
    if isinstance(value, list):
        return [_marked(item, item) for item in value]
    return CommandLineText(value) if isinstance(value, str) and value == given else value
