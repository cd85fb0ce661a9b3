"""What the comparison with the paper must know of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodpart.comparison import NOT_THE_RULE
from goodpart.paper.evidence import NAMES
from goodpart.paper.originals import is_the_papers_benchmark, is_the_papers_model
from goodpart.policies import varies


def _static_twin(config: Mapping[str, Any], per_prompt: str) -> str | None:
    """The run's policy that chooses as a per-prompt one does, but once for all prompts; None without one."""

    def rule(policy: str) -> dict[str, Any]:
        entry = config["policies"][policy]
        return {key: value for key, value in entry.items() if key not in ("mode", *NOT_THE_RULE)}

    alike = [p for p in config["run"]["policies"] if rule(p) == rule(per_prompt)]
    return next((p for p in alike if not varies(config["policies"][p])), None)


def comparison_settings(
    config: Mapping[str, Any], models: list[str], policy: str, selected: str | None
) -> dict[str, Any]:
    """Models with a column of the paper, benchmarks with one of its kinds, policies of its two rules.

    models: those with a column. policy: of Table 1, neighbouring layers not allowed. selected: whose prompts
    choose layers of their own, as in Figure 8, if any; without a benchmark of the paper's kinds there is no
    such `selection`. Each model and benchmark is marked as the paper's own or not.
    """
    entries = {model: config["models"][model] for model in models}
    benchmarks = {b: config["benchmarks"][b] for b in config["run"]["benchmarks"]}
    known = {b: entry for b, entry in benchmarks.items() if entry["kind"] in NAMES}
    drawn = config["skip_figures"].get("selection") if selected and known else None
    return {
        "models": {m: [e["paper_column"], is_the_papers_model(e)] for m, e in entries.items()},
        "layers": {model: entry["layers"] for model, entry in entries.items()},
        "kinds": {b: entry["kind"] for b, entry in known.items()},
        "names": {b: NAMES[entry["kind"]] for b, entry in known.items()},
        "originals": {b: is_the_papers_benchmark(entry) for b, entry in known.items()},
        "policies": {"not_allowed": policy, "allowed": config["table"].get("adjacent_policy")},
        "selection": drawn
        and {
            "model": selected,
            "policy": config["policies"][drawn["policy"]],
            "k": drawn["k"],
            "static": _static_twin(config, drawn["policy"]),
        },
        "level": config["table"]["level"],
        "resamples": config["table"]["resamples"],
    }
