"""The whole configuration as one typed object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from goodpart.config.catalogue import Benchmark, Family, Model, Policy, Sampler
from goodpart.config.healing import TABLE, HealingStudy
from goodpart.config.selections import ControlledStudy, Grid, Latency, PolicyStudy, Run, SkipFigures
from goodpart.config.settings import (
    Capture,
    Downloads,
    Estimate,
    Generation,
    Paths,
    Scoring,
    Table,
)
from goodpart.config.tiny import TinyModels
from goodpart.config.types import CountFromZero, Flag, Name, Section


class Configuration(Section):
    """A configuration whose keys and values are valid one by one; `goodpart.config.check` checks the rest."""

    paths: Paths
    downloads: Downloads = Downloads()
    estimate: Estimate = Estimate()
    seed: CountFromZero = 0
    redraw: Flag = False
    run: Run
    models: dict[Name, Model]
    benchmarks: dict[Name, Benchmark]
    decodes: dict[Name, dict[Family, Sampler]]
    policies: dict[Name, Policy]
    capture: Capture = Capture()
    generation: Generation = Generation()
    scoring: Scoring = Scoring()
    table: Table = Table()
    skip_figures: SkipFigures = SkipFigures()
    latency: Latency | None = None
    policy_study: PolicyStudy | None = None
    controlled_study: ControlledStudy | None = None
    studies: dict[Name, Grid] = Field({})
    healing_study: HealingStudy | None = None
    tiny_models: TinyModels | None = None

    @property
    def grids(self) -> dict[str, Grid]:
        """Studies that are a grid of cells, by the name of their table: `studies`, and that of healing."""
        return {**self.studies, **({TABLE: self.healing_study.grid} if self.healing_study else {})}

    @property
    def table_policy(self) -> str:
        """The policy of Table 1."""
        return self.table.policy or self.run.policies[0]

    @property
    def calibration_benchmarks(self) -> list[str]:
        """Benchmarks whose training prompts the similarities are measured on."""
        if self.capture.benchmarks:
            return list(self.capture.benchmarks)
        return [b for b in self.run.benchmarks if b in self.benchmarks and self.benchmarks[b].calibration]

    @property
    def windows(self) -> dict[str, str]:
        """Decoding presets of the two windows: `limited` to the first tokens, and the `full` length."""
        named = self.capture.windows
        return {name: getattr(named, name, None) or self.run.decode for name in ("limited", "full")}

    @property
    def captured_decodes(self) -> list[str]:
        """Presets that are captured: those of the windows, and the run's, which skip sets are read from."""
        return sorted({*self.windows.values(), self.run.decode})

    @property
    def latency_models(self) -> list[str]:
        """Models of the quality-latency study that are in the run."""
        return [m for m in self.latency.models if m in self.run.models] if self.latency else []

    def shards(self, benchmark: str) -> list[tuple[int, int]]:
        """Item ranges (first, last), both included, in fixed chunks: raising n keeps the full ones."""
        n, size = self.benchmarks[benchmark].item_count, self.generation.shard_size
        return [(first, min(first + size, n) - 1) for first in range(0, n, size)]


def fill(raw: dict[str, Any], section: Section) -> None:
    """Write a section's defaults, and paths with variables filled in, into the mapping it was read from.

    Keys keep their order; keys without a value go, but for a default of null.
    """
    fields = type(section).model_fields
    for key in [*raw, *(key for key in fields if key not in raw)]:
        value = getattr(section, key, None)
        if value is None and key in fields and key != "below_threshold":
            raw.pop(key, None)
        else:
            raw[key] = _plain(value, raw.get(key))


def _plain(value: Any, raw: Any) -> Any:
    """A value without types, in the order of what it was read from."""
    if isinstance(value, Policy):
        return value.settings()
    if isinstance(value, Section):
        filled = raw if isinstance(raw, dict) else {}
        fill(filled, value)
        return filled
    if isinstance(value, Mapping):
        old = raw if isinstance(raw, dict) else {}
        return {key: _plain(item, old.get(key)) for key, item in value.items()}
    if isinstance(value, list):
        old = raw if isinstance(raw, list) else []
        return [_plain(item, old[i] if i < len(old) else None) for i, item in enumerate(value)]
    return value
