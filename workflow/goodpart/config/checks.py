"""The whole check of a configuration: types first, then everything that needs several keys or files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from goodpart.config import messages
from goodpart.config.benchmarks import benchmark_mistakes
from goodpart.config.capture import capture_mistakes
from goodpart.config.checkpoint_facts import add_facts
from goodpart.config.configuration import Configuration, fill
from goodpart.config.loading import read_files
from goodpart.config.models import model_mistakes, run_asks
from goodpart.config.policies import policy_mistakes
from goodpart.config.run import run_mistakes, tiny_mistakes
from goodpart.config.studies import (
    controlled_study_mistakes,
    figure_mistakes,
    grid_mistakes,
    latency_mistakes,
    policy_study_mistakes,
)
from goodpart.config.types import stop_on

TITLE = "the configuration is not valid:"


def check(raw: dict[str, Any], root: Path = Path(), latency: bool = True) -> Configuration:
    """The configuration that `raw` is, once it is valid; `raw` gets its defaults and paths filled in.

    Local paths are taken relative to `root`. Without `latency`, mistakes that stop only that study are left
    out (`latency_mistakes` gives them). Raises GoodpartError with one line a mistake.
    """
    on_evaluated = _on_evaluated(raw)
    stop_on(TITLE, messages.not_finite(raw))
    add_facts(raw, root)
    try:
        configuration = Configuration.model_validate(raw)
    except ValidationError as error:
        lines = list(messages.lines(error, raw, Configuration))
    else:
        lines = []
    stop_on(TITLE, lines)
    fill(raw, configuration)
    mistakes = list(_mistakes(configuration, root, on_evaluated))
    if latency:
        mistakes += latency_mistakes(configuration, root)
    stop_on(TITLE, mistakes)
    stop_on(TITLE, capture_mistakes(configuration, root))
    return configuration


def _on_evaluated(raw: Any) -> set[str]:
    """Benchmarks that ask to calibrate on evaluated items: `calibration: evaluation`."""
    entries = raw.get("benchmarks") if isinstance(raw, dict) else None
    return {
        name
        for name, entry in (entries.items() if isinstance(entries, dict) else ())
        if isinstance(entry, dict) and entry.get("calibration") == "evaluation"
    }


def _mistakes(configuration: Configuration, root: Path, on_evaluated: set[str]) -> Iterable[str]:
    run, controlled = configuration.run, configuration.controlled_study
    policies, figures = configuration.policy_study, configuration.skip_figures
    yield from run_mistakes(configuration, root)
    yield from tiny_mistakes(configuration)
    yield from controlled_study_mistakes(configuration)
    yield from policy_study_mistakes(configuration)
    yield from figure_mistakes(configuration)
    yield from grid_mistakes(configuration)
    models, used, benchmarks = [*run.models], [*run.policies], [*run.benchmarks]
    benchmarks += configuration.calibration_benchmarks
    if controlled:
        models += controlled.every_model
        benchmarks += controlled.benchmarks
        used.append(controlled.policy)
    if policies:
        models.append(policies.model)
        benchmarks.append(policies.benchmark)
        used += policies.policies
    for grid in configuration.studies.values():
        models, benchmarks = [*models, *grid.models], [*benchmarks, *grid.benchmarks]
        used += grid.policies
    used += [figure.policy for figure in (figures.mechanism, figures.selection) if figure]
    for name in dict.fromkeys(models):
        if name in configuration.models:
            yield from model_mistakes(name, configuration, root, run_asks(name, configuration))
    for name in dict.fromkeys(benchmarks):
        if name in configuration.benchmarks:
            yield from benchmark_mistakes(name, configuration, root, on_evaluated)
    yield from policy_mistakes(configuration, used, root)


def load(files: Iterable[Path] = (), root: Path = Path()) -> Configuration:
    """The checked configuration of config.yaml and files after it, as `--configfile` merges them.

    Local paths, and config.yaml itself, are taken relative to `root`.
    """
    return check(read_files([root / "config.yaml", *files]), root)
