"""What the two capturing rules share: prompts, settings, and one output a prompt that survives a kill.

Snakemake deletes the outputs of a job that was killed, so finished prompts are kept beside the declared
output, in `.NAME.parts`, and become it when all benchmarks of the job are complete.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodpart import sources
from goodpart.capture import capture_prompt, capture_settings
from goodpart.capture_plan import Steps, cache_bytes, chosen_steps
from goodpart.errors import GoodpartError
from goodpart.files import digest, remove, written
from goodpart.hidden_cache import StepStates, safe_name
from goodpart.models import Model, load
from goodpart.parquet import provenance, read_metadata, read_table
from goodpart.prompts import render
from goodpart.runtime import limit_threads, logger, parser, progress
from goodpart.samplers.common import item_seed


@dataclass(frozen=True)
class Capture:
    """One prompt to capture: where its states go, and everything that they depend on."""

    model: Model
    prompt_id: str
    prompt: list[int]
    settings: Any
    steps: Steps
    seed: int
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
        positions = len(self.prompt) + self.settings.max_new_tokens
        return cache_bytes(steps, self.model.layers, positions, self.width, self.facts["dtype"])

    def run(self, take: Callable[[StepStates], None]) -> None:
        """Decode the prompt; `take` gets the states of each step."""
        capture_prompt(self.model, self.prompt_id, self.prompt, self.settings, self.steps, self.seed, take)


def arguments_of(description: str | None, output: str) -> argparse.ArgumentParser:
    """The options of both rules."""
    options = parser(description)
    options.add_argument("--model", required=True, help="name, revision, dtype, device, chat as JSON")
    options.add_argument("--items", type=Path, nargs="+", required=True, help="one file a benchmark")
    options.add_argument("--settings", nargs="+", required=True, help="decoding, as JSON a benchmark")
    options.add_argument("--first", type=int, required=True, help="first prompt of a benchmark")
    options.add_argument("--last", type=int, required=True, help="behind its last prompt")
    options.add_argument("--steps", required=True, help="`all`, a count, or a list of steps, as JSON")
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--output", type=Path, nargs="+", required=True, help=output)
    return options


def prompts_of(arguments: argparse.Namespace, rule: str, suffix: str) -> list[list[Capture]]:
    """Load the model and list each benchmark's prompts; `suffix` ends the name of a prompt's part."""
    limit_threads(arguments.threads)
    entry, steps = json.loads(arguments.model), json.loads(arguments.steps)
    model = load(entry["name"], revision=entry["revision"], dtype=entry["dtype"], device=entry["device"])
    if model.tokenizer is None:
        raise GoodpartError(f"{entry['name']}: the checkpoint has no tokenizer files")
    used = [f"goodpart.{part}.{model.family}" for part in ("families", "samplers")]
    code = sources.digest([f"goodpart.rules.{rule}", *used])
    base = [entry, steps, arguments.seed, code]
    groups = []
    for items_file, text, folder in zip(arguments.items, arguments.settings, arguments.output, strict=True):
        decoding = json.loads(text)
        chosen = read_table(items_file, ["item_id", "prompt"])[arguments.first : arguments.last].to_pylist()
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
                    item["item_id"],
                    prompt,
                    capture_settings(model, decoding),
                    steps,
                    item_seed(arguments.seed, item["item_id"], 0),
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
    groups: list[list[Capture]], folders: list[Path], make: Callable[[Capture, Path], None], key: str
) -> None:
    """Make every part that is not whole yet, then turn each benchmark's parts into its output folder.

    `make(capture, path)` writes one part; `key` is the file in it, if it is a folder, whose metadata count.
    """
    every = [capture for group in groups for capture in group]
    pending = [capture for capture in every if not _whole(capture.part / key, capture.facts["key"])]
    if len(pending) < len(every):
        logger.info("%d of %d prompts are finished already", len(every) - len(pending), len(every))
    for capture in progress(pending, "hidden states"):
        remove(capture.part)  # damaged, or of other settings
        with written(capture.part) as partial:
            make(capture, partial)
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


def _whole(file: Path, key: str) -> bool:
    try:
        return file.exists() and read_metadata(file).get("key") == key
    except GoodpartError:
        return False
