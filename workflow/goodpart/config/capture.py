"""What `capture` selects, how much its hidden states will take, and its mistakes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from goodpart.config.catalogue import Model
from goodpart.config.configuration import Configuration
from goodpart.config.decodes import preset_mistakes, sampler_settings
from goodpart.errors import GoodpartError, nearest
from goodpart.models.checkpoints.architecture import dimensions
from goodpart.models.checkpoints.files import read_object
from goodpart.models.families import autoregressive
from goodpart.states.captured_steps import cache_bytes, chosen_steps

UNKNOWN_WIDTH = 4096  # channels of a model that is neither on this machine nor says its width


def width(entry: Model, root: Path = Path()) -> int:
    """Channels of a model's hidden states: of its config.json, or as its entry says."""
    file = root / entry.path / "config.json" if entry.path else None
    if file is not None and file.is_file():
        return dimensions(read_object(file), str(file)).width
    return entry.width or UNKNOWN_WIDTH


def gigabytes(configuration: Configuration, root: Path = Path()) -> float:
    """Size of all hidden states that the run's models store, at most, in GB (1e9 bytes).

    Prompts count as `capture.prompt_tokens`; jobs check again with the real lengths, before they decode.
    """
    capture, total = configuration.capture, 0.0
    for model in configuration.run.models:
        entry = configuration.models[model]
        for decode in configuration.captured_decodes:
            for benchmark in configuration.calibration_benchmarks:
                chosen = sampler_settings(configuration, decode, entry.family, benchmark)
                one_pass = autoregressive(entry.family)
                steps = 1 if one_pass else len(chosen_steps(capture.steps, chosen.total_steps))
                positions = capture.prompt_tokens + chosen.max_new_tokens
                size = cache_bytes(steps, entry.layers, positions, width(entry, root), entry.loaded_dtype)
                total += min(capture.stored, capture.prompts) * size
    return total / 1e9


def capture_mistakes(configuration: Configuration, root: Path) -> Iterable[str]:
    """Lines on windows that do not exist or fit, and on a size beyond the bound."""
    families = sorted({configuration.models[model].family for model in configuration.run.models})
    for name, decode in configuration.windows.items():
        if decode not in configuration.decodes:
            known = nearest(decode, configuration.decodes)
            yield f"  capture.windows.{name}: {decode!r} is not in decodes; {known}"
            return
        mistakes = list(
            preset_mistakes(configuration, decode, families, configuration.calibration_benchmarks)
        )
        if mistakes:
            yield from mistakes
            return
    if configuration.redraw:  # nothing is captured, and the weights that say how wide a state is may be away
        return
    try:
        size = gigabytes(configuration, root)
    except GoodpartError as error:
        yield f"  {error}"
        return
    most = configuration.capture.max_gb
    if size > most:
        yield (
            f"  capture.max_gb: the stored hidden states would take {size:.1f} GB, more than {most}, with "
            f"prompts of {configuration.capture.prompt_tokens} tokens (capture.prompt_tokens) and "
            "completions of max_new_tokens; lower capture.stored or capture.steps (statistics still cover "
            "all capture.prompts), or raise it"
        )
