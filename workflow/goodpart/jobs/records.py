"""Records of how each artifact was made: read from Snakemake, and saved with the results."""

from __future__ import annotations

import base64
import json
import os
from ast import literal_eval
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs import sources
from goodpart.jobs.files import read_jsonl, write_jsonl

METADATA = ".snakemake/metadata"  # Snakemake's records, one JSON file per output
FILE = "provenance.jsonl"  # in the results folder: the same records, one per line


@dataclass(frozen=True)
class Record:
    """How one artifact was made. Names are relative to the folder that the workflow ran in."""

    file: str
    rule: str
    input: list[str]
    command: str
    log: list[str] = field(default_factory=list)
    began: float | None = None  # seconds since 1970
    ended: float | None = None
    checksums: dict[str, str] = field(default_factory=dict)  # input -> "sha256:...", for small inputs


def _names(folder: Path) -> Iterator[tuple[str, Path]]:
    """(artifact, its metadata file). Names are in base64; long ones are split over several folders."""
    for path in folder.rglob("*"):
        if path.is_file():
            parts = [part.removeprefix("@") for part in path.relative_to(folder).parts]
            try:
                name = base64.b64decode("".join(parts), altchars=b"-_", validate=True)
            except ValueError:
                continue  # not a record, for example a deleted file that a network file system still holds
            yield name.decode(errors="replace"), path


def recorded_by_snakemake(workdir: Path, under: Sequence[str] | None = None) -> dict[str, Record]:
    """artifact -> record, of a folder in which the workflow ran. `under`: only artifacts in these folders."""
    found = {}
    for name, path in _names(workdir / METADATA):
        if under is not None and not name.startswith(tuple(f"{folder}/" for folder in under)):
            continue
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            continue  # a current run is writing it
        if raw.get("incomplete"):
            continue
        code = _source_files(raw.get("params") or [])
        found[name] = Record(
            file=name,
            rule=raw.get("rule") or "",
            input=[*(raw.get("input") or []), *code],
            command=raw.get("shellcmd") or "",
            log=raw.get("log") or [],
            began=raw.get("starttime"),
            ended=raw.get("endtime"),
            checksums=(raw.get("input_checksums") or {}) | code,
        )
    return found


def _source_files(parameters: Iterable[str]) -> dict[str, str]:
    """Source file -> "sha256:...", from the parameter of a job that holds them."""
    for text in parameters:
        if sources.DIGESTS in text[: len(sources.DIGESTS) + 2]:  # Snakemake keeps the quoted form
            return {name: f"sha256:{sha}" for name, sha in sources.read_digests(literal_eval(text)).items()}
    return {}


def ancestry(names: Iterable[str], records: Mapping[str, Record]) -> dict[str, int]:
    """Some artifacts and all their inputs -> number of jobs in between, on the shortest path."""
    depths = dict.fromkeys(names, 0)
    pending = deque(depths)
    while pending:
        current = pending.popleft()
        for source in records[current].input if current in records else []:
            if source not in depths:
                depths[source] = depths[current] + 1
                pending.append(source)
    return depths


def save(results: str, others: Sequence[str], workdir: Path = Path()) -> str | None:
    """Write `provenance.jsonl` into the results folder, so that records travel with the results.

    `others`: further folders of artifacts. A record stays while its artifact, or any artifact made from it,
    exists, because hidden states may be deleted after use. A damaged file is set aside, and a read-only
    folder left alone: the results are whole without it. Returns a warning that says so.
    """
    target, said = workdir / results / FILE, None
    if not (workdir / results).is_dir():
        return None
    if not os.access(workdir / results, os.W_OK):
        return f"{workdir / results} is read-only: {FILE} there is not updated"
    try:
        records = read(target) if target.exists() else {}
    except GoodpartError as error:  # the results are whole: their records must not fail the run
        damaged, records = target.with_name(f"{FILE}.damaged"), {}
        target.replace(damaged)
        said = f"{error}; the damaged file is now {damaged}, and a new one has the records of this folder"
    records |= recorded_by_snakemake(workdir, [results, *others])
    present = [name for name in records if (workdir / name).exists()]
    kept = records.keys() & ancestry(present, records)
    write_jsonl(target, (asdict(records[name]) for name in sorted(kept)))
    return said


def read(file: Path) -> dict[str, Record]:
    """artifact -> record, from a `provenance.jsonl`. Raises GoodpartError if it is missing or damaged."""
    try:
        return {row["file"]: Record(**row) for row in read_jsonl(file)}
    except (TypeError, KeyError) as error:
        raise GoodpartError(f"{file}: not a provenance file ({error}); delete it and rerun") from error


def records_of(artifact: Path) -> tuple[Path, str, dict[str, Record]]:
    """(base folder of all names, the artifact's name, all records) of one file or folder.

    Raises GoodpartError if it does not exist, or if there is no record of how it was made.
    """
    if not artifact.exists():
        raise GoodpartError(f"{artifact}: no such file")
    path = artifact.resolve()
    for folder in path.parents:
        if not (folder / METADATA).is_dir():
            continue
        records = recorded_by_snakemake(folder)
        for name in (path.relative_to(folder).as_posix(), path.as_posix()):
            if name in records:
                return folder, name, records
    for folder in path.parents:
        for file in sorted(folder.glob(f"*/{FILE}")):
            records = read(file)
            # Results outside of the working folder are recorded under another name of the same file.
            outside = [one for one in records if one.startswith("../")]
            ours = [one for one in outside if path.as_posix().endswith("/" + one.rsplit("../", 1)[1])]
            for name in (path.relative_to(folder).as_posix(), path.as_posix(), *ours):
                if name in records:
                    return folder, name, records
    raise GoodpartError(
        f"{artifact}: there is no record of how it was made, neither in {METADATA} of a folder above it nor "
        f"in {FILE} of its results; name a file that a rule of the workflow makes"
    )
