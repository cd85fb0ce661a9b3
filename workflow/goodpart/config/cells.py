"""Studies: grids of cells (model, benchmark, policy, k) that are evaluated under one decoding preset.

The run is the study whose table is `cells`; the policy study, the quality-latency study (one table a decoding
preset), the controlled study, the healing study and the entries of `studies` are others of the same kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from goodpart.config.configuration import Configuration
from goodpart.config.selections import Grid
from goodpart.paths import FULL_DEPTH

QUALITY = "quality_{}"  # that of the quality-latency study, for one decoding preset
SECTIONS = ("cells", "policy_study", "controlled_study_cells")  # tables of the run and of two studies
Cell = tuple[str, str, str, int]  # model, benchmark, policy, k


@dataclass(frozen=True)
class Study:
    """A grid of cells; `table` names its file of cells in results/."""

    table: str
    decode: str
    cells: tuple[Cell, ...]


def in_run(name: str | None, chosen: Sequence[str]) -> str:
    """A model or benchmark that a figure names, or the run's first where it is not in the run."""
    return name if name in chosen else chosen[0]


def asked_ks(configuration: Configuration, policy: str, model: str, ks: Iterable[int]) -> list[int]:
    """k above 0 that a policy has for a model: its own `layers_skipped`, else those of `ks`."""
    entry = configuration.policies.get(policy)
    own = entry.layers_skipped if entry else None
    if own is not None:
        ks = own.get(model, []) if isinstance(own, Mapping) else own
    return sorted(k for k in ks if k)


def run_cells(configuration: Configuration) -> list[Cell]:
    """All cells of the run: of each model and benchmark full depth, then its policies by k."""
    run, cells = configuration.run, []
    for model in run.models:
        ks = configuration.models[model].layers_skipped
        for benchmark in run.benchmarks:
            cells.append((model, benchmark, FULL_DEPTH, 0))
            for policy in run.policies:
                if benchmark in (configuration.policies[policy].benchmarks or [benchmark]):
                    asked = asked_ks(configuration, policy, model, ks)
                    cells += [(model, benchmark, policy, k) for k in asked]
    return cells


def policy_study_cells(configuration: Configuration) -> list[Cell]:
    """All cells of `policy_study`: full depth and every policy by k; none without the section."""
    study = configuration.policy_study
    if not study:
        return []
    where = (study.model, study.benchmark)
    cells = [(*where, policy, k) for policy in study.policies for k in study.layers_skipped if k]
    return [(*where, FULL_DEPTH, 0), *cells]


def quality_cells(configuration: Configuration) -> list[Cell]:
    """Cells of one decoding preset of `latency`: full depth and skipped, each model; none without one."""
    study = configuration.latency
    if not study:
        return []
    return [
        (model, study.benchmark, policy, k)
        for model in configuration.latency_models
        if model in study.layers_skipped
        for policy, k in ((FULL_DEPTH, 0), (study.policy, study.layers_skipped[model]))
    ]


def controlled_cells(configuration: Configuration) -> list[Cell]:
    """Cells of `controlled_study`: each model and benchmark by k; none without the section."""
    study = configuration.controlled_study
    if not study:
        return []
    return [
        (model, benchmark, study.policy if k else FULL_DEPTH, k)
        for model in study.every_model
        for benchmark in study.benchmarks
        for k in sorted(study.layers_skipped)
    ]


def grid_cells(grid: Grid) -> list[Cell]:
    """All cells of one of `studies`: of each model and benchmark full depth, then its policies by k."""
    return [
        (model, benchmark, policy, k)
        for model in grid.models
        for benchmark in grid.benchmarks
        for policy, k in [
            (FULL_DEPTH, 0),
            *((policy, k) for policy in grid.policies for k in sorted(grid.layers_skipped) if k),
        ]
    ]


def studies(configuration: Configuration) -> dict[str, Study]:
    """Every study of a configuration, by the name of its table."""
    decode = configuration.run.decode
    of_sections = (run_cells, policy_study_cells, controlled_cells)
    grids = {
        table: (decode, cells(configuration)) for table, cells in zip(SECTIONS, of_sections, strict=True)
    }
    for name, grid in configuration.grids.items():
        grids[name] = (grid.decode or decode, grid_cells(grid))
    for preset in configuration.latency.decodes if configuration.latency else []:
        grids[QUALITY.format(preset)] = (preset, quality_cells(configuration))
    return {table: Study(table, preset, tuple(cells)) for table, (preset, cells) in grids.items()}


def policy_benchmarks(configuration: Configuration, policy: str) -> list[str]:
    """Benchmarks that some study evaluates with a policy; the run's where none does."""
    cells = [cell for study in studies(configuration).values() for cell in study.cells]
    used = dict.fromkeys(benchmark for _, benchmark, name, _ in cells if name == policy)
    return list(used) or list(configuration.run.benchmarks)


def searched_ks(configuration: Configuration, policy: str, model: str) -> list[int]:
    """Every k of a policy and model that some part of the configuration asks for."""
    cells = [cell for study in studies(configuration).values() for cell in study.cells]
    ks = {k for m, _, p, k in cells if (m, p) == (model, policy)}
    drawn = configuration.skip_figures.mechanism
    if drawn and drawn.policy == policy:
        ks |= {drawn.k} if in_run(drawn.model, configuration.run.models) == model else set()
    return sorted(ks)
