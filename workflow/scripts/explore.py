"""A page to look at hidden states: values by layer and token, over denoising steps, with the skip sets."""

from __future__ import annotations

import logging
from itertools import chain
from pathlib import Path
from typing import Any

from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation.drawing.selection import FigureData, FigureModel
from goodpart.evaluation.explore.grids import COSINE, NORM, STATISTICS, ZERO, StepGrid, read_prompts, spans
from goodpart.evaluation.explore.page import html, library
from goodpart.evaluation.explore.tokens import texts, tokenizer_folder
from goodpart.jobs.files import write_text
from goodpart.jobs.job import Job
from goodpart.policies.skip_sets import static_layers

LIMIT = 40_000_000  # bytes of values from which the page has no more prompts
# (model, benchmark) -> prompts, each with its steps
Prompts = dict[tuple[str, str], list[tuple[str, list[StepGrid]]]]


def read(measured: FigureData, limit: int = LIMIT) -> tuple[Prompts, bool]:
    """The prompts of every model and benchmark, and whether these are all.

    The first ones of each are taken, then the second ones, and so on, until `limit` bytes are reached.
    """
    readers = {
        (model.name, benchmark): read_prompts(
            {name: measured.files(model, name)[number] for name in STATISTICS}
        )
        for model in measured.models
        for number, benchmark in enumerate(measured.benchmarks)
    }
    found: Prompts = {key: [] for key in readers}
    taken, complete = 0, False
    while taken < limit and not complete:
        new = {key: prompt for key, reader in readers.items() if (prompt := next(reader, None))}
        complete = not new
        for key, prompt in new.items():
            found[key].append(prompt)
            taken += sum(step.nbytes for step in prompt[1])
    if empty := [key for key, prompts in found.items() if not prompts]:
        model, benchmark = empty[0]
        raise GoodpartError(
            f"{measured.results}: the statistics of {model}, {benchmark} lack prompts; delete them and rerun"
        )
    return found, complete or all(next(reader, None) is None for reader in readers.values())


def described(model: FigureModel, prompts: Prompts, job: Job) -> dict[str, Any]:
    """One model as the page's script reads it."""
    own = {benchmark: found for (name, benchmark), found in prompts.items() if name == model.name}
    steps = list(chain.from_iterable(one for found in own.values() for _, one in found))
    folder = tokenizer_folder(**job.params.checkpoints[model.name])
    results = Path(job.params.results)
    where = {"model": model.name, "policy": job.params.policy}
    files = {k: results / paths.SKIP_SET.format(**where, k=k) for k in job.params.ks[model.name]}
    return {
        "name": model.name,
        "label": "" if model.label == model.name else model.label,
        "layers": model.layers,
        "has_texts": folder is not None,
        "tokens": texts(folder, sorted({number for step in steps for number in step.token_ids})),
        "skip_sets": [{"k": k, "layers": static_layers(file, model.layers)} for k, file in files.items()],
        "spans": spans(steps),
        "prompts": [
            {
                "benchmark": job.params.labels[benchmark],
                "id": prompt,
                "steps": [step.packed() for step in its_steps],
            }
            for benchmark, found in own.items()
            for prompt, its_steps in found
        ],
    }


def main(job: Job) -> None:
    """Write the page."""
    script = library()
    measured = FigureData.of(job.params.selection, Path(job.params.results))
    prompts, complete = read(measured)
    data = {
        "policy": job.params.policy,
        "static": job.params.static,
        "complete": complete,
        "scale": {"cosine": COSINE, "norm": NORM, "zero": ZERO},
        "models": [described(model, prompts, job) for model in measured.models],
    }
    text = html(data, script)
    write_text(job.output, text)
    logging.getLogger(__name__).info("%s: %.1f MB", job.output, len(text.encode()) / 1e6)
