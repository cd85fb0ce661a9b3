"""Train one tiny checkpoint from a seed, evaluate it, and write it in its family's public format."""

from __future__ import annotations

import csv
from typing import Any

from goodpart.benchmarks.sandbox import Sandbox
from goodpart.errors import GoodpartError
from goodpart.jobs import sources
from goodpart.jobs.files import digest, read_jsonl, remove, sha256, write_json, written
from goodpart.jobs.job import Job
from goodpart.jobs.runtime import limit_threads, logger


def refuse_outside(name: str, reached: dict[str, float], least: float, most: float) -> None:
    """Raise GoodpartError for an accuracy near a floor or a ceiling, where skipping layers shows no loss."""
    wrong = [f"{benchmark} {value:.2f}" for benchmark, value in reached.items() if not least <= value <= most]
    if wrong:
        raise GoodpartError(
            f"{name}: {', '.join(wrong)} at full depth, and {least:.2f} to {most:.2f} is required of a model "
            "that is compared; train it for more or fewer steps (tiny_models.recipes), or take it out of "
            "tiny_models.checked.matched"
        )


def main(job: Job) -> None:
    """Train and check, then write weights, config, tokenizer, recipe, curve and evaluation."""
    from goodpart.models.checkpoints.files import content_state
    from goodpart.models.loading import load
    from goodpart_tools.tiny.architectures import initial_model, public_config, save
    from goodpart_tools.tiny.corpus import held_out_prompts
    from goodpart_tools.tiny.evaluate import accuracies, solved
    from goodpart_tools.tiny.tokenizer import family_tokenizer
    from goodpart_tools.tiny.train import train

    sandbox = Sandbox()
    sandbox.probe()
    limit_threads(job.threads)
    recipe = job.params.recipe
    family = recipe["family"]
    config = public_config(family, recipe["shape"])
    model = initial_model(family, config, recipe["seed"], recipe["embedding_std"])
    if job.input.initial:
        start = load(str(job.input.initial), dtype="float32").module
        if start.config.num_hidden_layers != model.config.num_hidden_layers:
            raise GoodpartError(f"{job.input.initial}: another number of layers than the recipe's")
        model.load_state_dict(start.state_dict())
    tokenizer_json = job.input.corpus / "tokenizer.json"
    rows = {path.name: read_jsonl(path) for path in sorted(job.input.corpus.glob("*.jsonl"))}
    state = job.output.with_name(f".{job.output.name}.state.safetensors")
    corpus = {path.name: sha256(path) for path in job.input.corpus.iterdir() if path.is_file()}
    initial = content_state(job.input.initial) if job.input.initial else None
    used = [f"goodpart_tools.tiny.{module}" for module in ("architectures", "tokenizer", "train")]
    curve = train(
        model,
        family,
        family_tokenizer(tokenizer_json, family),
        held_out_prompts(rows),
        recipe,
        state,
        lambda row: logger.info("step %(step)d loss %(loss).4f %(tokens_per_second).0f tokens/s", row),
        key=digest(corpus, initial, sources.digest(used)),
        compiled=job.params.compiled,
    )
    decoding: dict[str, dict[str, Any]] = job.params.decoding
    with written(job.output) as partial:
        save(model, family, config, tokenizer_json, partial)
        found = solved(
            load(str(partial), dtype="float32"),  # as saved: rounded to bfloat16
            {benchmark: rows[f"{benchmark}-test.jsonl"][: job.params.items] for benchmark in decoding},
            recipe["chat_fraction"] == 1,
            decoding,
            sandbox,
        )
        reached = accuracies(found)
        logger.info("accuracy at full depth: %s", reached)
        refuse_outside(job.output.name, reached, *job.params.bounds)
        write_json(partial / "recipe.json", recipe)
        evaluation = {"items": job.params.items, "accuracy": reached, "solved": found}
        write_json(partial / "evaluation.json", evaluation)
        with (partial / "curve.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, list(curve[0]))
            table.writeheader()
            table.writerows(curve)
    remove(state)
