"""What the two capturing rules share: prompts, settings, and one output a prompt that survives a kill.

Snakemake deletes the outputs of a job that was killed, so finished prompts are kept beside the declared
output, in `.NAME.parts`, and become it when all benchmarks of the job are complete.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from goodpart.decoding.prompts import batches, render
from goodpart.decoding.samplers.common import item_seed
from goodpart.errors import GoodpartError
from goodpart.jobs import sources
from goodpart.jobs.files import digest, remove, written
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import provenance, read_metadata, read_table
from goodpart.jobs.runtime import limit_threads, logger, progress
from goodpart.models import gpu
from goodpart.models.loading import Model, load_entry
from goodpart.states.cache import StepStates, safe_name
from goodpart.states.capture import Prompt, capture_prompts, capture_settings
from goodpart.states.captured_steps import Steps, cache_bytes, chosen_steps


@dataclass(frozen=True)
class Capture:
    """One prompt to capture: where its states go, and everything that they depend on."""

    model: Model
    place: tuple[str, str]  # names of the model and the benchmark
    prompt: Prompt
    settings: Any
    steps: Steps
    facts: dict[str, Any]  # for the metadata; `key` says whether a finished part may be taken up
    part: Path

    @property
    def width(self) -> int:
        """Channels D of a hidden state."""
        return self.model.module.config.hidden_size

    @property
    def size(self) -> float:
        """Bytes that its states take in the cache, at most."""
        one_pass = self.model.tokens.mask is None
        steps = 1 if one_pass else len(chosen_steps(self.steps, self.settings.total_steps))
        positions = len(self.prompt.tokens) + self.settings.max_new_tokens
        return cache_bytes(steps, self.model.layers, positions, self.width, self.facts["dtype"])


Opened = Callable[[Capture, Path], AbstractContextManager[Callable[[StepStates], None]]]


def prompts_of(job: Job, suffix: str) -> list[list[Capture]]:
    """Load the model and list each benchmark's prompts; `suffix` ends the name of a prompt's part."""
    limit_threads(job.threads)
    entry, steps, seed = job.params.model, job.params.steps, job.params.seed
    model = load_entry(entry)
    used = [f"goodpart.{part}.{model.family}" for part in ("models.families", "decoding.samplers")]
    used.append(f"goodpart.models.architectures.{model.architecture}")
    code = sources.digest([f"scripts.{job.script}", *used])
    base = [entry, steps, seed, code]
    groups = []
    for file, decoding, folder in zip(job.input.item_files, job.params.settings, job.outputs, strict=True):
        rows = read_table(file, ["item_id", "prompt"])[job.params.first : job.params.last]
        chosen = rows.to_pylist()
        facts = {
            "model": entry["name"],
            "revision": entry["revision"],
            "family": model.family,
            "dtype": str(model.dtype).removeprefix("torch."),
            "decode": decoding,
            "capture_steps": steps,
        }
        prompts = render(model.tokenizer, [item["prompt"] for item in chosen], entry["chat"])
        groups.append(
            [
                Capture(
                    model,
                    (job.wildcards.model, folder.name),
                    Prompt(item["item_id"], prompt, item_seed(seed, item["item_id"], 0)),
                    capture_settings(model, decoding),
                    steps,
                    provenance(**facts, key=digest(base, decoding, item["item_id"], prompt)),
                    folder.with_name(f".{folder.name}.parts") / (safe_name(item["item_id"]) + suffix),
                )
                for item, prompt in zip(chosen, prompts, strict=True)
            ]
        )
    return groups


def check_size(groups: list[list[Capture]], most: float) -> None:
    """GoodpartError if the states of all prompts would take more than `most` GB; else the log says it."""
    every = [capture for group in groups for capture in group]
    size = sum(capture.size for capture in every) / 1e9
    said = f"hidden states of {len(every)} prompts: {size:.3f} GB at most"
    if size > most:
        raise GoodpartError(
            f"{said}, more than capture.max_gb ({most}); lower capture.stored or capture.steps, or raise it"
        )
    logger.info("%s", said)


def finish(
    groups: list[list[Capture]], folders: list[Path], opened: Opened, key: str, batch_size: int
) -> None:
    """Make every part that is not whole yet, then turn each benchmark's parts into its output folder.

    `opened(capture, path)` opens one part for writing; `key` is the file in it, if it is a folder, whose
    metadata count. Prompts of similar length are decoded together; a kill loses one batch of them.
    """
    every = [capture for group in groups for capture in group]
    todo: list[list[Capture]] = []
    for group in groups:
        left = [capture for capture in group if not _whole(capture.part / key, capture.facts["key"])]
        lengths = [len(capture.prompt.tokens) for capture in left]
        todo += [[left[i] for i in batch] for batch in batches(lengths, batch_size)]
    pending = sum(map(len, todo))
    if pending < len(every):
        logger.info("%d of %d prompts are finished already", len(every) - pending, len(every))
    sizes = gpu.Batches(batch_size)
    for batch in progress(todo, "hidden states", len):
        for _ in sizes.run(partial(_make, opened), batch):
            pass
    for group, folder in zip(groups, folders, strict=True):
        parts = folder.with_name(f".{folder.name}.parts")
        parts.mkdir(parents=True, exist_ok=True)
        for left in set(parts.iterdir()) - {capture.part for capture in group}:
            remove(left)  # of other prompts, or half of one
    for folder in folders:
        remove(folder)
        folder.with_name(f".{folder.name}.parts").replace(folder)
        files = [file for file in folder.rglob("*") if file.is_file()]
        logger.info("%s: %.1f MB", folder, sum(file.stat().st_size for file in files) / 1e6)


def _make(opened: Opened, batch: list[Capture]) -> None:
    """Write the parts of one batch, which appear when all of it is captured."""
    with ExitStack() as stack:
        takes = []
        for capture in batch:
            remove(capture.part)  # damaged, or of other settings
            takes.append(stack.enter_context(opened(capture, stack.enter_context(written(capture.part)))))
        first = batch[0]
        capture_prompts(
            first.model,
            [capture.prompt for capture in batch],
            first.settings,
            first.steps,
            lambda row, states: takes[row](states),
        )


def _whole(file: Path, key: str) -> bool:
    try:
        return file.exists() and read_metadata(file).get("key") == key
    except GoodpartError:
        return False
