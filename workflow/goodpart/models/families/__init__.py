"""Families: how a model decodes, whatever its architecture (`goodpart.models.architectures`).

`qwen2` is autoregressive, `llada` masked diffusion in blocks, `dream` masked diffusion with shifted logits.
Each family is one module, and is there because its file is:

* `AUTOREGRESSIVE`: true where it adds token by token, with a cache of keys and values; else it is masked
  diffusion, whose canvas of masks every pass sees;
* `COLUMN_SHIFT`: 1 where the logits at position i - 1 predict token i, 0 where those at i do;
* `Settings`: the arguments of its sampler, checked when made (GoodpartError). All have `max_new_tokens` and
  `total_steps`; `stop_early`, `cache`, `confidence_threshold`, `cfg_scale`, and `blocks` with `reach(step)`
  are read where there are any.

It may say more, where it differs from what is usual:

* `COUNTS_PADDING`: true where positions are numbered from the start of a padded row (false);
* `masks_left(settings, masks, steps)`: masks before each step [steps] of a block (`even_masks_left`);
* `ENDS`, `EOT`: tokens that end a completion if the vocabulary has them, and the end of a turn (None);
* `MODEL_TYPES`: `model_type` -> (architecture, names that config.json's `architectures` may hold, and for the
  architecture `standard` the base type).

`goodpart.decoding.samplers` has a module of the same name, with `decode(model, prompts, settings, seeds,
observe, skip_at)`. Both are imported by name, so that a change of one family leaves
the others' results alone.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from numbers import Integral, Real
from types import ModuleType
from typing import TYPE_CHECKING, Any

from goodpart.errors import GoodpartError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHIPPED = ("llada", "dream", "qwen2")  # in the paper's order
FAMILIES = (*SHIPPED, *sorted({module.name for module in pkgutil.iter_modules(__path__)} - set(SHIPPED)))
COUNTS = ("max_new_tokens", "block_length", "steps", "top_k")  # settings of samplers, by their range
NOT_NEGATIVE = ("temperature", "cfg_scale", "alg_temp")
SHARES = ("top_p", "eps", "confidence_threshold")
CACHES = ("none", "prefix", "dual")  # of the diffusion families' samplers
CAUSAL = "qwen2"  # the family of transformers' own decoders


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


def autoregressive(family: str) -> bool:
    """Whether a family adds token by token, and is no masked diffusion."""
    return family_module(family).AUTOREGRESSIVE


def blocks_of(settings: Any) -> int:
    """Blocks that a completion is decoded in, one after the other: one where the family knows none."""
    return getattr(settings, "blocks", 1)


def reach_at(settings: Any, step: int) -> int:
    """Generated positions up to the end of the block that is decoded in a step."""
    return settings.reach(step) if hasattr(settings, "reach") else settings.max_new_tokens


def even_masks_left(settings: Any, masks: int, steps: int) -> NDArray[np.int64]:
    """Masks before each of `steps` steps [steps] that commit as many each, the first ones one more."""
    import numpy as np

    quota = masks // steps + (np.arange(steps) < masks % steps)
    return masks - np.concatenate([[0], np.cumsum(quota)[:-1]])


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
    """Canvas columns, the first and one after the last, that a pass feeds to decode `first` to `end` - 1.

    All of them without a cache and where the pass `fills` it, at the start of a block.
    """
    if cache == "none" or fills:
        return 0, length
    return first, length if cache == "prefix" else end
