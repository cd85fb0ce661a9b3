"""The catalogues: models, benchmarks, decoding presets and policies, from which a run selects."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from goodpart.config.healing import Heal
from goodpart.config.plugins import policy_mistake
from goodpart.config.types import (
    Count,
    CountFromZero,
    Counts,
    Flag,
    HubName,
    Layers,
    LocalPath,
    Names,
    Revision,
    Rows,
    Section,
    Sha256,
    Text,
    Word,
    choice,
    described,
    integer,
    number,
    read_text,
)
from goodpart.models.families import FAMILIES
from goodpart.policies import policy_module, varies, with_defaults

PAPER_COLUMNS = ("LLaDA-Instruct", "Dream-Base", "Dream-Instruct", "Qwen2.5")
Family = choice(*FAMILIES)
ModelLayers = integer("a number of layers, 2 or more", ge=2)
Device = Annotated[
    str,
    Field(pattern=r"^(auto|cpu(:0)?|cuda(:[0-9]+)?|mps(:0)?)$"),
    *described("cpu, cuda, cuda with a number (as cuda:0), mps, or auto (all GPUs, and the host)"),
]
Items = Annotated[Count | Literal["all"], *described("a number of items, 1 or more, or all")]
PolicyKs = Annotated[
    Annotated[Counts, Tag("[list]")] | Annotated[dict[str, Counts], Tag("[by model]")],
    Discriminator(lambda ks: "[by model]" if isinstance(ks, dict) else "[list]"),
    Field(description="a list of numbers of layers, or such a list for each of some models"),
]


class Model(Section):
    """A checkpoint, in a local folder (`path`) or on the hub."""

    path: LocalPath | None = None
    hub: HubName | None = None
    revision: Revision | None = None
    shape: LocalPath | None = None
    family: Family
    layers: ModelLayers
    layers_skipped: Counts
    paper_column: choice(*PAPER_COLUMNS) | None = None
    chat: Flag = False
    width: Count | None = None
    dtype: choice("float32", "bfloat16", "float16") | None = None
    device: Device | None = None
    batch_size: Count = 32
    cuda_graphs: Flag = False
    gpu: CountFromZero = 0
    mem_mb: integer("megabytes, 500 or more", ge=500) | None = None
    runtime: integer("minutes, 1 or more", ge=1) = 60

    @property
    def chosen_device(self) -> str:
        """The device that its jobs run on."""
        return self.device or ("cuda" if self.gpu else "cpu")

    @property
    def loaded_dtype(self) -> str:
        """The dtype that it is loaded with."""
        return self.dtype or ("bfloat16" if self.gpu else "float32")


def _range(ids: list[int]) -> list[int]:
    if ids[0] > ids[1]:
        raise ValueError("the first is after the last")
    return ids


class Source(Section):
    """Rows of a data set: a local file (`path`) or one of the hub."""

    path: LocalPath | None = None
    hub: HubName | None = None
    name: Text | None = None
    split: Text | None = None
    revision: Revision | None = None
    ids: (
        Annotated[
            list[integer("a whole number")],
            Field(min_length=2, max_length=2),
            AfterValidator(_range),
            *described("the first and the last id, as [11, 510]"),
        ]
        | None
    ) = None
    rows: Count
    sha256: Sha256 | None = None

    def plain(self) -> dict[str, Any]:
        """The keys that are given, as a dictionary."""
        return self.model_dump(exclude_none=True)

    def same_rows(self, other: Source) -> bool:
        """Whether both name some of the same rows, however a path is spelled."""
        if (self.path is None) != (other.path is None):
            return False
        if self.path is not None and other.path is not None:
            same = Path(self.path).resolve() == Path(other.path).resolve()
        else:
            mine, its = ((one.hub, one.name, one.split or "test") for one in (self, other))
            same = mine == its
        (first, last), (start, end) = (one.ids or (0, math.inf) for one in (self, other))
        return same and first <= end and start <= last


class Examples(Section):
    """Solved problems in prompts: `count` of them, or `rows` of a source."""

    count: CountFromZero | None = None
    rows: Rows | None = None
    source: Source | None = None


class Benchmark(Section):
    """A benchmark: its module, its prompts, its splits."""

    kind: Word
    label: Text | None = None
    style: choice("bare", "paper", "dflash", "dflash_tests") = "bare"
    evaluation: Source
    calibration: Annotated[
        Source | None, Field(json_schema_extra=lambda schema: schema["anyOf"].append({"const": "evaluation"}))
    ] = None
    examples: Examples | None = None
    n: Items = "all"
    subset: choice("first", "shuffled", "dflash") = "first"
    max_new_tokens: Count
    samples: Count = 1

    @model_validator(mode="before")
    @classmethod
    def _calibrate_on_evaluation(cls, entry: Any) -> Any:
        """`calibration: evaluation` names the evaluated items."""
        if isinstance(entry, dict) and entry.get("calibration") == "evaluation":
            return {**entry, "calibration": entry.get("evaluation")}
        return entry

    def source(self, split: str) -> Any:
        """Where the items of a split come from; healing trains on those of the calibration split."""
        return self.evaluation if split == "evaluation" else self.calibration

    @property
    def item_count(self) -> int:
        """Number of evaluated items."""
        return self.evaluation.rows if self.n == "all" else self.n


class Sampler(Section):
    """Arguments of a family's sampler; `by_kind` changes some for a kind of benchmark.

    Which arguments exist, and their ranges, is up to the family's `Settings`.
    """

    model_config = ConfigDict(extra="allow")
    by_kind: dict[str, dict[str, Any]] | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_texts(cls, entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        return {
            key: {k: _read_texts(v) for k, v in value.items()}
            if key == "by_kind" and isinstance(value, dict)
            else read_text(value)
            for key, value in entry.items()
        }

    def arguments(self, kind: str) -> dict[str, Any]:
        """The arguments for one kind of benchmark."""
        return {**(self.model_extra or {}), **(self.by_kind or {}).get(kind, {})}


def _read_texts(entry: Any) -> Any:
    return {k: read_text(v) for k, v in entry.items()} if isinstance(entry, dict) else entry


class Policy(Section):
    """A skip policy. Which of these keys, and which others, an entry may have is up to its module."""

    model_config = ConfigDict(extra="allow")
    kind: Word
    mode: choice("static", "per_prompt") | None = None
    benchmarks: Names | None = None
    layers_skipped: PolicyKs | None = None
    threshold: number("a number from -1 to 1", ge=-1, le=1) | None = None
    adjacent: Flag | None = None
    positions: choice("prompt", "masked", "all", "last") | None = None
    protected: Layers | None = None
    seed: CountFromZero | None = None
    steps: choice("first", "all") | None = None
    phases: Count | None = None
    uneven: Flag | None = None
    path: LocalPath | None = None
    heal: Heal | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, entry: Any) -> Any:
        """Complete an entry by the defaults of its kind, where that exists."""
        if (
            isinstance(entry, dict)
            and isinstance(kind := entry.get("kind"), str)
            and not policy_mistake(kind)
        ):
            own = {k: v if k in cls.model_fields else read_text(v) for k, v in entry.items()}
            return with_defaults(own)
        return entry

    def settings(self) -> dict[str, Any]:
        """The keys that are given or have a default: first those of its kind, then all others."""
        given = {key: value for key, value in self.model_dump().items() if value is not None}
        own = policy_module(self.kind).SETTINGS if not policy_mistake(self.kind) else {}
        return {
            key: given[key] for key in [*(k for k, v in own.items() if v is not None), *given] if key in given
        }

    @property
    def varies(self) -> str:
        """What its skip sets differ by: `prompt`, `phase`, or nothing (also where its module is unusable)."""
        return "" if policy_mistake(self.kind) else varies(self.settings())

    @property
    def skips_neighbours(self) -> bool:
        """Whether it may skip neighbouring layers; kinds without that rule do."""
        return self.adjacent is not False
