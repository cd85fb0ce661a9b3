"""Mistakes in the studies and in what the figures of skipping show."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from goodpart.config.benchmarks import benchmark_mistakes
from goodpart.config.cells import QUALITY, SECTIONS, in_run
from goodpart.config.configuration import Configuration
from goodpart.config.decodes import preset_mistakes
from goodpart.config.healing import TABLE as HEALING
from goodpart.config.models import model_mistakes
from goodpart.config.policies import entry_mistakes
from goodpart.config.selections import Mechanism, Selection
from goodpart.errors import nearest

# Tables of results/ that are no cells.
TABLES = ("overlap", "controlled_study", "generation_order", "healing_study")


def controlled_study_mistakes(configuration: Configuration) -> Iterable[str]:
    """Mistakes of `controlled_study`, which is optional."""
    study = configuration.controlled_study
    if not study:
        return
    for kind in ("models", "benchmarks"):
        known = getattr(configuration, kind)
        for name in getattr(study, kind):
            if name not in known:
                yield f"  controlled_study.{kind}: {name!r} is not in {kind}; {nearest(name, known)}"
    if study.policy not in configuration.policies:
        known = nearest(study.policy, configuration.policies)
        yield f"  controlled_study.policy: {study.policy!r} is not in policies; {known}"
    elif configuration.policies[study.policy].varies:
        yield (
            f"  controlled_study.policy: the sets of {study.policy!r} change by prompt or by step, and "
            "the study reads one fixed set; choose a static policy"
        )
    for number, contrast in enumerate(study.contrasts):
        for key in ("first", "second"):
            name = getattr(contrast, key)
            if name not in study.models:
                at, known = f"  controlled_study.contrasts.{number}.{key}", nearest(name, study.models)
                yield f"{at}: {name!r} is not in controlled_study.models; {known}"
    for model, others in study.other_seeds.items():
        at = f"  controlled_study.seeds.{model}"
        for name in others:
            if name not in configuration.models:
                yield f"{at}: {name!r} is not in models; {nearest(name, configuration.models)}"
            elif name in study.models:
                yield f"{at}: {name!r} is one of controlled_study.models; name other checkpoints"


def policy_study_mistakes(configuration: Configuration) -> Iterable[str]:
    """Mistakes of `policy_study`, which is optional."""
    study, policies = configuration.policy_study, configuration.policies
    if not study:
        return
    for kind in ("model", "benchmark"):
        name, known = getattr(study, kind), getattr(configuration, f"{kind}s")
        if name not in known:
            yield f"  policy_study.{kind}: {name!r} is not in {kind}s; {nearest(name, known)}"
    for key, names in (("policies", study.policies), ("overlap", [study.overlap])):
        for policy in names:
            if policy not in policies:
                yield f"  policy_study.{key}: {policy!r} is not in policies; {nearest(policy, policies)}"
    if study.overlap in policies and policies[study.overlap].mode != "per_prompt":
        yield f"  policy_study.overlap: {study.overlap!r} is not per_prompt; name a policy of that mode"


def grid_mistakes(configuration: Configuration) -> Iterable[str]:
    """Mistakes of the entries of `studies`: of their names, and of what they name."""
    presets = configuration.latency.decodes if configuration.latency else []
    taken = {*SECTIONS, *TABLES, HEALING, *(QUALITY.format(preset) for preset in presets)}
    for name, grid in configuration.studies.items():
        at = f"  studies.{name}"
        if name in taken:
            yield f"{at}: the name is taken by results/{name}.parquet; choose another"
        for kind in ("models", "benchmarks", "policies"):
            known = getattr(configuration, kind)
            for one in getattr(grid, kind):
                if one not in known:
                    yield f"{at}.{kind}: {one!r} is not in {kind}; {nearest(one, known)}"
        decode = grid.decode or configuration.run.decode
        if decode not in configuration.decodes:
            yield f"{at}.decode: {decode!r} is not in decodes; {nearest(decode, configuration.decodes)}"
            continue
        families = [configuration.models[m].family for m in grid.models if m in configuration.models]
        yield from preset_mistakes(configuration, decode, families, grid.benchmarks)


def latency_mistakes(configuration: Configuration, root: Path) -> Iterable[str]:
    """All mistakes that stop the quality-latency study, and nothing but it."""
    study = configuration.latency
    if not study:
        return
    named = list(_latency_names(configuration))
    yield from named
    for model in configuration.latency_models:
        if model not in study.layers_skipped:
            yield f"  latency.layers_skipped: {model} has no number of layers; add it"
        family = configuration.models[model].family if model in configuration.models else None
        for decode in study.decodes:
            if family and family not in configuration.decodes.get(decode, {family: None}):
                yield f"  decodes.{decode}: says nothing of {family}, and latency times {model}; add it"
    if named or not configuration.latency_models:
        return
    for model in configuration.latency_models:
        k = study.layers_skipped.get(model, 0)
        yield from model_mistakes(
            model, configuration, root, [(study.policy, f"latency.layers_skipped.{model}", [k])]
        )
    yield from entry_mistakes(study.policy, configuration.policies[study.policy], configuration)
    yield from benchmark_mistakes(study.benchmark, configuration, root, list(configuration.benchmarks))
    families = [configuration.models[model].family for model in configuration.latency_models]
    for decode in study.decodes:
        yield from preset_mistakes(configuration, decode, families, [study.benchmark])


def _latency_names(configuration: Configuration) -> Iterable[str]:
    study = configuration.latency
    for key, named, known in (
        ("models", study.models, configuration.models),
        ("benchmark", [study.benchmark], configuration.benchmarks),
        ("policy", [study.policy], configuration.policies),
        ("decodes", study.decodes, configuration.decodes),
    ):
        for name in named:
            if name not in known:
                yield f"  latency.{key}: {name!r} is unknown; use one of: {', '.join(known)}"
    for model in study.layers_skipped:
        if model not in configuration.models:
            known = nearest(model, configuration.models)
            yield f"  latency.layers_skipped.{model}: there is no such model; {known}"
    if study.policy in configuration.policies and configuration.policies[study.policy].varies:
        yield (
            f"  latency.policy: the sets of {study.policy!r} change by prompt or by step, and one fixed "
            "set is timed; choose a static policy"
        )


def figure_mistakes(configuration: Configuration) -> Iterable[str]:
    """Mistakes of `skip_figures`: of names, of k, and of policies that a figure cannot show."""
    figures, policies = configuration.skip_figures, configuration.policies
    if figures.benchmark is not None and figures.benchmark not in configuration.benchmarks:
        known = nearest(figures.benchmark, configuration.benchmarks)
        yield f"  skip_figures.benchmark: {figures.benchmark!r} is not in benchmarks; {known}"
    for key, figure in (("mechanism", figures.mechanism), ("selection", figures.selection)):
        if not figure:
            continue
        yield from _shown_mistakes(key, figure, configuration)
        if figure.policy not in policies:
            yield f"  skip_figures.{key}.policy: {figure.policy!r} is not in policies; " + nearest(
                figure.policy, policies
            )
        elif (policies[figure.policy].mode == "per_prompt") != (key == "selection"):
            kind = "needs a policy with" if key == "selection" else "cannot be drawn of one with"
            yield (
                f"  skip_figures.{key}.policy: {figure.policy!r}: the figure {kind} mode: per_prompt; choose "
                "another"
            )


def _shown_mistakes(key: str, figure: Mechanism | Selection, configuration: Configuration) -> Iterable[str]:
    """A figure's model or benchmark that does not exist, and more layers than its model has."""
    for kind in ("model", "benchmark"):
        name, known = getattr(figure, kind, None), getattr(configuration, f"{kind}s")
        if name is not None and name not in known:
            yield f"  skip_figures.{key}.{kind}: {name!r} is not in {kind}s; {nearest(name, known)}"
    shown = in_run(figure.model, configuration.run.models)
    layers = configuration.models[shown].layers if shown in configuration.models else math.inf
    if figure.k >= layers:
        yield f"  skip_figures.{key}.k: {figure.k} of {shown}'s {layers} layers; lower it"
