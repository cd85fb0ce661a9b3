"""What a run costs, before it starts.

GPU hours from the operations of decoding and a stated rate, disk, downloads, and the GPU memory each model
needs; with --check, whether hub, token, disk and GPU suffice. No weights are read and, without --check,
nothing is asked of the network.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from goodpart import paths
from goodpart.config import Configuration, decode_settings, load, run_cells, sampler_settings
from goodpart.config.capture import gigabytes
from goodpart.config.descriptions import shape_of
from goodpart.errors import GoodpartError
from goodpart.jobs import downloads
from goodpart.models import flops, gpu, memory
from goodpart.models.families import autoregressive
from goodpart_tools.rates import Rates, measured

PROMPT = 200  # tokens of a prompt, until the items are known
COMPLETION = 12_000  # bytes that a completion and its score take on disk, at 512 tokens
OFFLOAD = 25e9  # bytes a second from host memory to a GPU, over PCIe 4


@dataclass(frozen=True)
class Cost:
    """One model's share of a run. `shape` None: its config.json is not known before it is downloaded."""

    model: str
    shape: flops.Shape | None
    completions: int
    passes: int
    operations: int
    hours: float
    memory: int  # bytes on the GPU, for a batch of one
    download: int  # bytes that are not there yet


def left_to_make(configuration: Configuration, cell: tuple[str, str, str, int], root: Path) -> int:
    """Completions of a cell whose files do not exist yet."""
    model, benchmark, policy, k = cell
    where = {
        "model": model,
        "decode": configuration.run.decode,
        "benchmark": benchmark,
        "policy": policy,
        "k": k,
    }
    results = root / configuration.paths.results
    items = sum(
        last + 1 - first
        for first, last in configuration.shards(benchmark)
        if not (results / paths.GENERATIONS.format(**where, first=first, last=last)).exists()
    )
    return items * configuration.benchmarks[benchmark].samples


def stated(configuration: Configuration) -> Rates:
    """The rates of a GPU that the configuration states."""
    return Rates(configuration.estimate.tflops, configuration.estimate.gb_s, "a GPU")


def costs(configuration: Configuration, root: Path = Path(), rates: Rates | None = None) -> list[Cost]:
    """What is left to make of a checked configuration, one row a model; `rates`: by default those stated.

    Every completion is taken for one that runs to its last step: with a threshold, one token a pass.
    """
    speed, found = rates or stated(configuration), []
    for name in configuration.run.models:
        entry = configuration.models[name]
        family, shape, dtype = entry.family, shape_of(entry, root), entry.loaded_dtype
        completions = passes = operations = peak = 0
        seconds = 0.0
        for cell in run_cells(configuration):
            if cell[0] != name:
                continue
            count = left_to_make(configuration, cell, root)
            arguments = decode_settings(configuration, configuration.run.decode, family, cell[1])
            steps = sampler_settings(configuration, configuration.run.decode, family, cell[1]).total_steps
            completions += count
            passes += count * steps
            if shape is None:
                continue
            fixed = {key: value for key, value in arguments.items() if key != "confidence_threshold"}
            made = flops.passes(family, fixed, PROMPT, steps)
            each = flops.decode_flops(shape, made, cell[3])
            operations += count * each
            weights = memory.parameters(shape, family) * memory.BYTES[dtype] * (1 - cell[3] / shape.layers)
            # A pass is bound by arithmetic, or by reading the weights once for the whole batch.
            reading = count * steps / entry.batch_size * weights / (speed.gb_s * 1e9)
            seconds += max(count * each / (speed.tflops * 1e12), reading)
            predicted = 1 if autoregressive(family) else arguments["max_new_tokens"]
            tokens = PROMPT + arguments["max_new_tokens"]
            peak = max(peak, memory.needed(shape, family, tokens, predicted, dtype))
        there = entry.path or downloads.downloaded("model", entry.hub, entry.revision)
        size = 0 if there or shape is None else 2 * memory.parameters(shape, family)
        found.append(Cost(name, shape, completions, passes, operations, seconds / 3600, peak, size))
    return found


def report(
    configuration: Configuration, found: list[Cost], root: Path = Path(), rates: Rates | None = None
) -> str:
    """The estimate as text."""
    speed, states = rates or stated(configuration), gigabytes(configuration, root)
    unit = "GPU hours" if "CPU" not in speed.where else "CPU hours"
    lines = [
        f"estimate of what is left to make, at {speed.tflops:.3g} TFLOP/s and {speed.gb_s:.4g} GB/s "
        f"({speed.where}), "
        f"with prompts of {PROMPT} tokens and no early end:",
        f"  {'model':20} {'completions':>11} {'passes':>12} {'PFLOP':>10} {unit:>10} {'GPU GB':>7} "
        f"{'download GB':>11}",
    ]
    for cost in found:
        known = cost.shape is not None
        lines.append(
            f"  {cost.model:20} {cost.completions:>11,} {cost.passes:>12,} "
            + (
                f"{cost.operations / 1e15:>10,.0f} {cost.hours:>10.1f} {cost.memory / 1e9:>7.1f} "
                f"{cost.download / 1e9:>11.1f}"
                if known
                else "unknown until its config.json is there: give `shape`, or download it"
            )
        )
    total = sum(cost.hours for cost in found)
    disk = sum(cost.completions for cost in found) * COMPLETION
    lines.append(
        f"  in all: {total:.1f} {unit}, {sum(cost.download for cost in found) / 1e9:.1f} GB of downloads, "
        f"about {disk / 1e9:.2f} GB of completions and scores, at most {states:.1f} GB of hidden states"
    )
    return "\n".join(lines)


