"""Selections from the catalogues: the run, the studies, and what figures of skipping show."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from goodpart.config.types import (
    Count,
    Counts,
    Names,
    Section,
    Text,
    described,
    integer,
)


def _with_zero(ks: list[int]) -> list[int]:
    if 0 not in ks:
        raise ValueError("0 is missing")
    return ks


class Run(Section):
    """What is evaluated: every model on every benchmark under every policy."""

    models: Names
    benchmarks: Names
    policies: Names
    decode: Text = "default"


class Grid(Section):
    """A study of one's own: cells of all its models, benchmarks, policies and numbers of layers."""

    models: Names
    benchmarks: Names
    policies: Names
    layers_skipped: Counts
    decode: Text | None = None


class Contrast(Section):
    """The first model minus the second, named by what differs between them."""

    differs: Text
    first: Text
    second: Text


class ControlledStudy(Section):
    """Models that differ in one thing at a time."""

    models: Names
    benchmarks: Names
    policy: Text
    layers_skipped: Annotated[
        Counts, AfterValidator(_with_zero), *described("a list of numbers of layers that holds 0")
    ]
    contrasts: list[Contrast]
    # Model -> others of the same recipe and other seeds; those of models outside the study do not count.
    seeds: dict[Text, Names] = Field({})

    @property
    def other_seeds(self) -> dict[str, list[str]]:
        """The other training seeds of the study's models."""
        return {model: list(others) for model, others in self.seeds.items() if model in self.models}

    @property
    def every_model(self) -> list[str]:
        """The models, and those of other training seeds after them."""
        return [*self.models, *(seed for seeds in self.other_seeds.values() for seed in seeds)]


class Latency(Section):
    """The quality-latency study."""

    models: Names
    benchmark: Text
    decodes: Names
    policy: Text
    layers_skipped: dict[str, integer("a number of layers, 1 or more", ge=1)]
    batch_sizes: Annotated[
        list[Count],
        Field(min_length=1, json_schema_extra={"uniqueItems": True}),
        *described("a list of batch sizes, 1 or more each"),
    ] = Field([1])
    repeats: integer("a whole number, 2 or more", ge=2) = 5
    threads: Count = 1


class PolicyStudy(Section):
    """All policies for one model and one benchmark at equal k."""

    model: Text
    benchmark: Text
    policies: Names
    layers_skipped: Counts
    overlap: Text


class Mechanism(Section):
    """The skip set of Figure 2."""

    model: Text
    policy: Text
    k: Count


class Selection(Section):
    """Whose prompts Figure 8 chooses layers for."""

    model: Text
    benchmark: Text
    policy: Text
    k: Count


class SkipFigures(Section):
    """What Figures 1, 2 and 8 show."""

    benchmark: Text | None = None
    mechanism: Mechanism | None = None
    selection: Selection | None = None
