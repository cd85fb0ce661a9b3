"""The configuration's `capture`: what it selects, its mistakes, and how much the hidden states will take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from goodpart.capture_plan import cache_bytes, chosen_steps
from goodpart.checkpoints.architecture import dimensions
from goodpart.checkpoints.files import read_object
from goodpart.decode_config import sampler_settings
from goodpart.errors import GoodpartError

UNKNOWN_WIDTH = 4096  # channels of a model that is neither on this machine nor says its width


def calibration_benchmarks(config: Mapping[str, Any]) -> list[str]:
    """Benchmarks whose training prompts the similarities are measured on."""
    named = config.get("capture", {}).get("benchmarks")
    if named:
        return list(named)
    return [b for b in config["run"]["benchmarks"] if "calibration" in config["benchmarks"].get(b, {})]


def windows(config: Mapping[str, Any]) -> dict[str, str]:
    """Decoding presets of the two windows: `limited` to the first tokens, and the `full` length."""
    named = config["capture"].get("windows", {})
    return {name: named.get(name, config["run"]["decode"]) for name in ("limited", "full")}


def captured_decodes(config: Mapping[str, Any]) -> list[str]:
    """Presets that are captured: those of the windows, and the run's, which skip sets are read from."""
    return sorted({*windows(config).values(), config["run"]["decode"]})


def width(entry: Mapping[str, Any], root: Path = Path()) -> int:
    """Channels of a model's hidden states: of its config.json, or as its entry says."""
    file = root / entry["path"] / "config.json" if "path" in entry else None
    if file is not None and file.is_file():
        return dimensions(read_object(file), str(file)).width
    return entry.get("width", UNKNOWN_WIDTH)


def gigabytes(config: Mapping[str, Any], root: Path = Path()) -> float:
    """Size of all hidden states that the run's models store, at most, in GB (1e9 bytes).

    Prompts count as `capture.prompt_tokens`; jobs check again with the real lengths, before they decode.
    """
    capture, benchmarks, total = config["capture"], calibration_benchmarks(config), 0.0
    for model in config["run"]["models"]:
        entry = config["models"][model]
        dtype = entry.get("dtype") or ("bfloat16" if entry["gpu"] else "float32")
        for decode in captured_decodes(config):
            for benchmark in benchmarks:
                chosen = sampler_settings(config, decode, entry["family"], benchmark)
                one_pass = entry["family"] == "qwen2"
                steps = 1 if one_pass else len(chosen_steps(capture["steps"], chosen.total_steps))
                positions = capture["prompt_tokens"] + chosen.max_new_tokens
                size = cache_bytes(steps, entry["layers"], positions, width(entry, root), dtype)
                total += min(capture["stored"], capture["prompts"]) * size
    return total / 1e9


def mistakes(config: Mapping[str, Any], root: Path) -> Iterable[str]:
    """Lines on windows that do not exist or fit, and on a size beyond the bound."""
    for name, decode in windows(config).items():
        if decode not in config["decodes"]:
            known = ", ".join(config["decodes"])
            yield f"  capture.windows.{name}: {decode!r} is not in decodes; known are: {known}"
            return
        for family in sorted({config["models"][model]["family"] for model in config["run"]["models"]}):
            for benchmark in calibration_benchmarks(config):
                try:
                    sampler_settings(config, decode, family, benchmark)
                except GoodpartError as error:
                    yield f"  decodes.{decode}.{family} with benchmarks.{benchmark}: {error}"
                    return
    if config["redraw"]:  # nothing is captured, and the weights that say how wide a state is may be away
        return
    try:
        size = gigabytes(config, root)
    except GoodpartError as error:
        yield f"  {error}"
        return
    most = config["capture"]["max_gb"]
    if size > most:
        yield (
            f"  capture.max_gb: the stored hidden states would take {size:.1f} GB, more than {most}; lower "
            "capture.stored or capture.steps (statistics still cover all capture.prompts), or raise it"
        )
