"""One exception for everything a user can mend: its message names the file or key and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GoodpartError(Exception):
    """Bad input: the message says what is wrong, where, and what to do about it."""


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: the known one that is most like it, or all that are known."""
    known = list(known)
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known)}"
