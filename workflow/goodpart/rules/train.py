"""Train one tiny checkpoint from a seed, evaluate it, and write it in its family's public format."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.files import read_jsonl, write_json, written
from goodpart.runtime import limit_threads, logger, parser, run
from goodpart.sandbox import Sandbox


def refuse_too_weak(name: str, reached: dict[str, float], required: float) -> None:
    """Raise GoodpartError when an accuracy is under what the suite requires."""
    weak = [f"{benchmark} {value:.2f}" for benchmark, value in reached.items() if value < required]
    if weak:
        raise GoodpartError(
            f"{name}: {', '.join(weak)} at full depth, and {required:.2f} is required; train it for more "
            "steps (tiny_models.recipes), or lower tiny_models.checked.required"
        )


def main(arguments: argparse.Namespace) -> None:
    """Train and check, then write weights, config, tokenizer, recipe, curve and evaluation."""
    from goodpart.models import load
    from goodpart.tiny.architectures import initial_model, public_config, save
    from goodpart.tiny.corpus import held_out_prompts
    from goodpart.tiny.evaluate import accuracies
    from goodpart.tiny.tokenizer import family_tokenizer
    from goodpart.tiny.train import train

    sandbox = Sandbox()
    sandbox.probe()
    limit_threads(arguments.threads)
    recipe = json.loads(arguments.recipe)
    family = recipe["family"]
    config = public_config(family, recipe["shape"])
    model = initial_model(family, config, recipe["seed"], recipe["embedding_std"])
    if arguments.initial:
        start = load(str(arguments.initial), dtype="float32").module
        if start.config.num_hidden_layers != model.config.num_hidden_layers:
            raise GoodpartError(f"{arguments.initial}: another number of layers than the recipe's")
        model.load_state_dict(start.state_dict())
    tokenizer_json = arguments.corpus / "tokenizer.json"
    rows = {path.name: read_jsonl(path) for path in sorted(arguments.corpus.glob("*.jsonl"))}
    curve = train(
        model,
        family,
        family_tokenizer(tokenizer_json, family),
        held_out_prompts(rows),
        recipe,
        arguments.output.parent / f".{arguments.output.name}.state.safetensors",
        lambda row: logger.info("step %(step)d loss %(loss).4f %(tokens_per_second).0f tokens/s", row),
        compiled=arguments.compiled,
    )
    decoding: dict[str, dict[str, Any]] = json.loads(arguments.decoding)
    with written(arguments.output) as partial:
        save(model, family, config, tokenizer_json, partial)
        reached = accuracies(
            load(str(partial), dtype="float32"),  # as saved: rounded to bfloat16
            {benchmark: rows[f"{benchmark}-test.jsonl"][: arguments.items] for benchmark in decoding},
            recipe["chat_fraction"] == 1,
            decoding,
            sandbox,
        )
        logger.info("accuracy at full depth: %s", reached)
        refuse_too_weak(arguments.output.name, reached, arguments.required)
        write_json(partial / "recipe.json", recipe)
        write_json(partial / "evaluation.json", {"items": arguments.items, "accuracy": reached})
        with (partial / "curve.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, list(curve[0]))
            table.writeheader()
            table.writerows(curve)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--recipe", required=True, help="the recipe as JSON")
    options.add_argument("--corpus", type=Path, required=True, help="folder made by tiny_corpus")
    options.add_argument("--compiled", action="store_true", help="fuse each layer's operations")
    options.add_argument("--initial", type=Path, help="checkpoint folder to start from")
    options.add_argument("--decoding", required=True, help="benchmark -> decoding settings, as JSON")
    options.add_argument("--items", type=int, required=True, help="unseen items a benchmark to check it on")
    options.add_argument("--required", type=float, required=True, help="least accuracy on each benchmark")
    options.add_argument("--output", type=Path, required=True, help="checkpoint folder to write")
    run(main, options.parse_args())
