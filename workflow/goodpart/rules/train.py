"""Train one tiny checkpoint from a seed and write it in its family's public format."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from goodpart.errors import GoodpartError
from goodpart.files import read_jsonl, write_json, written
from goodpart.runtime import limit_threads, logger, parser, run


def main(arguments: argparse.Namespace) -> None:
    """Train, then write weights, config, tokenizer, recipe and curve into the output folder."""
    from goodpart.models import load
    from goodpart.tiny.architectures import initial_model, public_config, save
    from goodpart.tiny.corpus import held_out_prompts
    from goodpart.tiny.tokenizer import family_tokenizer
    from goodpart.tiny.train import train

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
    excluded = held_out_prompts(
        {path.name: read_jsonl(path) for path in sorted(arguments.corpus.glob("*.jsonl"))}
    )
    curve = train(
        model,
        family,
        family_tokenizer(tokenizer_json, family),
        excluded,
        recipe,
        arguments.output.parent / f".{arguments.output.name}.state.safetensors",
        lambda row: logger.info("step %(step)d loss %(loss).4f %(tokens_per_second).0f tokens/s", row),
    )
    with written(arguments.output) as partial:
        save(model, family, config, tokenizer_json, partial)
        write_json(partial / "recipe.json", recipe)
        with (partial / "curve.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, ["step", "loss", "tokens", "tokens_per_second"])
            table.writeheader()
            table.writerows(curve)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--recipe", required=True, help="the recipe as JSON")
    options.add_argument("--corpus", type=Path, required=True, help="folder made by tiny_corpus")
    options.add_argument("--initial", type=Path, help="checkpoint folder to start from")
    options.add_argument("--output", type=Path, required=True, help="checkpoint folder to write")
    run(main, options.parse_args())
