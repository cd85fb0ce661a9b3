"""Files of a checkpoint: read strictly, and found by name; weights, shards, adapters that lie beside them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs.files import unique

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
# What loading reads besides weights; anything else in the folder, hidden files above all, is of no account.
READ = (
    *("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"),
    *("special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt"),
    *("chat_template.jinja", "chat_template.json"),
)
WHOLE = 64 << 20  # bytes up to which a file counts with all of its content
SAMPLES, SAMPLE = 256, 64 << 10  # larger ones count with so many pieces, of so many bytes
POINTER = "version https://git-lfs"  # how a Git LFS pointer begins, in place of a file's content
ADAPTERS = ("adapter_config.json", "adapter_model.*", "adapters.safetensors", "pytorch_lora_weights.*")
LORA = re.compile(r"(?:^|[-_.])lora(?:[-_.].*)?\.safetensors$", re.IGNORECASE)


def read_text(path: Path) -> str:
    """A text file in UTF-8; GoodpartError for one that is missing, binary, or a Git LFS pointer."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise GoodpartError(f"{path}: no such file") from None
    except (UnicodeDecodeError, OSError) as error:
        raise GoodpartError(f"{path}: cannot be read as text ({error}); fetch it again") from error
    if text.startswith(POINTER):
        raise GoodpartError(f"{path}: is a Git LFS pointer, not the file; fetch it (git lfs pull)")
    return text


def parse_object(text: str, where: str) -> dict[str, Any]:
    """A JSON object whose keys occur once; GoodpartError names the file `where` and what is wrong."""
    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise GoodpartError(f"{where}: not valid JSON ({error}); fetch it again, or correct it") from error
    if not isinstance(value, dict):
        raise GoodpartError(f"{where}: holds no JSON object; fetch it again, or correct it")
    return value


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file; GoodpartError as for `read_text` and `parse_object`."""
    return parse_object(read_text(path), str(path))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def weight_files(folder: Path) -> dict[str, list[str] | None]:
    """Names of the files with weights; of each shard the tensors that the index says, None without an index.

    Raises GoodpartError where there are no safetensors, a shard is missing, or an adapter lies beside them.
    """
    adapters = {file.name for pattern in ADAPTERS for file in folder.glob(pattern)}
    if adapters := sorted(adapters | {file.name for file in folder.iterdir() if LORA.search(file.name)}):
        raise GoodpartError(
            f"{folder}/{adapters[0]}: an adapter (LoRA) is not applied here; merge it into the weights first "
            "(peft: merge_and_unload, then save_pretrained), or remove its files to use the weights alone"
        )
    if (folder / WEIGHTS).exists():
        return {WEIGHTS: None}
    if (folder / INDEX).exists():
        return _sharded(folder)
    pickles = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for p in folder.glob(pattern))
    if pickles:
        raise GoodpartError(
            f"{folder}: only pickled weights ({', '.join(pickles)}); these are never loaded: "
            "convert them to safetensors first"
        )
    raise GoodpartError(f"{folder}: no weights (model.safetensors, or an index and its shards)")


def _sharded(folder: Path) -> dict[str, list[str] | None]:
    path = folder / INDEX
    places = read_object(path).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise GoodpartError(f"{path}: the key 'weight_map' holds no tensors; fetch the file again")
    shards: dict[str, list[str] | None] = {}
    for tensor, shard in places.items():
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise GoodpartError(f"{path}: weight_map: {tensor} = {shard!r} is no file of this folder")
        (shards.setdefault(shard, []) or shards[shard]).append(tensor)  # type: ignore[union-attr]
    missing = sorted(shard for shard in shards if not (folder / shard).exists())
    if missing:
        raise GoodpartError(f"{folder}: shards are missing: {', '.join(missing)}; fetch them")
    return dict(sorted(shards.items()))


def files_read(folder: Path) -> list[Path]:
    """The files of a checkpoint that loading reads; GoodpartError as for `weight_files`."""
    weights = weight_files(folder)
    names = [*READ, *([] if WEIGHTS in weights else [INDEX]), *weights]
    return [folder / name for name in names if (folder / name).exists()]


def content_state(folder: Path) -> str:
    """A digest of the content of `files_read`: a copy or a `touch` keeps it, training changes it.

    Of a file above 64 MB, its size and 256 pieces spread over it count: 16 GB take a fraction of a second.
    """
    sha = hashlib.sha256()
    for path in files_read(folder):
        size = path.stat().st_size
        sha.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            if size <= WHOLE:
                sha.update(file.read())
                continue
            for number in range(SAMPLES):
                file.seek(max(0, size - SAMPLE) * number // (SAMPLES - 1))
                sha.update(file.read(SAMPLE))
    return sha.hexdigest()


def listed(names: Iterable[str], most: int = 4) -> str:
    """Some names as text: the first `most`, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
