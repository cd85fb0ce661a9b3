"""Finding the boxed answer in LaTeX text."""

from __future__ import annotations

import re

BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")


def last_boxed(text: str) -> str | None:
    r"""Content of the last `\boxed{...}` or `\fbox{...}` whose braces balance, or None."""
    for found in reversed(list(BOX.finditer(text))):
        depth = 1
        for i in range(found.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[i], 0) if text[i - 1] != "\\" else 0
            if depth == 0:
                return text[found.end() : i]
    return None
