"""A benchmark's module as jobs call it: what a module of one's own gets wrong is said in one line."""

from __future__ import annotations

import functools
import json
import reprlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from goodpart.errors import GoodpartError, call_plugin


class Guarded:
    """A module whose functions raise GoodpartError for any other error, and for a result of a wrong type.

    results: function -> the type of its results; those of a function without an entry are not checked.
    """

    def __init__(self, module: ModuleType, results: Mapping[str, Any]) -> None:
        self.module = module
        self.results = results
        self.file = f"{module.__name__.replace('.', '/')}.py"

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.module, name)
        return self._guard(name, value) if callable(value) else value

    def _guard(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any) -> Any:
            if name == "reference":  # which may fail on a row of another data set: the caller says which
                return self._as_json(function(*arguments))
            result = call_plugin(self.file, function, arguments, reprlib.repr(arguments))
            if not isinstance(result, self.results.get(name, object)):
                raise GoodpartError(
                    f"{self.file}: {name} returned {reprlib.repr(result)} for {reprlib.repr(arguments)}; "
                    f"return a {getattr(self.results[name], '__name__', self.results[name])}"
                )
            return result

        return call

    def _as_json(self, reference: Any) -> Any:
        try:
            json.dumps(reference)
        except (TypeError, ValueError) as error:
            raise GoodpartError(
                f"{self.file}: reference returned {reprlib.repr(reference)} ({error}); return values that "
                "JSON has"
            ) from None
        return reference
