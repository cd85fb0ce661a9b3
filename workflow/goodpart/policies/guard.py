"""A policy's `choose` as jobs call it: a mistake in a user's module becomes one line."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from goodpart.errors import GoodpartError, call_plugin
from goodpart.models.skipping import check_layers
from goodpart.policies import Choice, policy_module


def chooser(kind: str, layers: int) -> Callable[[Any, int, dict[str, Any]], Any]:
    """`choose(measured, k, settings)` of a kind of policy, for a model of `layers` layers.

    Layers come sorted. Raises GoodpartError, which names the module, for any error in it, and for a result
    that is no `Choice` of at most k layers of the model (with `NEEDS = "phases"`: one a phase, k on average).
    """
    module, file = policy_module(kind), f"goodpart/policies/{kind}.py"

    def choose(measured: Any, k: int, settings: dict[str, Any]) -> Any:
        result = call_plugin(file, module.choose, (measured, k, settings), f"k = {k}")
        phases = len(measured) if module.NEEDS == "phases" else 0
        try:
            if not phases:
                return _checked(result, layers, k, k)
            if not isinstance(result, (list, tuple)) or len(result) != phases:
                raise GoodpartError(f"return a list of one Choice for each of the {phases} phases")
            choices = [_checked(one, layers, k, layers) for one in result]
            if sum(one.got_k for one in choices) > k * phases:
                raise GoodpartError(f"return at most {k} layers on average")
        except GoodpartError as error:
            raise GoodpartError(
                f"{file}: choose returned {reprlib.repr(result)} for k = {k}; {error}"
            ) from None
        return choices

    return choose


def _checked(choice: Any, layers: int, k: int, most: int) -> Choice:
    """The choice, its layers sorted, if it is one of at most `most` layers of a model of `layers`, for k."""
    if not isinstance(choice, Choice):
        raise GoodpartError("return a Choice")
    if not isinstance(choice.layers, (list, tuple)) or any(type(layer) is not int for layer in choice.layers):
        raise GoodpartError("let its layers be a list of ints of Python")
    if len(choice.layers) > most:
        raise GoodpartError(f"return at most {most} layers")
    if type(choice.asked_k) is not int or choice.asked_k != k or not isinstance(choice.reason, str):
        raise GoodpartError("let asked_k be k, and reason a string")
    if choice.values is not None and not _finite(choice.values, layers):
        raise GoodpartError(f"let its values be {layers} finite numbers, one a layer, or None")
    values = None if choice.values is None else [float(value) for value in choice.values]
    return replace(choice, layers=check_layers(choice.layers, layers), values=values)


def _finite(values: Any, count: int) -> bool:
    try:
        return len(values) == count and all(math.isfinite(value) for value in values)
    except TypeError:
        return False
