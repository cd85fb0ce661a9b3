"""Tensors of a checkpoint, from the headers of its safetensors files alone: each is accounted for by name."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.models.checkpoints.architecture import Architecture
from goodpart.models.checkpoints.files import POINTER, listed, parse_object, weight_files
from goodpart.models.checkpoints.names import LAYERS_KEYS, Expected, expected_tensors

BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2}  # of the dtypes that weights may have
MOST_HEADER = 100_000_000  # bytes, the format's own bound
QUANTIZED = re.compile(r"qweight|qzeros|g_idx|scales?$|scale_inv$|absmax|quant_|zero_point|_packed$")
RECOMPUTED = ".rotary_emb.inv_freq"  # of old files: a constant of the architecture


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file, and what it is in transformers' class (`expected` None: recomputed, not read)."""

    name: str
    file: str
    dtype: str
    shape: tuple[int, ...]
    span: tuple[int, int]  # of its bytes, after the header
    expected: Expected | None = None

    @property
    def nbytes(self) -> int:
        """Its size in the file."""
        return math.prod(self.shape) * BYTES[self.dtype]

    @property
    def layer(self) -> int | None:
        """The layer that it belongs to, or None."""
        if self.expected is not None:
            return self.expected.layer
        found = re.search(r"\.(\d+)\.", self.name)
        return int(found[1]) if found else None

    def renumbered(self, layer: int) -> str:
        """Its name as a tensor of another layer."""
        return re.sub(rf"(^|\.){self.layer}\.", rf"\g<1>{layer}.", self.name, count=1)


def read_tensors(folder: Path, wanted: Architecture) -> list[Tensor]:
    """All tensors of a checkpoint, each with what it is.

    Raises GoodpartError for a damaged file, and a tensor that is missing, unexpected, of another shape, or
    quantized: with its name, its file, and what was expected and found.
    """
    found: list[Tensor] = []
    parts: list[tuple[Path, list[Tensor], int]] = []
    for file, listed_names in weight_files(folder).items():
        tensors, size = read_header(folder / file)
        parts.append((folder / file, tensors, size))
        odd = sorted(set(listed_names or ()) ^ {t.name for t in tensors}) if listed_names is not None else []
        # A head that is the embedding is named and not stored; rotations are stored and not read.
        spare = ("lm_head.weight",) if wanted.tied else ()
        if any(name not in spare and not name.endswith(RECOMPUTED) for name in odd):
            raise GoodpartError(
                f"{folder}: the index and {file} do not agree on the tensors {listed(odd)}; fetch both again"
            )
        found += tensors
    names = [tensor.name for tensor in found]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise GoodpartError(f"{folder}: two shards hold {listed(twice)}; remove one of them")
    _check_dtypes(folder, found)
    matched = _matched(folder, found, wanted)
    for part in parts:
        _check_spans(*part)
    return matched


def read_header(path: Path) -> tuple[list[Tensor], int]:
    """Tensors that a safetensors file holds, by its header, and the bytes after it; only the header is read.

    Raises GoodpartError for a file that is cut, a Git LFS pointer, or damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or start == POINTER.encode()[:8] or not 2 <= length <= min(size - 8, MOST_HEADER):
            raise GoodpartError(
                f"{path}: the weights are cut short, or a Git LFS pointer (no safetensors header); fetch "
                "them again"
            )
        text = file.read(length)
    try:
        header = parse_object(text.decode(), f"{path}: header")
    except UnicodeDecodeError as error:
        raise GoodpartError(f"{path}: header: not valid JSON ({error}); fetch the file again") from error
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise GoodpartError(f"{path}: header: __metadata__ is no object of texts; fetch the file again")
    return [_entry(path, name, facts) for name, facts in header.items()], size - 8 - length


def _check_spans(path: Path, tensors: list[Tensor], size: int) -> None:
    """GoodpartError where the data of tensors overlap, leave gaps, or are not `size` bytes in all."""
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.span):
        if tensor.span[0] != end:
            raise GoodpartError(
                f"{path}: header: {tensor.name}: data_offsets begin at {tensor.span[0]}, where the data "
                f"before end at {end}; fetch the file again"
            )
        end = tensor.span[1]
    if end != size:
        raise GoodpartError(
            f"{path}: the weights are cut short, or a Git LFS pointer (data_offsets ask for {end} bytes, "
            f"there are {size}); fetch them again"
        )


def _entry(path: Path, name: str, facts: Any) -> Tensor:
    """A header's entry, checked by itself."""
    at = f"{path}: header: {name}"

    def counts(key: str) -> list[int]:
        value = facts.get(key)
        if not isinstance(value, list) or not all(type(n) is int and 0 <= n < 2**63 for n in value):
            raise GoodpartError(f"{at}: {key} = {json.dumps(value)[:60]} is no list of sizes; fetch it again")
        return value

    if not isinstance(facts, dict):
        raise GoodpartError(f"{at}: is no object; fetch the file again")
    dtype = facts.get("dtype")
    if not isinstance(dtype, str) or dtype not in BYTES:
        raise GoodpartError(
            f"{at}: dtype {dtype!r} is not supported (only {', '.join(BYTES)}); quantized weights are not: "
            "take the checkpoint before quantization, or dequantize it to bfloat16"
        )
    shape, span = counts("shape"), counts("data_offsets")
    if len(span) != 2 or span[1] - span[0] != math.prod(shape) * BYTES[dtype]:
        raise GoodpartError(
            f"{at}: data_offsets {span} do not fit shape {shape} in {dtype}; fetch the file again"
        )
    return Tensor(name, path.name, dtype, tuple(shape), (span[0], span[1]))


