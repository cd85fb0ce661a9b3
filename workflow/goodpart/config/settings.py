"""Sections that say how the workflow works: folders, downloads, capture, generation, scoring, tables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from goodpart.config.types import (
    Count,
    CountFromZero,
    Counts,
    Flag,
    Folder,
    Names,
    Positive,
    Section,
    Text,
    choice,
    described,
    integer,
    number,
)

Steps = Annotated[
    Count | Counts | Literal["all"],
    *described("a count of denoising steps, 1 or more, a list of them that is not empty, or all"),
]
Percent = Annotated[
    number("a number", ge=0, le=100) | None, *described("a retention in percent, 0 to 100, or null")
]


class Paths(Section):
    """Where results and figures go."""

    results: Folder
    figures: Folder


class Downloads(Section):
    """Where models and data of the hub go, and what they come from (the hub itself without an `endpoint`)."""

    folder: Folder = "downloads"
    endpoint: (
        Annotated[
            str, Field(pattern="^https?://"), *described("an address that begins with https:// or http://")
        ]
        | None
    ) = None


class Estimate(Section):
    """Rates of a GPU, in TFLOP/s and GB/s."""

    tflops: Positive = 125
    gb_s: Positive = 1500


class Windows(Section):
    """Decoding presets of the two windows; the run's where left out."""

    limited: Text | None = None
    full: Text | None = None


class Capture(Section):
    """Hidden states: of which prompts, at which denoising steps, and how much may be stored."""

    benchmarks: Names | None = None
    prompts: Count = 8
    stored: Count = 2
    prompt_tokens: Count = 256
    max_gb: number("a number of gigabytes, 0 or more", ge=0) = 20
    windows: Windows | None = None
    steps: Steps = Field([0])


class Generation(Section):
    """Items a shard, tokens of context, and what KL and likelihoods are measured on."""

    shard_size: Count = 128
    context: Count = 2048
    kl_items: CountFromZero = 16
    kl_states: Count = 4
    likelihood_items: CountFromZero = 128
    likelihood_draws: Count = 8


class Scoring(Section):
    """How completions are scored; times in seconds."""

    sandbox: choice("bubblewrap", "none") = "bubblewrap"
    cpu_seconds: Positive = 10
    wall_seconds: Positive = 30
    threads: Count = 1
    numpy: Flag = False


class Table(Section):
    """Tables: policies, intervals, and the retention in percent under which a cell is a dash."""

    policy: Text | None = None
    adjacent_policy: Text | None = None
    level: number("a number above 0 and below 1", gt=0, lt=1) = 0.95
    resamples: integer("a whole number, 100 or more", ge=100) = 10000
    below_threshold: Percent = None
