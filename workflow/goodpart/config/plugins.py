"""Modules that a configuration names by kind: whether one exists, can be imported, and has what it must."""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from goodpart.benchmarks import scorer_name
from goodpart.policies import NEEDS

BENCHMARK = {
    "FIELDS": (tuple, list),
    "SANDBOX": bool,
    "item_id": "function",
    "prompt": "function",
    "reference": "function",
    "score": "function",
}
SCORER = ("SANDBOX", "score")  # those of the names that a module of `benchmarks.scoring` may have instead
POLICY = {"NEEDS": str, "SETTINGS": Mapping, "choose": "function"}
# Settings that jobs read to measure what a policy needs.
READ = {
    "similarities": ("positions",),
    "angles": ("positions",),
    "phases": ("positions", "phases"),
    "divergence": ("steps",),
}


def benchmark_mistake(kind: str) -> str | None:
    """What is wrong with the module of a kind of benchmark, and the fix; None if it can be used."""
    return _mistake("benchmarks", kind)


def policy_mistake(kind: str) -> str | None:
    """The same for a kind of policy."""
    return _mistake("policies", kind)


@cache
def _mistake(package: str, kind: str) -> str | None:
    name = f"{package}.{kind}"
    if kind.startswith("_") or not re.fullmatch(r"\w+", kind) or find_spec(f"goodpart.{name}") is None:
        return f"there is no goodpart/{package}/{kind}.py; {_fix(package)}"
    if package == "policies":
        return _module_mistake(name, POLICY)
    scorer = scorer_name(kind)
    if scorer == name:
        return _module_mistake(name, BENCHMARK)
    items = {key: kinds for key, kinds in BENCHMARK.items() if key not in SCORER}
    scoring = {key: BENCHMARK[key] for key in SCORER}
    return _module_mistake(name, items, without=SCORER) or _module_mistake(scorer, scoring)


def _module_mistake(name: str, required: Mapping[str, Any], without: Collection[str] = ()) -> str | None:
    package = name.split(".")[0]
    file = f"goodpart/{name.replace('.', '/')}.py"
    try:
        module = importlib.import_module(f"goodpart.{name}")
    except Exception as error:  # whatever a user's module raises
        said = " ".join(str(error).split())
        return f"{file} cannot be imported ({type(error).__name__}: {said}); correct it"
    missing = [key for key in required if not hasattr(module, key)]
    if len(missing) == len(required):
        return f"there is no {file} with {', '.join(required)}; {_fix(package)}"
    if missing:
        return f"{file} has no {', '.join(missing)}; add what goodpart/{package}/__init__.py describes"
    if twice := [key for key in without if key in vars(module)]:
        return f"{file} has {', '.join(twice)}, and there is a module of scoring for it; keep one of them"
    for key, kinds in required.items():
        value = getattr(module, key)
        wrong = not callable(value) if kinds == "function" else not isinstance(value, kinds)
        wrong |= key == "NEEDS" and value not in NEEDS
        wrong |= key == "FIELDS" and not all(isinstance(field, str) for field in value)
        if wrong:
            return f"{file}: {key} is {value!r}; make it what goodpart/{package}/__init__.py describes"
    return _policy_mistake(file, module) if package == "policies" else None


def _policy_mistake(file: str, module: ModuleType) -> str | None:
    unset = [key for key in READ.get(module.NEEDS, ()) if module.SETTINGS.get(key) is None]
    if unset:
        keys = ", ".join(unset)
        return f"{file}: SETTINGS gives no {keys}, which NEEDS = {module.NEEDS!r} takes; add a default"
    pooling = getattr(module, "POOLING", "prompts")
    if pooling not in ("prompts", "tokens"):
        return f"{file}: POOLING is {pooling!r}; make it prompts or tokens"
    return None


def _fix(package: str) -> str:
    return f"give a kind of {'benchmark' if package == 'benchmarks' else 'policy'}"
