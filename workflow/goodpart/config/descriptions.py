"""What a job is told of the configuration: only what its outputs depend on, as plain values."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from goodpart import paths
from goodpart.config.benchmarks import worked_examples
from goodpart.config.catalogue import Model
from goodpart.config.cells import Study
from goodpart.config.checkpoint_facts import config_file
from goodpart.config.configuration import Configuration
from goodpart.config.decodes import decode_arguments, decode_settings
from goodpart.models import memory
from goodpart.models.architectures import kind_of, usual_module
from goodpart.models.checkpoints.files import content_state, read_object
from goodpart.models.families import autoregressive
from goodpart.models.flops import Shape
from goodpart.paths import FULL_DEPTH

LEAST_MB = 2000
BESIDE_MB = 1500  # libraries, and what else a job holds
WEIGHTS = 1.2  # memory while weights are loaded, in shares of their size


@cache
def checkpoint_state(folder: str) -> str:
    """A digest of a local checkpoint's content."""
    return content_state(Path(folder))


def model_entry(configuration: Configuration, name: str) -> dict[str, Any]:
    """What a job must know to load a model."""
    entry = configuration.models[name]
    return {
        "name": entry.path or entry.hub,
        "revision": entry.revision,
        "dtype": entry.dtype,
        "device": entry.chosen_device,
        "cuda_graphs": entry.cuda_graphs,
        "layers": entry.layers,
        "chat": entry.chat,
        # A model of the hub is named by its revision.
        "content": None if entry.path is None else checkpoint_state(str(entry.path)),
    }


def architecture_of(configuration: Configuration, name: str) -> str:
    """The module of `goodpart.models.architectures` that builds a model."""
    entry = configuration.models[name]
    file = config_file(vars(entry))
    if file is None or not file.is_file():
        return usual_module(entry.family)
    return kind_of(read_object(file), str(file)).architecture


def shape_of(entry: Model, root: Path = Path()) -> Shape | None:
    """A model's shape: of its checkpoint where it is on this machine, else of `shape` in its entry."""
    file = config_file(vars(entry), root)
    return None if file is None else Shape.of(read_object(file), str(file))


def memory_mb(configuration: Configuration, name: str) -> int:
    """Memory in MB that a model's jobs request: its `mem_mb`, else what its weights and a batch take.

    On a GPU the batch takes none of the host's. A model whose shape is not known yet requests the least.
    """
    entry = configuration.models[name]
    if entry.mem_mb is not None:
        return entry.mem_mb
    shape = shape_of(entry)
    if shape is None:
        return LEAST_MB
    dtype, benchmarks = entry.loaded_dtype, configuration.run.benchmarks
    taken = WEIGHTS * memory.parameters(shape, entry.family) * memory.BYTES[dtype]
    if not entry.gpu:
        longest = max(configuration.benchmarks[b].max_new_tokens for b in benchmarks)
        tokens = configuration.capture.prompt_tokens + longest
        predicted = 1 if autoregressive(entry.family) else longest
        taken += entry.batch_size * memory.row_bytes(shape, tokens, predicted, dtype)
    return max(LEAST_MB, BESIDE_MB + int(taken / 1e6))


def settings_of(
    configuration: Configuration, decode: str, model: str, benchmarks: Iterable[str]
) -> list[dict[str, Any]]:
    """Decoding settings of one model, a benchmark each, sorted: their order means nothing."""
    family = configuration.models[model].family
    found = (decode_settings(configuration, decode, family, benchmark) for benchmark in benchmarks)
    return [dict(sorted(settings.items())) for settings in found]


def paper_columns(configuration: Configuration, models: Iterable[str]) -> dict[str, str | None]:
    """model -> the column of the paper that it stands for, or None."""
    return {model: configuration.models[model].paper_column for model in models}


def labels(configuration: Configuration, benchmarks: Iterable[str]) -> dict[str, str]:
    """benchmark -> its name in print."""
    return {b: configuration.benchmarks[b].label or b for b in benchmarks}


def policy_entry(configuration: Configuration, policy: str) -> dict[str, Any]:
    """What decides the layers of a policy: its entry without where it is evaluated, and without healing."""
    entry = configuration.policies[policy].settings()
    return {k: v for k, v in sorted(entry.items()) if k not in ("benchmarks", "layers_skipped", "heal")}


def item_choice(configuration: Configuration, benchmark: str, split: str) -> dict[str, Any]:
    """Where a split's items come from, which are taken, and the solved problems in their prompts."""
    entry = configuration.benchmarks[benchmark]
    source = entry.source(split)
    if split == "evaluation":
        n, subset = entry.n, entry.subset
    elif split == paths.HEALING:  # of which healing takes those that are never evaluated
        n, subset = "all", "first"
    else:
        n, subset = min(configuration.capture.prompts, source.rows), "first"
    return {
        "kind": entry.kind,
        "style": entry.style,
        "source": dict(sorted(source.plain().items())),
        "n": None if n == "all" else n,
        "subset": "first" if n == "all" else subset,
        "examples": worked_examples(configuration, benchmark),
    }


def cells_selection(configuration: Configuration, study: Study) -> dict[str, Any]:
    """A study's cells, and what collecting them must know."""
    models, benchmarks, policies = (list(dict.fromkeys(c[i] for c in study.cells)) for i in range(3))
    chosen = {p: configuration.policies[p] for p in policies if p != FULL_DEPTH}
    entries = {m: configuration.models[m] for m in models}
    return {
        "decode": study.decode,
        "models": {m: {"paper_column": e.paper_column, "layers": e.layers} for m, e in entries.items()},
        "benchmarks": {b: configuration.shards(b) for b in benchmarks},
        "policies": {p: dict(sorted(entry.settings().items())) for p, entry in chosen.items()},
        "varies": {p: entry.varies for p, entry in chosen.items()},
        "cells": study.cells,
    }


def adjacency(configuration: Configuration, column: str) -> dict[str, Any]:
    """What Table 2 or 3 shows: the model of one of the paper's columns under two policies."""
    run, allowed = configuration.run, configuration.table.adjacent_policy or ""
    entry = configuration.policies.get(allowed)
    only = (entry.benchmarks if entry else None) or run.benchmarks
    chosen = [b for b in run.benchmarks if b in only] or run.benchmarks
    models = [m for m in run.models if configuration.models[m].paper_column == column]
    return {
        "policies": {"not_allowed": configuration.table_policy, "allowed": allowed},
        "model": models[0] if models else None,
        "labels": labels(configuration, chosen),
        "below_threshold": configuration.table.below_threshold,
        "level": configuration.table.level,
    }


def checked_decoding(configuration: Configuration, family: str) -> dict[str, dict[str, Any]]:
    """kind of benchmark -> decoding settings that a trained tiny checkpoint is checked with."""
    tiny = configuration.tiny_models
    lengths = tiny.checked.max_new_tokens if tiny else {}
    decode = configuration.run.decode
    return {
        kind: {**decode_arguments(configuration, decode, family, kind), "max_new_tokens": n}
        for kind, n in lengths.items()
    }
