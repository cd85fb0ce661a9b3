"""Write a checkpoint without some of its layers, in its own public format.

    python -m goodpart.export MODEL --layers 9 11 --output FOLDER
    python -m goodpart.export MODEL --skip-set results/skip_sets/.../k2.json --output FOLDER

MODEL is a folder or a hub name. Weights are copied tensor by tensor, bit for bit, under renumbered names;
the result loads here (Qwen2.5: also in plain transformers) and gives the tokens that skipping the layers
gives. Code that lies beside the weights is not copied.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goodpart.downloads import MANIFEST, PATTERNS
from goodpart.errors import GoodpartError
from goodpart.families import family_module, family_of
from goodpart.files import read_json, write_json, written
from goodpart.models import check_weights, checkpoint_folder
from goodpart.runtime import logger, parser, run
from goodpart.skip_sets import read_skip_set
from goodpart.skipping import check_layers

INDEX = "model.safetensors.index.json"
# Written anew, or true of the original alone: where it was fetched from, how it was trained and judged.
LEFT = {"config.json", INDEX, MANIFEST, "recipe.json", "evaluation.json"}


def shorter_config(raw: dict[str, Any], key: str, kept: Sequence[int]) -> dict[str, Any]:
    """config.json of a model of the layers `kept`; `key` holds their number."""
    total = raw[key]
    config = {**raw, key: len(kept)}
    if "layer_types" in config:
        config["layer_types"] = [config["layer_types"][i] for i in kept]
    if config.get("max_window_layers") == total:
        config["max_window_layers"] = len(kept)
    return config


def export(folder: Path, layers: Sequence[int], output: Path) -> None:
    """Write the checkpoint in `folder` without `layers` (numbered from 0) to `output`, file by file.

    Raises GoodpartError for layers that do not exist, repeat or are all, a checkpoint without safetensors,
    or an output that exists.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file

    if output.exists():
        raise GoodpartError(f"{output}: exists; name a new folder, or remove it first")
    check_weights(folder)
    raw = read_json(folder / "config.json")
    family = family_module(family_of(raw, str(folder / "config.json")))
    skipped = check_layers(layers, raw[family.LAYERS_KEY])
    kept = [i for i in range(raw[family.LAYERS_KEY]) if i not in skipped]
    number = {old: new for new, old in enumerate(kept)}
    pattern = re.compile(rf"{re.escape(family.LAYERS_PREFIX)}(\d+)\.")

    def renamed(name: str) -> str | None:
        found = pattern.match(name)
        if not found:
            return name
        new = number.get(int(found[1]))
        return None if new is None else f"{family.LAYERS_PREFIX}{new}.{name[found.end() :]}"

    sharded = not (folder / "model.safetensors").exists()
    names = (
        sorted(set(read_json(folder / INDEX)["weight_map"].values())) if sharded else ["model.safetensors"]
    )
    where: dict[str, str] = {}
    size = 0
    with written(output) as partial:
        partial.mkdir(parents=True)
        for shard in names:
            with safe_open(folder / shard, framework="pt") as file:
                pairs = [(old, renamed(old)) for old in file.keys()]  # noqa: SIM118
                tensors = {new: file.get_tensor(old) for old, new in pairs if new is not None}
            if tensors:
                save_file(tensors, partial / shard, metadata={"format": "pt"})
            where |= dict.fromkeys(tensors, shard)
            size += sum(tensor.nbytes for tensor in tensors.values())
            logger.info("%s: %d of %d tensors", shard, len(tensors), len(pairs))
        if sharded:
            write_json(partial / INDEX, {"metadata": {"total_size": size}, "weight_map": where})
        write_json(partial / "config.json", shorter_config(raw, family.LAYERS_KEY, kept))
        for file in {f for kind in PATTERNS["model"] for f in folder.glob(kind)}:
            if file.suffix != ".safetensors" and file.name not in LEFT:
                shutil.copyfile(file, partial / file.name)


def main(arguments: argparse.Namespace) -> None:
    """Export one model."""
    folder, layers = checkpoint_folder(arguments.model, arguments.revision), arguments.layers
    if arguments.skip_set:
        raw = read_json(folder / "config.json")
        family = family_module(family_of(raw, str(folder / "config.json")))
        layers = read_skip_set(arguments.skip_set, raw[family.LAYERS_KEY]).layers
        if layers is None:
            raise GoodpartError(f"{arguments.skip_set}: holds several sets, and a checkpoint has one")
    export(folder, layers, arguments.output)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("model", help="checkpoint folder, or hub name")
    options.add_argument("--revision", help="of a hub name")
    chosen = options.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--layers", type=int, nargs="+", help="layers to leave out, numbered from 0")
    chosen.add_argument("--skip-set", type=Path, help="JSON file whose `layers` to leave out")
    options.add_argument("--output", type=Path, required=True, help="folder to write")
    run(main, options.parse_args())
