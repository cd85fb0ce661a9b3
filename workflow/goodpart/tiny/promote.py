"""Promote a trained checkpoint into workflow/resources/models, with its SHA-256 and a model card."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.files import read_json, sha256, write_text, written
from goodpart.parquet import read_table
from goodpart.paths import CELLS, FULL_DEPTH
from goodpart.runtime import parser, run

KEPT = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def accuracies(results: Path, model: str) -> list[str]:
    """Full-depth accuracy on each benchmark, from the cells of a run with these weights."""
    cells = read_table(results / CELLS).to_pylist()
    chosen = [c for c in cells if c["model"] == model and c["policy"] == FULL_DEPTH]
    return [f"| {c['benchmark']} | {c['n']} | {c['accuracy']:.2f} |" for c in chosen]


def card(name: str, folder: Path, recipe: dict[str, Any], measured: list[str]) -> str:
    """The model card (Markdown)."""
    shape = recipe["shape"]
    lines = [
        f"# {name}",
        "",
        f"A tiny {recipe['family']}-format checkpoint: {shape['layers']} layers of width {shape['width']}, "
        f"{shape['heads']} heads, MLP {shape['mlp']}, bfloat16. For tests and for the default run only: it "
        "knows nothing but the four tiny benchmarks' templates.",
        "",
        f"- SHA-256 of model.safetensors: `{sha256(folder / 'model.safetensors')}`",
        f"- Objective: {recipe['objective'].replace('_', ' ')}, {recipe['steps']} steps of {recipe['batch']} "
        f"examples, seed {recipe['seed']}, {100 * recipe['chat_fraction']:.0f} % in the chat template"
        + (f"; started from {recipe['initial']}." if "initial" in recipe else "; random initial weights."),
        f"- Made by `snakemake --cores 2 results/training/{name}`; the curve is in curve.csv, the recipe in "
        "recipe.json and config.yaml. Held-out items (`workflow/resources/benchmarks`) were excluded from "
        "training by content.",
        "- License: Apache-2.0, as the repository.",
        "",
    ]
    if measured:
        lines += [
            "Full-depth accuracy on held-out items (`snakemake results/cells.parquet`):",
            "",
            "| benchmark | items | accuracy |",
            "| --- | --- | --- |",
            *measured,
            "",
        ]
    return "\n".join(lines)


def main(arguments: argparse.Namespace) -> None:
    """Copy the checkpoint, or with --card-only write its card anew once it has been evaluated."""
    name = arguments.model
    target = arguments.models / name
    if not arguments.card_only:
        source = arguments.results / "training" / name
        if not (source / "model.safetensors").exists():
            raise GoodpartError(f"{source}: no trained checkpoint; run `snakemake --cores 2 {source}` first")
        if target.exists():
            shutil.rmtree(target)
        with written(target) as partial:
            partial.mkdir()
            for file in (*KEPT, "recipe.json", "curve.csv"):
                shutil.copyfile(source / file, partial / file)
    measured = []
    if (arguments.results / CELLS).exists() and arguments.card_only:
        measured = accuracies(arguments.results, name)
    recipe = read_json(target / "recipe.json")
    write_text(target / "README.md", card(name, target, recipe, measured))
    print(json.dumps({"model": name, "sha256": sha256(target / "model.safetensors")}))


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("model", help="name of the recipe")
    options.add_argument("--results", type=Path, default=Path("results"))
    options.add_argument("--models", type=Path, default=Path("workflow/resources/models"))
    options.add_argument("--card-only", action="store_true", help="write the card from results/cells.parquet")
    run(main, options.parse_args())
