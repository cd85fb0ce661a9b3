"""Decoding: one sampler a family, and what they share."""

import importlib
from types import ModuleType


def sampler_module(family: str) -> ModuleType:
    """Import the sampler of one family (it needs torch)."""
    return importlib.import_module(f"goodpart.decoding.samplers.{family}")
