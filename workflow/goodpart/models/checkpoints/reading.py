"""A checkpoint as its files describe it: everything but the weights, read strictly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.models.checkpoints.architecture import Architecture, architecture
from goodpart.models.checkpoints.chat_template import template_mistake
from goodpart.models.checkpoints.files import read_object
from goodpart.models.checkpoints.ids import CONFIG, GENERATION, Ids, read_ids
from goodpart.models.checkpoints.tensors import Tensor, read_tensors
from goodpart.models.checkpoints.tokenizer import TokenizerFiles, read_tokenizer


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files fit together; no weight has been read."""

    folder: Path
    raw: Mapping[str, Any]  # config.json
    architecture: Architecture
    tensors: tuple[Tensor, ...]
    tokenizer: TokenizerFiles | None
    ids: Ids

    @property
    def nbytes(self) -> int:
        """Size of the weights in the files."""
        return sum(tensor.nbytes for tensor in self.tensors)

    @property
    def dtypes(self) -> list[str]:
        """Dtypes of the tensors in the files, as the headers name them."""
        return sorted({tensor.dtype for tensor in self.tensors})

    @property
    def template_mistake(self) -> str | None:
        """Why no chat can be rendered, or None where one can."""
        return "there is no tokenizer" if self.tokenizer is None else template_mistake(self.tokenizer)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint's config.json, generation_config.json, tokenizer files and safetensors headers.

    Raises GoodpartError, with file, key or tensor, for everything that is damaged, unknown or contradictory.
    """
    raw = read_object(folder / CONFIG)
    shape = architecture(raw, str(folder / CONFIG))
    tensors = read_tensors(folder, shape)
    generation = read_object(folder / GENERATION) if (folder / GENERATION).exists() else {}
    tokenizer = read_tokenizer(folder)
    files = {CONFIG: raw, GENERATION: generation}
    where = str(folder)
    ids = read_ids(shape.family, shape.vocabulary, files, tokenizer, where, standard=bool(shape.base))
    return Checkpoint(folder, raw, shape, tuple(tensors), tokenizer, ids)


def entry_mistakes(entry: Mapping[str, Any], root: Path) -> Iterator[str]:
    """What is wrong with a model's entry of the configuration and its local folder, as `.key: mistake`."""
    folder = root / entry["path"]
    if folder.is_file():
        yield f".path: {entry['path']} is a file; give the folder that holds it: {Path(entry['path']).parent}"
        return
    if not (folder / CONFIG).is_file():
        yield (
            f".path: {entry['path']} is not a checkpoint (config.json and model.safetensors); correct the "
            "path, or name a hub model with hub: owner/name"
        )
        return
    try:
        found = read_checkpoint(folder)
    except GoodpartError as error:
        yield f".path: {error}"
        return
    shape = found.architecture
    if shape.family != entry["family"]:
        yield f".family: {entry['family']!r}, but the checkpoint is {shape.family!r}; write that"
    if shape.layers != entry["layers"]:
        yield f".layers: {entry['layers']}, but the checkpoint has {shape.layers}; write that"
    if found.tokenizer is None:
        yield f".path: {folder} has no tokenizer files (tokenizer.json); add them"
    elif entry["chat"] and (mistake := found.template_mistake):
        yield f".chat: {folder}: {mistake}; set chat: false, or add a template"
