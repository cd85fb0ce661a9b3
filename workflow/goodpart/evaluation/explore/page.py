"""One HTML file: the library Vega, the data and the page's own files, with nothing left to load."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError

HERE = Path(__file__).parent
FILES = ("page.html", "page.css", "data.js", "map.js", "page.js")
INSTALL = "pip install -c envs/lock.txt -e '.[explore]'"
SNIPPET = "window.vegaEmbed = vegaEmbed;"  # what the page runs of the bundle


def library() -> str:
    """Vega with all that it needs, as one script. Raises GoodpartError where it is not installed."""
    try:
        import vl_convert
    except ImportError as error:
        raise GoodpartError(f"the page needs the library Vega (vl-convert-python): {INSTALL}") from error
    return vl_convert.javascript_bundle(snippet=SNIPPET)


def html(data: dict[str, Any], script: str) -> str:
    """The page that shows `data` with the library `script`; no text in `data` can end or start an element."""
    template, style, *own = ((HERE / name).read_text(encoding="utf-8") for name in FILES)
    # In JSON, < stands in strings only; in a script, </script in strings and regular expressions only.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = {"style": style, "library": re.sub(r"</(?=script)", r"<\\/", script, flags=re.I), "data": text}
    parts["script"] = "\n".join(own)
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)
