"""Skip policies, one module each. To add a policy, add a module here and an entry to `policies`.

A module defines:

* `NEEDS`: the input that it chooses from, one of
    - `layers`: the number of layers L;
    - `similarities`: the mean cosine of each layer's input and output, a list [L] (averaged over calibration
      prompts, or of one evaluated prompt with `mode: per_prompt`);
    - `phases`: the same for each phase of denoising, a list [P][L] in the order of the phases;
    - `angles`: mean angular distances between depths (0 to 1), lists [L + 1][L + 1];
    - `divergence`: a `Divergence` of the loaded model on calibration prompts;
    - `file`: a finished skip set (`path`);
* `SETTINGS`: the keys that its configuration entry may have, with their defaults (None: no default);
  with `similarities`, `angles` or `phases` a default of `positions`, with `phases` also of `phases`, with
  `divergence` of `steps`;
* `choose(measured, k, settings)`: returns a `Choice`, or with `phases` a list with one `Choice` per phase.

Optional: `POOLING = "tokens"` averages similarities over all tokens of all prompts. The default averages over
the tokens of each prompt first.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

NEEDS = ("layers", "similarities", "phases", "angles", "divergence", "file")
# Keys that every entry may have. They limit the models, benchmarks and k of the policy's cells, or heal them.
COMMON = ("kind", "mode", "benchmarks", "layers_skipped", "heal")


class Divergence(Protocol):
    """Distance of a model without some layers from the same model at full depth."""

    layers: int  # number of layers of the model

    def __call__(self, skipped: Sequence[int]) -> float:
        """Mean KL(full depth || without `skipped`) in nats per predicted token."""
        ...


@dataclass(frozen=True)
class Choice:
    """Layers to skip, numbered from 0 and sorted. `reason` says why there are fewer than `asked_k`, if so.

    `values`: the value of each layer that the policy compared [L], if it compares any.
    """

    layers: list[int]
    asked_k: int
    reason: str = ""
    values: Sequence[float] | None = None

    @property
    def got_k(self) -> int:
        """Number of layers found."""
        return len(self.layers)


def policy_module(kind: str) -> ModuleType:
    """Import the module of one kind of policy."""
    return importlib.import_module(f"goodpart.policies.{kind}")


def with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration entry with the defaults of its kind filled in."""
    defaults = {k: v for k, v in policy_module(settings["kind"]).SETTINGS.items() if v is not None}
    return {**defaults, **settings}


def varies(settings: Mapping[str, Any]) -> str:
    """Whether skip sets differ by `prompt` or by `phase` of denoising; an empty string means a static set."""
    if settings.get("mode") == "per_prompt":
        return "prompt"
    if settings["kind"] == "file":
        return "" if settings.get("path", ".json").lower().endswith(".json") else "prompt"
    return "phase" if policy_module(settings["kind"]).NEEDS == "phases" else ""


def neighbours(layer: int) -> set[int]:
    """The layers before and after a layer."""
    return {layer - 1, layer + 1}


def candidates(layers: int, settings: Mapping[str, Any]) -> list[int]:
    """Layers that may be skipped: all except the protected ones."""
    return [layer for layer in range(layers) if layer not in settings["protected"]]


def choice_of(layers: Iterable[int], k: int, why: str, values: Sequence[float] | None = None) -> Choice:
    """A choice of `layers`, with `why` as its reason if there are fewer than `k`."""
    chosen = sorted(layers)
    return Choice(chosen, k, "" if len(chosen) >= k else why, values)


found = choice_of  # its former name, which policies of users may import
