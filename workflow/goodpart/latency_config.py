"""The quality-latency study of a configuration: its cells, and its mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from goodpart.paths import FULL_DEPTH
from goodpart.policies import kind_exists, varies

if TYPE_CHECKING:
    from goodpart.policy_config import Cell  # which imports this module


def latency_models(config: Mapping[str, Any]) -> list[str]:
    """Models of the study that are in the run."""
    return [m for m in config.get("latency", {}).get("models", []) if m in config["run"]["models"]]


def quality_cells(config: Mapping[str, Any]) -> list[Cell]:
    """Cells of one decoding preset of the study: full depth and skipped, each model; none without one."""
    study = config.get("latency")
    if not study:
        return []
    return [
        (model, study["benchmark"], policy, k)
        for model in latency_models(config)
        for policy, k in ((FULL_DEPTH, 0), (study["policy"], study["layers_skipped"][model]))
    ]


def latency_mistakes(config: Mapping[str, Any]) -> Iterable[str]:
    """One line a mistake in `latency`, but for those of its models, benchmarks and presets."""
    study = config.get("latency")
    if not study:
        return
    for key, named, known in (
        ("models", study["models"], config["models"]),
        ("benchmark", [study["benchmark"]], config["benchmarks"]),
        ("policy", [study["policy"]], config["policies"]),
        ("decodes", study["decodes"], config["decodes"]),
    ):
        for name in named:
            if name not in known:
                yield f"  latency.{key}: {name!r} is unknown; use one of: {', '.join(known)}"
    for model in latency_models(config):
        if model not in study["layers_skipped"]:
            yield f"  latency.layers_skipped: {model} has no number of layers; add it"
        family = config["models"].get(model, {}).get("family")
        for decode in study["decodes"]:
            if family and family not in config["decodes"].get(decode, {family: {}}):
                yield f"  decodes.{decode}: says nothing of {family}, and latency times {model}; add it"
    policy = config["policies"].get(study["policy"])
    if policy and kind_exists(policy["kind"]) and varies(policy):
        yield (
            f"  latency.policy: the sets of {study['policy']!r} change by prompt or by step, and one fixed "
            "set is timed; choose a static policy"
        )
