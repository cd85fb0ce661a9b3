"""What the two capturing rules share: prompts, settings, and one output a prompt that survives a kill.

Snakemake deletes the outputs of a job that was killed, so finished prompts are kept beside the declared
output, in `.NAME.parts`, and become it when all benchmarks of the job are complete. A job that runs again
takes from a copy of that output the prompts that it would capture in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from goodpart.decoding.prompts import batches, render
from goodpart.decoding.samplers.common import item_seed
from goodpart.errors import GoodpartError
from goodpart.jobs import sources
from goodpart.jobs.files import digest, remove, written
from goodpart.jobs.job import Job
from goodpart.jobs.kept_copies import keep_folder, restore_parts
from goodpart.jobs.parquet import provenance, read_metadata, read_table
from goodpart.jobs.runtime import limit_threads, logger, progress
from goodpart.models import gpu
from goodpart.models.loading import Model, load_entry, loaded_tokenizer, read_entry, with_content
from goodpart.states.cache import StepStates, safe_name
from goodpart.states.capture import Prompt, capture_prompts, capture_settings
from goodpart.states.captured_steps import Steps, cache_bytes, chosen_steps


class Source:
    """The model of a job, which is loaded for the first prompt that is not captured yet."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.entry, self.checkpoint = entry, read_entry(entry)

    @cached_property
    def model(self) -> Model:
        """The model, with its weights."""
        return load_entry(self.entry, self.checkpoint)


@dataclass(frozen=True)
class Capture:
    """One prompt to capture: where its states go, and everything that they depend on."""

    source: Source
    place: tuple[str, str]  # names of the model and the benchmark
    prompt: Prompt
    settings: Any
    steps: Steps
    known: dict[str, Any]  # for the metadata
    key: str  # says whether a finished part may be taken up
    part: Path

    @property
    def facts(self) -> dict[str, Any]:
        """The metadata of its files."""
        return provenance(**self.known, dtype=self._dtype, key=self.key)

    @property
    def width(self) -> int:
        """Channels D of a hidden state."""
        return self.source.model.module.config.hidden_size

    @property
    def size(self) -> float:
        """Bytes that its states take in the cache, at most."""
        model = self.source.model
        one_pass = model.tokens.mask is None
        steps = 1 if one_pass else len(chosen_steps(self.steps, self.settings.total_steps))
        positions = len(self.prompt.tokens) + self.settings.max_new_tokens
        return cache_bytes(steps, model.layers, positions, self.width, self._dtype)

    @property
    def _dtype(self) -> str:
        return str(self.source.model.dtype).removeprefix("torch.")


Opened = Callable[[Capture, Path], AbstractContextManager[Callable[[StepStates], None]]]


def prompts_of(job: Job, suffix: str) -> list[list[Capture]]:
    """List each benchmark's prompts; `suffix` ends the name of a prompt's part. No weights are loaded."""
    limit_threads(job.threads)
    entry, steps, seed = job.params.model, job.params.steps, job.params.seed
    source = Source(entry)
    shape, tokenizer = source.checkpoint.architecture, loaded_tokenizer(source.checkpoint)
    used = [f"goodpart.{part}.{shape.family}" for part in ("models.families", "decoding.samplers")]
    used.append(f"goodpart.models.architectures.{shape.module}")
    code = sources.digest([f"scripts.{job.script}", *used])
    base = [with_content(entry, source.checkpoint), steps, seed, code]
    groups = []
    for file, decoding, folder in zip(job.input.item_files, job.params.settings, job.outputs, strict=True):
        rows = read_table(file, ["item_id", "prompt"])[job.params.first : job.params.last]
        chosen = rows.to_pylist()
        facts = {
            "model": entry["name"],
            "revision": entry["revision"],
            "family": shape.family,
            "decode": decoding,
            "capture_steps": steps,
        }
        prompts = render(tokenizer, [item["prompt"] for item in chosen], entry["chat"])
        groups.append(
            [
                Capture(
                    source,
                    (job.wildcards.model, folder.name),
                    Prompt(item["item_id"], prompt, item_seed(seed, item["item_id"], 0)),
                    capture_settings(shape.family, decoding),
                    steps,
                    facts,
                    digest(base, decoding, item["item_id"], prompt),
                    _parts(folder) / (safe_name(item["item_id"]) + suffix),
                )
                for item, prompt in zip(chosen, prompts, strict=True)
            ]
        )
    for group in groups:
        for one, other in pairwise(sorted(group, key=lambda capture: str(capture.part).lower())):
            if str(one.part).lower() == str(other.part).lower():
                raise GoodpartError(
                    f"the items {one.prompt.id!r} and {other.prompt.id!r} give the same file name; rename one"
                )
    return groups


def check_size(every: list[Capture], most: float) -> None:
    """GoodpartError if the states of all prompts would take more than `most` GB; else the log says it."""
    size = sum(capture.size for capture in every) / 1e9
    said = f"hidden states of {len(every)} prompts: {size:.3f} GB at most"
    if size > most:
        raise GoodpartError(
            f"{said}, more than capture.max_gb ({most}); lower capture.stored or capture.steps, or raise it"
        )
    logger.info("%s", said)


def finish(
    groups: list[list[Capture]],
    folders: list[Path],
    opened: Opened,
    key: str,
    batch_size: int,
    most: float | None = None,
) -> None:
    """Make every part that is not whole yet, then turn each benchmark's parts into its output folder.

    `opened(capture, path)` opens one part for writing; `key` is the file in it, if it is a folder, whose
    metadata count. `most`: GB that all parts may take (see `check_size`). Prompts of similar length are
    decoded together; a kill loses one batch of them.
    """
    every = [capture for group in groups for capture in group]
    todo: list[list[Capture]] = []
    for group, folder in zip(groups, folders, strict=True):
        restore_parts(folder, _parts(folder))
        left = [capture for capture in group if not _whole(capture.part / key, capture.key)]
        lengths = [len(capture.prompt.tokens) for capture in left]
        todo += [[left[i] for i in batch] for batch in batches(lengths, batch_size)]
    pending = sum(map(len, todo))
    if pending < len(every):
        logger.info("%d of %d prompts are finished already", len(every) - pending, len(every))
    if pending and most is not None:
        check_size(every, most)
    sizes = gpu.Batches(batch_size)
    for batch in progress(todo, "hidden states", len):
        for _ in sizes.run(partial(_make, opened), batch):
            pass
    for group, folder in zip(groups, folders, strict=True):
        parts = _parts(folder)
        parts.mkdir(parents=True, exist_ok=True)
        for left in set(parts.iterdir()) - {capture.part for capture in group}:
            remove(left)  # of other prompts, or half of one
    for folder in folders:
        remove(folder)
        _parts(folder).replace(folder)
        keep_folder(folder)
        files = [file for file in folder.rglob("*") if file.is_file()]
        logger.info("%s: %.1f MB", folder, sum(file.stat().st_size for file in files) / 1e6)


def _parts(folder: Path) -> Path:
    """Where finished prompts lie until all of them are."""
    return folder.with_name(f".{folder.name}.parts")


def _make(opened: Opened, batch: list[Capture]) -> None:
    """Write the parts of one batch, which appear when all of it is captured."""
    with ExitStack() as stack:
        takes = []
        for capture in batch:
            remove(capture.part)  # damaged, or of other settings
            takes.append(stack.enter_context(opened(capture, stack.enter_context(written(capture.part)))))
        first = batch[0]
        capture_prompts(
            first.source.model,
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
