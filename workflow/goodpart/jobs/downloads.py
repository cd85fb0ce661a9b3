"""Models and data of the hub: downloaded once by revision, verified, and used without network afterwards.

`{folder}/{model|dataset}/{owner}--{name}/{revision}/` holds the files and, once all of them are verified,
`download.json`: the commit, and every file's size and SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs.files import read_json, sha256, write_json

MANIFEST = "download.json"
FOLDER = "GOODPART_DOWNLOADS"  # environment variable: the folder of all downloads
# What is read of each kind of repository: remote code and pickles are never even downloaded.
PATTERNS = {
    "model": ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"],
    "dataset": ["README.md", "*.parquet", "*.json", "*.jsonl", "*.json.gz", "*.jsonl.gz"],
}
SPARE = 1 << 30  # bytes of disk that stay free


def place(kind: str, name: str, revision: str | None) -> str:
    """Where a download lies, relative to the folder of all downloads."""
    return f"{kind}/{name.replace('/', '--')}/{revision or 'main'}"


def is_pinned(revision: str | None) -> bool:
    """Whether a revision is a commit, and not a branch that can move."""
    return re.fullmatch(r"[0-9a-f]{40}", revision or "") is not None


def downloaded(kind: str, name: str, revision: str | None, folder: str | Path | None = None) -> Path | None:
    """The complete local copy of a repository in the folder of all downloads, or None where there is none."""
    folder = folder or os.environ.get(FOLDER)
    found = Path(folder, place(kind, name, revision)) if folder else None
    return found if found and (found / MANIFEST).exists() else None


def listing(kind: str, name: str, revision: str | None, endpoint: str | None) -> tuple[str, list[Any]]:
    """(commit, files to download with size and checksum) of a repository on the hub.

    Raises GoodpartError that says whether name, revision, token or network is at fault.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.utils import filter_repo_objects

    what = f"{name} (revision {revision or 'main'})"
    try:
        info = HfApi(endpoint=endpoint).repo_info(
            name, repo_type=kind, revision=revision, files_metadata=True
        )
    except GatedRepoError as error:
        raise GoodpartError(
            f"{what}: needs your consent on its page and a token: `hf auth login`, or HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise GoodpartError(f"{what}: there is no such revision; correct `revision`") from error
    except RepositoryNotFoundError as error:
        raise GoodpartError(
            f"{what}: not on the hub, or private; correct `hub`, or log in: `hf auth login`, or HF_TOKEN"
        ) from error
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise GoodpartError(
            f"{what}: the hub cannot be reached ({type(error).__name__}: {said}); check the network, name a "
            "mirror as downloads.endpoint, or a local copy as `path`"
        ) from error
    files = filter_repo_objects(info.siblings or [], allow_patterns=PATTERNS[kind], key=lambda f: f.rfilename)
    return str(info.sha), list(files)


def require_space(folder: Path, needed: int, key: str = "downloads.folder") -> None:
    """GoodpartError unless the disk of `folder`, which the configuration's `key` names, has room."""
    free = shutil.disk_usage(folder).free
    if needed + SPARE > free:
        raise GoodpartError(
            f"{folder.resolve()}: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; free "
            f"some, or name another folder as {key}"
        )


def mismatch(path: Path, expected: Any) -> str | None:
    """What is wrong with a downloaded file: size, SHA-256 (large files) or git id (small ones)."""
    if not path.exists():
        return "is missing"
    size = path.stat().st_size
    if expected.size is not None and size != expected.size:
        return f"has {size} bytes where {expected.size} are expected"
    if expected.lfs is not None:
        return None if sha256(path) == expected.lfs.sha256 else "has another SHA-256 than the hub says"
    if expected.blob_id:
        content = path.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        return None if found == expected.blob_id else "has another git id than the hub says"
    return None


def fetch(
    kind: str, name: str, revision: str | None, folder: Path, endpoint: str | None = None
) -> dict[str, Any]:
    """Download one repository into `folder`, verify every file, and write and return its record.

    An interrupted download goes on where it was. Raises GoodpartError for a wrong name or revision, a missing
    token, no network, too little disk, and files that are not what the hub says.
    """
    from huggingface_hub import snapshot_download

    commit, expected = listing(kind, name, revision, endpoint)
    if is_pinned(revision) and commit != revision:
        raise GoodpartError(f"{name}: asked for revision {revision}, the hub answered with {commit}")
    if not expected:
        raise GoodpartError(f"{name}: holds nothing that can be read ({', '.join(PATTERNS[kind])})")
    folder.mkdir(parents=True, exist_ok=True)
    there = {file.rfilename: folder / file.rfilename for file in expected}
    missing = sum(file.size or 0 for file in expected if not there[file.rfilename].exists())
    require_space(folder, missing)
    try:
        snapshot_download(
            name,
            repo_type=kind,
            revision=commit,
            local_dir=folder,
            allow_patterns=list(there),
            endpoint=endpoint,
        )
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise GoodpartError(
            f"{name} (revision {commit}): the download broke off ({type(error).__name__}: {said}); run "
            "again, and it goes on where it was"
        ) from error
    known = {*there.values(), folder / MANIFEST}
    for pattern in PATTERNS[kind]:
        for file in folder.glob(f"**/{pattern}"):
            if file not in known and file.relative_to(folder).parts[0] != ".cache":
                file.unlink()  # of a former commit of a branch
    for file in expected:
        if wrong := mismatch(there[file.rfilename], file):
            there[file.rfilename].unlink(missing_ok=True)
            raise GoodpartError(f"{there[file.rfilename]}: {wrong}; it was deleted: run again")
    sizes = {
        file: {"size": path.stat().st_size, "sha256": sha256(path)} for file, path in sorted(there.items())
    }
    record = {"kind": kind, "hub": name, "revision": revision or "main", "commit": commit, "files": sizes}
    write_json(folder / MANIFEST, record)
    return record


def verify(folder: Path) -> list[str]:
    """Files of a downloaded folder that are not what its record says; GoodpartError without a record."""
    files = read_json(folder / MANIFEST)["files"]
    return [
        name
        for name, facts in files.items()
        if not (folder / name).exists()
        or (folder / name).stat().st_size != facts["size"]
        or sha256(folder / name) != facts["sha256"]
    ]
