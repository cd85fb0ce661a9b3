"""Heal a model without some layers, and write it as a checkpoint of all its layers."""

from __future__ import annotations

import time

from goodpart.decoding.decode import settings_for
from goodpart.errors import GoodpartError
from goodpart.jobs import sources
from goodpart.jobs.files import digest, remove
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_table
from goodpart.jobs.runtime import limit_threads, logger
from goodpart.models.flops import Shape, decode_flops, passes
from goodpart.models.loading import Model, load_entry, read_entry, with_content
from goodpart.policies.healing.adapters import Adapters, require_peft
from goodpart.policies.healing.checkpoint import write_healed
from goodpart.policies.healing.examples import Example, completed, split, unevaluated
from goodpart.policies.healing.training import measured, train
from goodpart.policies.skip_sets import static_layers

REPORT_EVERY = 20  # steps


def main(job: Job) -> None:
    """Complete the calibration prompts at full depth, train towards that model, write the merged weights."""
    require_peft()
    limit_threads(job.threads)
    entry, heal = job.params.model, job.params.heal
    layers = static_layers(job.input.skip_set, entry["layers"])
    checkpoint = read_entry(entry)
    began = time.perf_counter()
    model = load_entry(entry, checkpoint)
    examples, cost = _examples(job, model)
    trained, held_out = split(examples)
    adapters = Adapters(model, layers, heal["rank"], heal["seed"])
    size = sum(weight.numel() for weight in adapters.weights.values())

    def divergence() -> list[float]:
        return measured(model, adapters, layers, held_out, heal["seed"], heal["batch"])

    def report(step: int, loss: float) -> None:
        if step % REPORT_EVERY == 0 or step == heal["steps"]:
            logger.info("step %d of %d, KL %.4f", step, heal["steps"], loss)

    before = divergence()
    state = job.output.with_name(f".{job.output.name}.state.safetensors")
    code = sources.digest(["goodpart.policies.healing.training"])
    made_of = with_content(entry, checkpoint)
    key = digest(made_of, layers, heal, code, [vars(example) for example in examples])
    progress = train(model, adapters, layers, trained, heal, state, key, report)
    after = divergence()
    facts = {
        "model": {"name": entry["name"], "revision": entry["revision"], "content": entry["content"]},
        "layers_skipped": layers,
        "heal": heal,
        "prompts": [len(trained), len(held_out)],  # trained on, and held out
        "parameters": size,
        "flops": {"completions": cost, "training": progress.flops},
        "kl_before": before,  # to full depth in nats, of each held-out prompt
        "kl_after": after,
        "losses": progress.losses,
        "seconds": time.perf_counter() - began,
    }
    remove(job.output)
    write_healed(checkpoint, adapters.merged(), facts, job.output)
    remove(state)
    means = [sum(values) / len(values) for values in (before, after)]
    logger.info("%s: KL of %d held-out prompts %.4f, was %.4f", job.output, len(before), *reversed(means))


def _examples(job: Job, model: Model) -> tuple[list[Example], int]:
    """Completions of the calibration prompts that are not evaluated, and the operations that they took."""
    params = job.params
    shape = Shape.of_module(model.module.config)
    evaluated: set[str] = set()
    for file in job.input.evaluated:
        evaluated.update(read_table(file, ["prompt"])["prompt"].to_pylist())
    found: list[Example] = []
    cost = 0
    for file, arguments in zip(job.input.item_files, params.settings, strict=True):
        items = read_table(file, ["item_id", "prompt"]).to_pylist()
        chosen = unevaluated(items, evaluated, params.heal["prompts"])
        if not chosen:
            raise GoodpartError(f"{file}: every prompt is an evaluated one; name another calibration split")
        made = completed(
            model,
            chosen,
            settings_for(model, **arguments),
            chat=params.model["chat"],
            seed=params.seed,
            batch_size=params.batch_size,
        )
        logger.info("%s: %d of %d prompts", file, len(made), len(items))
        for example in made:
            at = passes(model.family, arguments, len(example.prompt), example.passes, example.commits)
            cost += decode_flops(shape, at)
        found += made
    return found, cost
