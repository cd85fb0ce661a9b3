"""Write a checkpoint without some of its layers, in its own public format.

Weights are copied tensor by tensor, bit for bit, under renumbered names; the result loads here (Qwen2.5: also
in plain transformers) and gives the tokens that skipping the layers gives. Code that lies beside the weights
is not copied.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs.downloads import MANIFEST, PATTERNS
from goodpart.jobs.files import write_json, written
from goodpart.jobs.runtime import logger
from goodpart.models.architectures import architecture_module
from goodpart.models.architectures.standard import PER_LAYER
from goodpart.models.checkpoints.files import INDEX, WEIGHTS
from goodpart.models.checkpoints.reading import Checkpoint, read_checkpoint
from goodpart.models.skipping import check_layers

# Written anew, or true of the original alone: where it was fetched from, how it was trained and judged.
LEFT = {"config.json", INDEX, MANIFEST, "recipe.json", "evaluation.json"}


def shorter_config(raw: dict[str, Any], key: str, kept: Sequence[int]) -> dict[str, Any]:
    """config.json of a model of the layers `kept`; `key` holds their number."""
    total = raw.get(key)
    config = {**raw, key: len(kept)}
    for name in PER_LAYER:
        if config.get(name):
            config[name] = [config[name][i] for i in kept]
    if config.get("max_window_layers") == total:
        config["max_window_layers"] = len(kept)
    return config


def _config(folder: Path, source: Checkpoint, kept: Sequence[int]) -> dict[str, Any]:
    """config.json without other layers than `kept`; GoodpartError where that is another model."""
    shape, raw = source.architecture, dict(source.raw)
    architecture = architecture_module(shape.module)
    if not shape.base:
        return shorter_config(raw, architecture.LAYERS_KEY, kept)
    # What a rule makes of the number of layers is written out before that changes.
    where = str(folder / "config.json")
    raw |= architecture.per_layer(raw, shape.base, where)
    config = shorter_config(raw, architecture.LAYERS_KEY, kept)
    architecture.refuse_other_constants(raw, config, shape.base, where)
    return config


def export(folder: Path, layers: Sequence[int], output: Path) -> None:
    """Write the checkpoint in `folder` without `layers` (numbered from 0) to `output`, file by file.

    Raises GoodpartError for layers that do not exist, repeat or are all, a checkpoint that is not understood
    in every tensor, layers that hold a number which depends on how many there are, or an output that exists.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file

    if output.exists():
        raise GoodpartError(f"{output}: exists; name a new folder, or remove it first")
    source = read_checkpoint(folder)
    skipped = check_layers(layers, source.architecture.layers)
    kept = [i for i in range(source.architecture.layers) if i not in skipped]
    number = {old: new for new, old in enumerate(kept)}
    shards: dict[str, dict[str, str]] = {}  # file -> name before -> name after
    for tensor in source.tensors:
        names = shards.setdefault(tensor.file, {})
        if tensor.layer is None:
            names[tensor.name] = tensor.name
        elif tensor.layer in number:
            names[tensor.name] = tensor.renumbered(number[tensor.layer])
    config = _config(folder, source, kept)
    where: dict[str, str] = {}
    size = 0
    with written(output) as partial:
        partial.mkdir(parents=True)
        for shard, names in shards.items():
            with safe_open(folder / shard, framework="pt") as file:
                tensors = {new: file.get_tensor(old) for old, new in names.items()}
            if tensors:
                save_file(tensors, partial / shard, metadata={"format": "pt"})
            where |= dict.fromkeys(tensors, shard)
            size += sum(tensor.nbytes for tensor in tensors.values())
            logger.info("%s: %d tensors", shard, len(tensors))
        if set(shards) != {WEIGHTS}:
            write_json(partial / INDEX, {"metadata": {"total_size": size}, "weight_map": where})
        write_json(partial / "config.json", config)
        for file in {f for kind in PATTERNS["model"] for f in folder.glob(kind)}:
            if file.is_file() and file.suffix != ".safetensors" and file.name not in LEFT:
                shutil.copyfile(file, partial / file.name)
        read_checkpoint(partial)  # every tensor of fewer layers is there, and no other
