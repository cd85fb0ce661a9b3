"""Skip policies: one module each. A policy of your own is one such file and an entry of `policies`.

A module has:

* `NEEDS`: what it chooses from, one of
    - `layers`: the number of layers L;
    - `similarities`: the mean cosine of each layer's input and output, a list [L] (pooled over calibration
      prompts, or with `mode: per_prompt` those of one evaluated prompt);
    - `phases`: the same for each phase of denoising, a list [P][L], the first phase first;
    - `angles`: mean angular distances between depths (0 to 1), lists [L + 1][L + 1];
    - `divergence`: a `Divergence` of the loaded model on calibration prompts;
    - `file`: a finished skip set (`path`);
* `SETTINGS`: the keys that its entry of the configuration may have, with their defaults (None: no default);
* `choose(measured, k, settings)`: returns a `Choice`, or with `phases` a list of them, one a phase.

Optional: `POOLING` = "tokens" pools similarities over all tokens of all prompts at once, and not over a
prompt's tokens first.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

NEEDS = ("layers", "similarities", "phases", "angles", "divergence", "file")
# Keys that every entry may have: of which models, benchmarks and k the run makes the policy's cells.
COMMON = ("kind", "mode", "benchmarks", "layers_skipped")


class Divergence(Protocol):
    """How far a model is from itself at full depth."""

    layers: int  # that the model has

    def __call__(self, skipped: Sequence[int]) -> float:
        """Mean KL(full depth || without `skipped`) in nats a predicted token."""
        ...


@dataclass(frozen=True)
class Choice:
    """Layers to skip, numbered from 0 and sorted, of `asked_k`, and why they are fewer (or empty).

    `values`: what was compared, one a layer [L], where there is such a thing.
    """

    layers: list[int]
    asked_k: int
    reason: str = ""
    values: Sequence[float] | None = None

    @property
    def got_k(self) -> int:
        """Number of layers found."""
        return len(self.layers)


def kind_exists(kind: str) -> bool:
    """Whether there is a module of that kind; the package itself is none."""
    found = importlib.util.find_spec(f"goodpart.policies.{kind}")
    return found is not None and hasattr(policy_module(kind), "SETTINGS")


def policy_module(kind: str) -> ModuleType:
    """Import the module of one kind of policy."""
    return importlib.import_module(f"goodpart.policies.{kind}")


def with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the configuration, completed by the defaults of its kind."""
    defaults = {k: v for k, v in policy_module(settings["kind"]).SETTINGS.items() if v is not None}
    return {**defaults, **settings}


def varies(settings: Mapping[str, Any]) -> str:
    """What an entry's skip set differs by: `prompt`, `phase` (of denoising), or nothing (empty: static)."""
    if settings.get("mode") == "per_prompt":
        return "prompt"
    if settings["kind"] == "file":
        return "" if settings.get("path", ".json").lower().endswith(".json") else "prompt"
    return "phase" if policy_module(settings["kind"]).NEEDS == "phases" else ""


def neighbours(layer: int) -> set[int]:
    """The layers before and behind one."""
    return {layer - 1, layer + 1}


def candidates(layers: int, settings: Mapping[str, Any]) -> list[int]:
    """Layers that may go: all but the protected ones."""
    return [layer for layer in range(layers) if layer not in settings["protected"]]


def found(layers: Iterable[int], k: int, why: str, values: Sequence[float] | None = None) -> Choice:
    """The choice of `layers`; `why` is kept as its reason if they are fewer than `k`."""
    chosen = sorted(layers)
    return Choice(chosen, k, "" if len(chosen) >= k else why, values)