def _check_dtypes(folder: Path, found: list[Tensor]) -> None:
    """GoodpartError where bfloat16 and float16 meet, which no training writes: a header is damaged."""
    kinds = {kind: [t for t in found if t.dtype == kind] for kind in ("BF16", "F16")}
    if all(kinds.values()):
        odd = min(kinds.values(), key=len)[0]
        raise GoodpartError(
            f"{folder}/{odd.file}: header: {odd.name}: dtype {odd.dtype} among tensors in "
            f"{'F16' if odd.dtype == 'BF16' else 'BF16'}; a header is damaged: fetch the file again"
        )


def _matched(folder: Path, found: list[Tensor], wanted: Architecture) -> list[Tensor]:
    """The tensors with what each is; names may lack the `model.` of the class that holds the head."""
    expected = expected_tensors(wanted, str(folder / "config.json"))
    bare = {name.removeprefix("model."): one for name, one in expected.items()}
    if not any(tensor.name in expected for tensor in found if not tensor.name.startswith("lm_head.")):
        expected = bare
    matched = [
        Tensor(**(vars(tensor) | {"expected": expected.get(tensor.name)}))
        for tensor in found
        if not tensor.name.endswith(RECOMPUTED)
    ]
    constants = [tensor for tensor in found if tensor.name.endswith(RECOMPUTED)]
    mistakes = _mistakes(matched, expected, wanted)
    if mistakes:
        raise GoodpartError(f"{folder}: the weights do not fit config.json: {'; '.join(mistakes)}")
    return [*matched, *constants]


def _mistakes(found: list[Tensor], expected: Mapping[str, Expected], wanted: Architecture) -> list[str]:
    lines = []
    unexpected = [t for t in found if t.expected is None]
    if quantized := [t.name for t in unexpected if QUANTIZED.search(t.name)]:
        return [
            f"{quantized[0]} ({unexpected[0].file}) belongs to quantized weights, which are not supported"
        ]
    names = {tensor.name for tensor in found}
    missing = [name for name in expected if name not in names]
    if wanted.tied:  # one matrix, stored under either name or both
        twins = [name for name, one in expected.items() if one.target in TWINS]
        missing = [name for name in missing if name not in twins or not names & set(twins)]
    if wrapped := _wrapper(names):
        return [wrapped]
    if missing:
        sizes = f"expected {list(expected[missing[0]].shape)}"
        files = listed(dict.fromkeys(tensor.file for tensor in found))
        text = f"{len(missing)} tensors are missing from {files}: {listed(missing)} ({sizes})"
        lines.append(text + _why(missing, expected))
    if unexpected:
        odd = unexpected[0]
        lines.append(
            f"{len(unexpected)} tensors are unexpected: {listed(t.name for t in unexpected)} "
            f"(found {list(odd.shape)} in {odd.file}; config.json: {LAYERS_KEYS[wanted.module == 'llada']} = "
            f"{wanted.layers})"
        )
    for tensor in found:
        one = tensor.expected
        if one is not None and tensor.shape != one.shape:
            known = [f" ({key})" for key in one.keys] or [""] * len(one.shape)
            sizes = ", ".join(f"{n}{key}" for n, key in zip(one.shape, known, strict=True))
            lines.append(f"{tensor.name} is {list(tensor.shape)} in {tensor.file}, expected [{sizes}]")
    return lines[:4] + ([f"and {len(lines) - 4} more"] if len(lines) > 4 else [])


TWINS = ("lm_head.weight", "model.embed_tokens.weight")


def _is_head(one: Expected) -> bool:
    return one.target == "lm_head.weight"


# The prefix that a wrapper adds to the names of tensors -> the cause, and what to save instead.
WRAPPERS = {
    "_orig_mod.": "a compiled model was saved (torch.compile); save `model._orig_mod`",
    "_fsdp_wrapped_module.": "a sharded model was saved (FSDP); gather its whole state and save that",
    "module.": "a model in a wrapper was saved (DataParallel, DeepSpeed); save `model.module`",
    "base_model.model.": "a model with an adapter was saved (peft); merge it first (merge_and_unload)",
}


def _wrapper(names: set[str]) -> str | None:
    """What to say of tensors whose names have a wrapper's prefix, at the front or before a layer's parts."""
    for prefix, cause in WRAPPERS.items():
        wrapped = sorted(name for name in names if f".{prefix}" in f".{name}")
        if wrapped:
            return f"{listed(wrapped, 2)}: {cause}, or remove {prefix!r} from the names"
    return None


def _why(missing: list[str], expected: Mapping[str, Expected]) -> str:
    """What to say of a head that alone is missing."""
    if all(_is_head(expected[name]) for name in missing):
        return "; if the head is the embedding, tie_word_embeddings must be true"
    return ""
