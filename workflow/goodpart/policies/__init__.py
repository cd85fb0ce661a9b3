"""Skip policies: one module each, with one function.

`choose(similarities, k, settings)` takes the pooled similarity of each layer [L], how many layers to
skip, and the policy's entry of the configuration; it returns a `Choice`. A user's own policy is one such
file here and an entry of `policies` in the configuration.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Choice:
    """Layers to skip, numbered from 0 and sorted, and why they are fewer than asked (or empty)."""

    layers: list[int]
    reason: str = ""


def policy_module(kind: str) -> ModuleType:
    """Import the module of one kind of policy."""
    return importlib.import_module(f"goodpart.policies.{kind}")
