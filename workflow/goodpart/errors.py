"""One exception for everything a user can mend: its message names the file or key and the fix."""

from __future__ import annotations


class GoodpartError(Exception):
    """Bad input: the message says what is wrong, where, and what to do about it."""
