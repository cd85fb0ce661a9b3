"""Generate completions for a range of a benchmark's items, with layers skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from goodpart.decoding.prompts import render
from goodpart.decoding.samplers.common import item_seed
from goodpart.errors import GoodpartError
from goodpart.evaluation.completions import (
    SCHEMA,
    Asked,
    generate,
    neighbours,
    remove_overlapping,
    twin,
    with_kl,
)
from goodpart.jobs import sources
from goodpart.jobs.files import digest
from goodpart.jobs.job import Job
from goodpart.jobs.journal import Journal
from goodpart.jobs.kept_copies import keep, restore
from goodpart.jobs.parquet import provenance, read_table, write_rows
from goodpart.jobs.runtime import limit_threads, logger
from goodpart.models.checkpoints.files import content_state
from goodpart.models.checkpoints.reading import Checkpoint
from goodpart.models.families import family_module
from goodpart.models.flops import Shape
from goodpart.models.loading import load_entry, loaded_tokenizer, read_entry, with_content
from goodpart.models.memory import batch_that_fits
from goodpart.policies.skip_sets import SkipSet, read_skip_set

# What a completion depends on, beside its model's family and sampler.
GENERATING = ("decoding.decode", "decoding.prompts", "models.skipping")


def main(job: Job) -> None:
    """Write one shard; a complete shard of the same settings is reused."""
    limit_threads(job.threads)
    params, first_item, last_item = job.params, int(job.wildcards.first), int(job.wildcards.last)
    skip_set = read_skip_set(job.input.skip_set or None, params.model["layers"])
    healed = job.input.healed or None  # fine-tuned weights of the same model
    entry = {**params.model, "name": str(healed), "revision": None} if healed else params.model
    checkpoint = read_entry(entry)
    settings = family_module(checkpoint.architecture.family).Settings(**params.settings)
    asked = _asked(job, checkpoint, skip_set, settings.max_new_tokens)
    full = job.input.full or None
    measured = max(0, min(params.kl_items, last_item + 1) - first_item) if full else 0
    facts = {
        "keys": [one.key for one in asked],
        "kl": [params.kl_states, measured * params.samples, sources.digest(["goodpart.decoding.kl"])],
    }
    if restore(job.output, facts):
        logger.info("%s: complete, kept", job.output)
        remove_overlapping(job.output)
        return
    others = neighbours(job.output)
    if same := twin(others, facts):
        rows, loaded = same
        write_rows(job.output, rows, SCHEMA, provenance(**facts, **_made_by(loaded, skip_set, params)))
        _finish(job.output, Journal(job.output))
        logger.info("%s: completions of another cell with the same layers", job.output)
        return
    model = load_entry(entry, checkpoint)  # only now: a shard that is complete needs no weights
    journal = Journal(job.output, others, facts["keys"])
    skip_at = skip_set.skip_at(settings.total_steps)
    longest = max(len(one.prompt) for one in asked)
    batch_size = batch_that_fits(model, settings, longest, params.batch_size)
    rows = generate(model, asked, settings, batch_size, journal, skip_at)
    if measured:
        columns = ["canvas", "commit_steps", "forward_passes"]
        first = read_table(full, columns).to_pylist()[: measured * params.samples]

        def layers_at(index: int, step: int) -> Sequence[int]:
            return skip_at(step) if skip_at else asked[index].layers

        reference = load_entry(params.model) if healed else None  # whose full depth it is
        rows = with_kl(
            model, rows, asked, first, layers_at, settings, params.kl_states, batch_size, reference=reference
        )
    loaded = {
        "family": model.family,
        "dtype": str(model.dtype).removeprefix("torch."),
        "shape": asdict(Shape.of_module(model.module.config)),
    }
    write_rows(job.output, rows, SCHEMA, provenance(**facts, **_made_by(loaded, skip_set, params)))
    _finish(job.output, journal)
    logger.info("%s: %d completions, %.1f s", job.output, len(rows), sum(row["seconds"] for row in rows))


def _finish(shard: Path, journal: Journal) -> None:
    keep(shard)
    journal.remove()
    remove_overlapping(shard)


def _asked(job: Job, checkpoint: Checkpoint, skip_set: SkipSet, new_tokens: int) -> list[Asked]:
    """The completions of the job's items: their prompts, seeds, layers and keys."""
    params, first, last = job.params, int(job.wildcards.first), int(job.wildcards.last)
    items = read_table(job.input.item_file, ["item_id", "benchmark", "prompt"]).to_pylist()
    items = items[first : last + 1]
    if len(items) < last + 1 - first:
        raise GoodpartError(f"{job.input.item_file}: fewer items than {last + 1}; delete it and run again")
    family = checkpoint.architecture.family
    used = [f"goodpart.{part}.{family}" for part in ("models.families", "decoding.samplers")]
    used.append(f"goodpart.models.architectures.{checkpoint.architecture.module}")
    code = sources.digest([f"goodpart.{name}" for name in GENERATING] + used)
    base = [SCHEMA.names, with_content(params.model, checkpoint), params.seed, code]
    if job.input.healed:
        base.append(content_state(checkpoint.folder))
    asked = []
    prompts = render(loaded_tokenizer(checkpoint), [item["prompt"] for item in items], params.model["chat"])
    for item, prompt in zip(items, prompts, strict=True):
        if len(prompt) + new_tokens > params.context:
            raise GoodpartError(
                f"{item['item_id']}: {len(prompt)} prompt tokens and {new_tokens} new ones are more than "
                f"generation.context ({params.context}); lower max_new_tokens, or raise it"
            )
        name, layers = item["item_id"], tuple(skip_set.of_item(item["benchmark"], item["item_id"]))
        state = skip_set.state(item["benchmark"], name)
        for sample in range(params.samples):
            key = digest(base, state, params.settings, name, sample, prompt)
            asked.append(Asked(key, name, sample, item_seed(params.seed, name, sample), prompt, layers))
    return asked


def _made_by(loaded: Mapping[str, Any], skip_set: SkipSet, params: Any) -> dict[str, Any]:
    """Metadata of the shard: the model, its `loaded` family, dtype and shape, and its decoding."""
    return {
        "model": params.model["name"],
        "revision": params.model["revision"],
        **{name: loaded[name] for name in ("family", "dtype", "shape")},
        "decode": params.settings,
        "layers_skipped": skip_set.layers if skip_set.layers is not None else f"by {skip_set.by}",
        "seed": params.seed,
    }
