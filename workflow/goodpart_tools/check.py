"""Print what a checkpoint is read as, and whether it can be used.

CHECKPOINT is a folder or a hub name. No weight is read but the headers of the files.
"""

from __future__ import annotations

import argparse

from goodpart.models.checkpoints.reading import Checkpoint, read_checkpoint
from goodpart.models.loading import checkpoint_folder


def report(found: Checkpoint) -> str:
    """What was read, one fact a line."""
    shape, ids = found.architecture, found.ids
    names = {
        number: token for token, number in (found.tokenizer.vocabulary if found.tokenizer else {}).items()
    }
    tokenizer = found.tokenizer

    def token(named: object) -> str:
        number, origin = vars(named)["id"], vars(named)["origin"]
        text = f" {names[number]!r}" if number in names else ""
        return f"{number}{text} ({origin})"

    if tokenizer is None:
        kind, template = "none", "none"
    else:
        kind = f"{'tokenizer.json' if tokenizer.fast else 'vocab.json'}, {len(tokenizer.vocabulary)} tokens"
        mistake = found.template_mistake
        template = f"unusable: {mistake}" if mistake else str(tokenizer.template_file)
    facts = {
        "architecture": f"{shape.base or shape.module} (model_type {found.raw['model_type']!r})",
        "decoded as": shape.family,
        "layers": f"{shape.layers}, numbered 0 to {shape.layers - 1}",
        "width": f"{shape.width}, MLP {shape.mlp}",
        "heads": f"{shape.heads} of {shape.head_width} channels, {shape.kv_heads} for keys and values",
        "vocabulary": f"{shape.vocabulary}, the head is {'the embedding' if shape.tied else 'its own'}",
        "rotation": f"{f'base {shape.rope_theta:g}' if not shape.base else 'as transformers has it'}, "
        f"context {shape.context}",
        "mask": token(ids.mask) if ids.mask else "none (autoregressive)",
        "padding": token(ids.pad),
        "ends": ", ".join(map(token, ids.ends)),
        "tokenizer": kind,
        "chat template": template,
        "weights": f"{len(found.tensors)} tensors, {', '.join(found.dtypes)}, {found.nbytes / 1e9:.3g} GB",
    }
    return "\n".join(f"{name:>14}: {value}" for name, value in facts.items())


def main(arguments: argparse.Namespace) -> None:
    """Print what was read, then OK; a GoodpartError says why a checkpoint cannot be used."""
    folder = checkpoint_folder(arguments.checkpoint, arguments.revision)
    print(f"{folder}\n{report(read_checkpoint(folder))}\nOK")


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    options.add_argument("checkpoint", help="checkpoint folder, or hub name")
    options.add_argument("--revision", help="of a hub name")