def unpinned(configuration: Configuration) -> list[str]:
    """One warning for each model of the run whose revision can move."""
    entries = {name: configuration.models[name] for name in configuration.run.models}
    return [
        f"models.{name}.revision: {entry.revision or 'main'!r} can move; give a commit, as the "
        "record of the download has it"
        for name, entry in entries.items()
        if not entry.path and not downloads.is_pinned(entry.revision)
    ]


def hub_sources(configuration: Configuration) -> list[tuple[str, str, str | None]]:
    """(kind, name, revision) of everything on the hub that the run needs and is not downloaded yet."""
    models = [("model", configuration.models[name]) for name in configuration.run.models]
    benchmarks = {*configuration.run.benchmarks, *configuration.calibration_benchmarks}
    named = [configuration.benchmarks[b] for b in sorted(benchmarks)]
    splits = [split for entry in named for split in (entry.evaluation, entry.calibration)]
    entries = [*models, *(("dataset", split) for split in splits if split)]
    wanted = [(kind, entry.hub, entry.revision) for kind, entry in entries if not entry.path]
    return [source for source in dict.fromkeys(wanted) if not downloads.downloaded(*source)]


def check_hub(configuration: Configuration, root: Path) -> None:
    """GoodpartError where something cannot be downloaded: network, token, name, disk."""
    size = 0
    for kind, name, revision in hub_sources(configuration):
        _, files = downloads.listing(kind, name, revision, configuration.downloads.endpoint)
        size += sum(file.size or 0 for file in files)
    if size:
        folder = root / configuration.downloads.folder
        folder.mkdir(parents=True, exist_ok=True)
        downloads.require_space(folder, size)


def check_disk(configuration: Configuration, found: Iterable[Cost], root: Path) -> None:
    """GoodpartError where the results do not fit on their disk."""
    folder = (root / configuration.paths.results).absolute()
    folder = next(at for at in (folder, *folder.parents) if at.exists())
    stored = (root / configuration.paths.results / "hidden_states").rglob("*.parquet")
    states = 1e9 * gigabytes(configuration, root) - sum(file.stat().st_size for file in stored)
    needed = sum(cost.completions for cost in found) * COMPLETION + max(0, int(states))
    downloads.require_space(folder, needed, "paths.results")


def check_gpu(configuration: Configuration, found: Iterable[Cost], gpus: list[gpu.Gpu]) -> None:
    """GoodpartError where a model does not fit on this machine's largest GPU, with what can be done."""
    entries = configuration.models
    wanting = [
        cost
        for cost in found
        if cost.completions and entries[cost.model].gpu and entries[cost.model].device not in ("cpu", "auto")
    ]
    if wanting and not gpus:
        raise GoodpartError(
            f"{wanting[0].model}: needs a GPU, and this machine has none that nvidia-smi lists; run on one "
            "that has, through SLURM (--workflow-profile slurm), or draw figures from results made elsewhere"
        )
    for cost in wanting:
        largest = max(gpus, key=lambda one: one.total)
        if cost.shape is not None and cost.memory > largest.total:
            entry = entries[cost.model]
            weights = memory.parameters(cost.shape, entry.family) * memory.BYTES[entry.loaded_dtype]
            moved = cost.passes / entry.batch_size * weights / OFFLOAD / 3600
            raise GoodpartError(
                f"{cost.model}: needs {cost.memory / 1e9:.1f} GB of GPU memory ({weights / 1e9:.1f} GB for "
                f"weights), and the largest GPU here ({largest.name}) has {largest.total / 1e9:.1f} GB. "
                "Take a larger GPU (24 GB for 7-8B models), or a smaller model of the same family as an "
                "entry of `models`. With device: auto the rest of the weights stays in host memory; moving "
                f"it once a pass of a batch would take {moved:,.0f} hours for this run at 25 GB/s"
            )


def check(
    configuration: Configuration, models: Collection[str], fetches: bool, local: bool, root: Path = Path()
) -> str:
    """The estimate, once everything suffices.

    `models`: those that will be loaded; `fetches`: whether something is to be downloaded; `local`: jobs run
    on this machine. Raises GoodpartError that names what is missing.
    """
    found = costs(configuration, root)
    check_disk(configuration, found, root)
    if local:
        check_gpu(configuration, [cost for cost in found if cost.model in models], gpu.installed())
    if fetches:
        check_hub(configuration, root)
    return report(configuration, found, root)


def main(arguments: argparse.Namespace) -> None:
    """Print the estimate of a configuration."""
    configuration = load(arguments.config)
    os.environ.setdefault(downloads.FOLDER, str(Path(configuration.downloads.folder).absolute()))
    if arguments.check:
        print(check(configuration, configuration.run.models, fetches=True, local=True))
    else:
        found = measured() if arguments.measure else stated(configuration)
        print(report(configuration, costs(configuration, rates=found), rates=found))
    for warning in unpinned(configuration):
        print(f"warning: {warning}")


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    options.add_argument("config", type=Path, nargs="*", help="files that --configfile would name")
    options.add_argument(
        "--measure", action="store_true", help="at the rates of this machine, measured now, not those stated"
    )
    options.add_argument("--check", action="store_true", help="also whether hub, token, disk and GPU suffice")
