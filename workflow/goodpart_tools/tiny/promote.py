"""Promote a trained checkpoint into workflow/resources/models, with its SHA-256 and a model card."""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.jobs.files import read_json, remove, sha256, write_text, written
from goodpart.jobs.parquet import read_metadata, read_table
from goodpart.paths import CONTROLLED_STUDY

KEPT = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "recipe.json",
    "curve.csv",
    "evaluation.json",
)
STUDY = "snakemake --cores 2 controlled_study"


def similarity_lines(study: Path, name: str) -> list[str]:
    """Lines of the card on layer similarities and skip sets, from the controlled study."""
    rows = [r for r in read_table(study).to_pylist() if r["kind"] == "model" and r["name"] == name]
    layers = [r for r in rows if r["measure"] == "layer_cosine" and r["at"] is not None]
    if not layers:
        return []
    policy = read_metadata(study)["selection"]["policy"]
    got = {r["at"]: r["got_k"] for r in rows if r["measure"] == "retention" and r["at"]}
    return [
        f"Cosine of each layer's input and output (prompt positions, first denoising step; `{STUDY}`):",
        "",
        "| layer | cosine |",
        "| --- | --- |",
        *(f"| {r['at']} | {r['value']:.3f} |" for r in layers),
        "",
        f"Layers that the policy `{policy}` finds, of those asked: "
        + ", ".join(f"{found} of {asked}" for asked, found in sorted(got.items()))
        + f" (`{STUDY}`).",
        "",
    ]


def card(name: str, folder: Path, study: Path | None) -> str:
    """The model card (Markdown) of a promoted checkpoint."""
    recipe: dict[str, Any] = read_json(folder / "recipe.json")
    evaluation = read_json(folder / "evaluation.json")
    with (folder / "curve.csv").open(newline="") as file:
        curve = list(csv.DictReader(file))
    tokens, masked = (sum(int(row[key]) for row in curve) for key in ("tokens", "response_tokens"))
    minutes = sum(int(row["tokens"]) / float(row["tokens_per_second"]) for row in curve) / 60
    shape = recipe["shape"]
    train = f"snakemake --cores 2 results/training/{name}"
    role = "diffused" if recipe["objective"] == "diffusion" else "response"
    lines = [
        f"# {name}",
        "",
        f"A tiny {recipe['family']}-format checkpoint: {shape['layers']} layers of width {shape['width']}, "
        f"{shape['heads']} heads, MLP {shape['mlp']}, bfloat16. For tests and for the default run only: it "
        "knows nothing but the four tiny benchmarks' templates.",
        "",
        f"- SHA-256 of model.safetensors: `{sha256(folder / 'model.safetensors')}`",
        f"- Objective: {recipe['objective'].replace('_', ' ')}; "
        + (f"started from {recipe['initial']}" if "initial" in recipe else "random initial weights")
        + f"; {100 * recipe['chat_fraction']:.0f} % of the examples in the chat template.",
        f"- {recipe['steps']} steps of {recipe['batch']} examples, seed {recipe['seed']}: {tokens:,} tokens, "
        f"{masked:,} of them {role}; {minutes:.0f} minutes on one core.",
        f"- Made by `{train}`; the curve is in curve.csv, the recipe in recipe.json and config.yaml. "
        "Held-out items (`workflow/resources/benchmarks`) were excluded from training by content.",
        "- License: Apache-2.0, as the repository.",
        "",
        f"Full-depth accuracy on the first {evaluation['items']} held-out items of each benchmark (checked "
        f"by the training rule; `{STUDY}` measures it again from these weights):",
        "",
        "| benchmark | accuracy |",
        "| --- | --- |",
        *(f"| {benchmark} | {value:.3f} |" for benchmark, value in evaluation["accuracy"].items()),
        "",
    ]
    return "\n".join(lines + (similarity_lines(study, name) if study else []))


def main(arguments: argparse.Namespace) -> None:
    """Copy the checkpoint; with --card-only, only write its card, after the controlled study."""
    name = arguments.model
    target = arguments.models / name
    if not arguments.card_only:
        source = arguments.results / "training" / name
        if not (source / "model.safetensors").exists():
            raise GoodpartError(f"{source}: no trained checkpoint; run `snakemake --cores 2 {source}` first")
        with written(target) as partial:
            partial.mkdir()
            for file in KEPT:
                shutil.copyfile(source / file, partial / file)
            remove(target)  # only when the new one is complete; a folder cannot be renamed onto another
    study = arguments.results / CONTROLLED_STUDY if arguments.card_only else None
    write_text(target / "README.md", card(name, target, study))
    print(json.dumps({"model": name, "sha256": sha256(target / "model.safetensors")}))


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    options.add_argument("model", help="name of the recipe")
    options.add_argument("--results", type=Path, default=Path("results"))
    options.add_argument("--models", type=Path, default=Path("workflow/resources/models"))
    options.add_argument(
        "--card-only",
        action="store_true",
        help="only write the card, after the controlled study of these weights",
    )
