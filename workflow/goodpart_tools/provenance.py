"""Trace an artifact back to its inputs, revisions and settings.

Prints one block per rule, from the artifact back to the sources: how many files the rule made, when, on which
hosts, from which commit and versions, with which settings. Then come the inputs that no rule made, and what
has changed since.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs import files
from goodpart.jobs.downloads import MANIFEST
from goodpart.jobs.parquet import read_metadata
from goodpart.jobs.records import Record, ancestry, records_of

SHOWN = 6  # values of one setting, and files of one kind, that are printed without --all
WIDTH = 200  # characters of a value that are printed without --all
# Keys of an artifact's metadata: those on place and time, and those too long to print.
MADE = ("commit", "host", "versions", "time")
LONG = {"key", "keys", "selection", "files"}


@dataclass
class Stage:
    """The artifacts of one rule among all that a file was made from."""

    rule: str
    depth: int
    records: list[Record] = field(default_factory=list)


def stages_of(name: str, records: Mapping[str, Record]) -> tuple[list[Stage], set[str]]:
    """(stages, from the artifact backwards; inputs that no rule made) of an artifact."""
    depths = ancestry([name], records)
    stages: dict[str, Stage] = {}
    for artifact in (a for a in depths if a in records):
        record = records[artifact]
        stage = stages.setdefault(record.rule, Stage(record.rule, depths[artifact]))
        stage.depth = max(stage.depth, depths[artifact])
        stage.records.append(record)
    return sorted(stages.values(), key=lambda s: (s.depth, s.rule)), depths.keys() - records.keys()


def settings_of(record: Record) -> dict[str, str]:
    """What a job was told, from the description in its command."""
    for line in record.command.splitlines():
        if line.startswith('{"params": '):
            told = json.loads(line)["params"]
            return {key: v if isinstance(v, str) else json.dumps(v) for key, v in told.items()}
    return {"command": record.command}


def own_facts(path: Path) -> dict[str, Any]:
    """The metadata in an artifact itself: of a Parquet file, or the record of a download."""
    if path.name == MANIFEST and path.exists():
        return files.read_json(path)
    parts = sorted(path.glob("[!.]*.parquet"))[:1] if path.is_dir() else [path]
    if not parts or parts[0].suffix != ".parquet" or not parts[0].exists():
        return {}
    try:
        return read_metadata(parts[0])
    except GoodpartError:
        return {}


def shortened(value: Any, everything: bool) -> str:
    """A value as one line, shortened unless `everything`."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if everything or len(text) <= WIDTH else f"{text[: WIDTH - 4]} ..."


def tally(values: Iterable[Any], everything: bool) -> list[str]:
    """The different values; with their counts if there are several."""
    counts = Counter(shortened(value, everything) for value in values)
    lines = [f"{text}  ({n} files)" if len(counts) > 1 else text for text, n in counts.most_common()]
    more = len(lines) - SHOWN
    return lines if everything or more <= 0 else [*lines[:SHOWN], f"... and {more} other values (--all)"]


def when(seconds: float | None) -> str:
    """A point in time in UTC."""
    return (
        f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC" if seconds else "at an unknown time"
    )


def stage_lines(stage: Stage, root: Path, everything: bool) -> list[str]:
    """The block of one rule."""
    made, first = stage.records, min(stage.records, key=lambda r: r.file)
    others = f" and {len(made) - 1} more" if len(made) > 1 else ""
    lines = [f"{stage.rule}: {first.file}{others}"]
    if everything and others:
        lines += [f"    file  {record.file}" for record in made]
    ended = [record.ended for record in made if record.ended]
    took = sum(record.ended - record.began for record in made if record.began and record.ended)
    span = (
        f"{when(min(ended))} to {when(max(ended))}" if len(ended) > 1 else when(ended[0] if ended else None)
    )
    lines.append(f"    made  {span}, {took:.1f} s of jobs")
    facts = [own_facts(root / record.file) for record in made]
    for key in MADE[:-1]:
        values = [fact[key] for fact in facts if fact.get(key)]
        lines += [f"    {key}  {text}" for text in tally(values, everything)]
    settings = [settings_of(record) for record in made]
    for key in dict.fromkeys(key for chosen in settings for key in chosen):
        values = [chosen[key] for chosen in settings if key in chosen]
        lines += [f"    setting  {key} = {text}" for text in tally(values, everything)]
    told = dict.fromkeys(key for fact in facts for key in fact if key not in {*MADE, *LONG})
    for key in told:
        values = [fact[key] for fact in facts if fact.get(key) is not None]
        texts = [f"{key} = {text}" for text in tally(values, everything)]
        lines += [f"    recorded  {text}" for text in texts if f"    setting  {text}" not in lines]
    return lines


def source_lines(leaves: set[str], records: Mapping[str, Record], everything: bool) -> list[str]:
    """Inputs that no rule made: one line for each weight and data file, one digest for all source files."""
    sums: dict[str, str] = {}
    for record in records.values():
        sums.update({name: record.checksums[name] for name in record.input if name in record.checksums})
    code = sorted(name for name in leaves if name.endswith(".py"))
    lines = ["sources"]
    for name in sorted(leaves - set(code)):
        lines.append(f"    input  {name}  {sums.get(name, 'no checksum recorded')}")
    if code:
        digest = hashlib.sha256("\n".join(f"{name} {sums.get(name)}" for name in code).encode())
        lines.append(f"    code  {len(code)} files, sha256 of all: {digest.hexdigest()}")
    if everything:
        lines += [f"    code  {name}  {sums.get(name, 'no checksum recorded')}" for name in code]
    return lines


def changes(root: Path, stages: list[Stage]) -> list[str]:
    """Inputs that have changed since the artifacts were made, one line each."""
    now: dict[str, str] = {}
    lines = {}
    for record in (record for stage in stages for record in stage.records):
        for name in record.input:
            path = root / name
            if not path.exists():
                lines[name] = f"    {name}: no longer exists"
            elif name in record.checksums and path.is_file():
                if name not in now:
                    now[name] = f"sha256:{files.sha256(path)}"
                if now[name] != record.checksums[name]:
                    lines[name] = f"    {name}: its content has changed since {record.rule} read it"
            elif record.began and path.stat().st_mtime > (record.ended or record.began):
                lines[name] = f"    {name}: is newer than the outputs of {record.rule}"
    return list(lines.values())


def report(artifact: Path, everything: bool = False) -> str:
    """The whole chain of one artifact, as text. Raises GoodpartError if there is no record of it."""
    root, name, records = records_of(artifact)
    stages, leaves = stages_of(name, records)
    used = {record.file: record for stage in stages for record in stage.records}
    lines = [str(artifact)]
    if artifact.is_file():
        lines.append(f"    sha256  {files.sha256(artifact)}")
    for stage in stages:
        lines += ["", *stage_lines(stage, root, everything)]
    lines += ["", *source_lines(leaves, used, everything)]
    changed = changes(root, stages)
    lines += ["", "changed since" if changed else "changed since: nothing", *changed]
    return "\n".join(lines)


def main(arguments: argparse.Namespace) -> None:
    """Print the chain of one artifact."""
    print(report(arguments.file, arguments.all))


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    options.add_argument("file", type=Path, help="a file or folder in results/ or paper_figs/")
    options.add_argument("--all", action="store_true", help="print every file and value in full")
