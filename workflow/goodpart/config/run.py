"""Mistakes in the run: names that no catalogue has, and names that its tables could not tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from goodpart.config.configuration import Configuration
from goodpart.config.decodes import preset_mistakes
from goodpart.config.plugins import benchmark_mistake
from goodpart.errors import nearest
from goodpart.paths import FULL_DEPTH


def run_mistakes(configuration: Configuration, root: Path) -> Iterable[str]:
    """One line a mistake in `paths`, `run`, `table` and the presets of the run."""
    run = configuration.run
    for name, path in (("results", configuration.paths.results), ("figures", configuration.paths.figures)):
        if (root / path).is_file():
            yield f"  paths.{name}: {path} is a file; name a folder"
    if (root / configuration.downloads.folder).is_file():
        yield f"  downloads.folder: {configuration.downloads.folder} is a file; name a folder"
    for kind in ("models", "benchmarks", "policies"):
        known = getattr(configuration, kind)
        for name in getattr(run, kind):
            if name not in known:
                yield f"  run.{kind}: {name!r} is not in {kind}; {nearest(name, known)}"
    for name in configuration.capture.benchmarks or []:
        if name not in configuration.benchmarks:
            known = nearest(name, configuration.benchmarks)
            yield f"  capture.benchmarks: {name!r} is not in benchmarks; choose one that is: {known}"
    if not configuration.calibration_benchmarks:
        yield (
            "  capture.benchmarks: no benchmark of the run has a calibration split to measure similarities "
            "on; name one that has"
        )
    yield from _twins(configuration)
    if FULL_DEPTH in configuration.policies:
        yield f"  policies.{FULL_DEPTH}: the name is taken by full depth; choose another"
    yield from _table_mistakes(configuration)
    if "default" not in configuration.decodes:
        yield "  decodes: the key default is missing; add it"
    if run.decode not in configuration.decodes:
        yield f"  run.decode: {run.decode!r} is not in decodes; {nearest(run.decode, configuration.decodes)}"
        return
    yield from _kind_mistakes(configuration)
    families = [configuration.models[m].family for m in run.models if m in configuration.models]
    benchmarks = dict.fromkeys([*run.benchmarks, *configuration.calibration_benchmarks])
    yield from preset_mistakes(configuration, run.decode, families, benchmarks)


def tiny_mistakes(configuration: Configuration) -> Iterable[str]:
    """Recipes that start from weights that no recipe makes."""
    recipes = configuration.tiny_models.recipes if configuration.tiny_models else {}
    for name, recipe in recipes.items():
        if recipe.initial is not None and (recipe.initial not in recipes or recipe.initial == name):
            others = [other for other in recipes if other != name]
            known = nearest(recipe.initial, others)
            yield f"  tiny_models.recipes.{name}.initial: {recipe.initial!r} is no other recipe; {known}"


def _kind_mistakes(configuration: Configuration) -> Iterable[str]:
    """Kinds of benchmarks that presets name and that do not exist."""
    for preset, families in configuration.decodes.items():
        for family, sampler in families.items():
            for kind in sampler.by_kind or {}:
                if mistake := benchmark_mistake(kind):
                    yield f"  decodes.{preset}.{family}.by_kind: {mistake}"


def _twins(configuration: Configuration) -> Iterable[str]:
    """Two benchmarks of one label, and two models of one column of the paper."""
    rows: dict[str, str] = {}
    for name in configuration.run.benchmarks:
        if name in configuration.benchmarks:
            label = configuration.benchmarks[name].label or name
            if label in rows:
                yield (
                    f"  benchmarks.{name}.label: {label!r} is also that of {rows[label]}, which runs too; "
                    "give it another, for its own rows in the tables"
                )
            rows.setdefault(label, name)
    columns: dict[str, str] = {}
    for name in configuration.run.models:
        column = configuration.models[name].paper_column if name in configuration.models else None
        if column in columns:
            yield (
                f"  models.{name}.paper_column: {column!r} is also that of {columns[column]}, which runs "
                "too; remove one, and the model gets a column of its own"
            )
        elif column:
            columns[column] = name


def _table_mistakes(configuration: Configuration) -> Iterable[str]:
    table, run = configuration.table, configuration.run.policies
    if table.policy is not None and table.policy not in run:
        names = ", ".join(run)
        yield f"  table.policy: {table.policy!r} is not in run.policies; name one of {names}, or remove it"
    adjacent = table.adjacent_policy
    if adjacent and adjacent not in configuration.policies:
        known = nearest(adjacent, configuration.policies)
        yield f"  table.adjacent_policy: {adjacent!r} is not in policies; {known}"
