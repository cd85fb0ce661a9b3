"""One exception for everything a user can mend: its message names the file or key and the fix."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


class GoodpartError(Exception):
    """Bad input: the message says what is wrong, where, and what to do about it."""


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: the known one that is most like it, or all that are known."""
    known = list(known)
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known)}"


def call_plugin(file: str, function: Callable[..., Any], arguments: Iterable[Any], given: str) -> Any:
    """Call a function of a user's module; whatever it raises becomes one line that names file and line.

    `file`: the module, for the message. `given`: the arguments, for the message. A GoodpartError passes
    through unchanged, and so does a lack of memory, which is no mistake of the module.
    """
    try:
        return function(*arguments)
    except GoodpartError:
        raise
    except Exception as error:
        if type(error).__name__ in ("MemoryError", "OutOfMemoryError"):  # the latter is torch's
            raise
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).name == Path(file).name] or frames
        said = " ".join(f"{type(error).__name__}: {error}".split())
        name = getattr(function, "__name__", repr(function))
        raise GoodpartError(
            f"{file}: {name} raised {said} (line {own[-1].lineno}) for {given}; correct the function"
        ) from error
