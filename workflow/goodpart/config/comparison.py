"""What the comparison with the paper must know of a configuration."""

from __future__ import annotations

from typing import Any

from goodpart.config.configuration import Configuration
from goodpart.evaluation.paper.originals import is_the_papers_benchmark, is_the_papers_model
from goodpart.evaluation.paper.table_cells import NAMES
from goodpart.evaluation.policy_entries import NOT_THE_RULE


def _static_twin(configuration: Configuration, per_prompt: str) -> str | None:
    """The run's policy that chooses as a per-prompt one does, but once for all prompts; None without one."""

    def rule(policy: str) -> dict[str, Any]:
        settings = configuration.policies[policy].settings()
        return {key: value for key, value in settings.items() if key not in ("mode", *NOT_THE_RULE)}

    alike = [p for p in configuration.run.policies if rule(p) == rule(per_prompt)]
    return next((p for p in alike if not configuration.policies[p].varies), None)


def comparison_settings(
    configuration: Configuration, models: list[str], policy: str, selected: str | None
) -> dict[str, Any]:
    """Models with a column of the paper, benchmarks with one of its kinds, policies of its two rules.

    models: those with a column. policy: of Table 1, neighbouring layers not allowed. selected: whose prompts
    choose layers of their own, as in Figure 8, if any; without a benchmark of the paper's kinds there is no
    such `selection`. Each model and benchmark is marked as the paper's own or not.
    """
    entries = {model: configuration.models[model] for model in models}
    benchmarks = {b: configuration.benchmarks[b] for b in configuration.run.benchmarks}
    known = {b: entry for b, entry in benchmarks.items() if entry.kind in NAMES}
    drawn = configuration.skip_figures.selection if selected and known else None
    return {
        "models": {
            m: [e.paper_column, is_the_papers_model(e.model_dump(exclude_none=True))]
            for m, e in entries.items()
        },
        "layers": {model: entry.layers for model, entry in entries.items()},
        "kinds": {b: entry.kind for b, entry in known.items()},
        "names": {b: NAMES[entry.kind] for b, entry in known.items()},
        "originals": {
            b: is_the_papers_benchmark(entry.model_dump(exclude_none=True)) for b, entry in known.items()
        },
        "policies": {"not_allowed": policy, "allowed": configuration.table.adjacent_policy},
        "selection": drawn
        and {
            "model": selected,
            "policy": configuration.policies[drawn.policy].settings(),
            "k": drawn.k,
            "static": _static_twin(configuration, drawn.policy),
        },
        "level": configuration.table.level,
        "resamples": configuration.table.resamples,
    }
