"""The healed model as an ordinary checkpoint: all its layers, with the adapters merged into the weights."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodpart.errors import GoodpartError
from goodpart.jobs.downloads import PATTERNS
from goodpart.jobs.files import write_json, written
from goodpart.models.checkpoints.reading import Checkpoint, read_checkpoint
from goodpart.models.export import LEFT

if TYPE_CHECKING:
    import torch

FACTS = "healing.json"
OF_THE_ORIGINAL = LEFT - {"config.json", "model.safetensors.index.json"}


def write_healed(
    source: Checkpoint, changed: Mapping[str, torch.Tensor], facts: Mapping[str, Any], output: Path
) -> None:
    """Write `source` to `output` with the weights that `changed`, named as in transformers' class.

    These keep the dtype that they were trained in; all others are copied bit for bit. `facts` go to
    healing.json. Raises GoodpartError where a changed weight is in none of the files.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file

    left = set(changed)
    with written(output) as partial:
        partial.mkdir(parents=True)
        for shard in dict.fromkeys(tensor.file for tensor in source.tensors):
            tensors: dict[str, torch.Tensor] = {}
            with safe_open(source.folder / shard, framework="pt") as file:
                for tensor in source.tensors:
                    if tensor.file != shard:
                        continue
                    target = tensor.expected.target if tensor.expected else None
                    if target in changed:
                        tensors[tensor.name] = changed[target].cpu().contiguous()
                        left.discard(target)
                    else:
                        tensors[tensor.name] = file.get_tensor(tensor.name)
            save_file(tensors, partial / shard, metadata={"format": "pt"})
        if left:
            raise GoodpartError(f"{source.folder}: no tensor of the files is {min(left)}; report this model")
        for file in {f for kind in PATTERNS["model"] for f in source.folder.glob(kind)}:
            if file.suffix != ".safetensors" and file.name not in OF_THE_ORIGINAL:
                shutil.copyfile(file, partial / file.name)
        write_json(partial / FACTS, dict(facts))
        read_checkpoint(partial)  # every tensor is there
