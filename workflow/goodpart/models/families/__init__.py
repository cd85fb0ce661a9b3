"""Families: how a model decodes, whatever its architecture (`goodpart.models.architectures`).

`qwen2` is autoregressive, `llada` masked diffusion in blocks, `dream` masked diffusion with shifted logits.
Each family is one module with the same names:

* `COLUMN_SHIFT`: 1 where the logits at position i - 1 predict token i, 0 where those at i do;
* `Settings`: the arguments of its sampler, checked when made (GoodpartError).

`goodpart.decoding.samplers` has a module of the same name, with `decode(model, prompts, settings, seeds,
observe, skip_at)`. Both are imported by name, so that a change of one family leaves
the others' results alone.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from numbers import Integral, Real
from types import ModuleType
from typing import Any

from goodpart.errors import GoodpartError

FAMILIES = ("llada", "dream", "qwen2")
COUNTS = ("max_new_tokens", "block_length", "steps", "top_k")  # settings of samplers, by their range
NOT_NEGATIVE = ("temperature", "cfg_scale", "alg_temp")
SHARES = ("top_p", "eps", "confidence_threshold")
CACHES = ("none", "prefix", "dual")  # of the diffusion families' samplers
AUTOREGRESSIVE = "qwen2"


@dataclass(frozen=True)
class SpecialTokens:
    """Token ids that samplers and scorers need. `mask` is None for autoregressive models."""

    mask: int | None
    pad: int
    eos: int
    eot: int | None
    ends: frozenset[int]


def family_module(family: str) -> ModuleType:
    """Import the module of one family; GoodpartError names the families that exist."""
    if family not in FAMILIES:
        raise GoodpartError(f"unknown family {family!r}: use one of {', '.join(FAMILIES)}")
    return importlib.import_module(f"goodpart.models.families.{family}")


def check_settings(settings: Any) -> None:
    """GoodpartError for a number of a sampler's `Settings` out of its range, or an unknown cache."""
    given = vars(settings)
    for name, value in given.items():
        if value is None:
            continue
        if name in COUNTS and not (_is(Integral, value) and value >= 1):
            raise GoodpartError(f"{name} {value!r} is not a whole number of at least 1")
        if name in NOT_NEGATIVE and not (_is(Real, value) and value >= 0):
            raise GoodpartError(f"{name} {value!r} is not a number of at least 0")
        if name in SHARES and not (_is(Real, value) and 0 < value <= 1):
            raise GoodpartError(f"{name} {value!r} is not a number above 0 and at most 1")
    if "cache" in given and given["cache"] not in CACHES:
        raise GoodpartError(f"cache {given['cache']!r} is unknown: one of {', '.join(CACHES)}")


def check_threshold(settings: Any) -> None:
    """GoodpartError for `steps` beside Fast-dLLM's `confidence_threshold`."""
    if settings.confidence_threshold is not None and settings.steps is not None:
        raise GoodpartError("confidence_threshold decides how many steps there are; leave steps out")


def _is(kind: type, value: object) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def fed_columns(cache: str, fills: bool, first: int, end: int, length: int) -> tuple[int, int]:
    """Canvas columns (first, behind the last) that a pass feeds to decode columns `first` to `end` - 1.

    All of them without a cache and where the pass `fills` it, at the start of a block.
    """
    if cache == "none" or fills:
        return 0, length
    return first, length if cache == "prefix" else end
