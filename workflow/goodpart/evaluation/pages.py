"""Tables in all their forms: text files, and pages of the report."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from goodpart.jobs.files import write_text

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; margin: 1.5em; color: #222; background: #fff; }}
table {{ border-collapse: collapse; margin: 1em 0; }}
th, td {{ padding: 0.2em 0.7em; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }}
th {{ border-bottom: 2px solid #888; }}
blockquote {{ margin: 1em 0; padding: 0.1em 1em; border-left: 4px solid #d55e00; background: #fff4ec; }}
pre {{ background: #f6f6f6; padding: 1em; overflow-x: auto; }}
</style>
</head>
<body>
{body}</body>
</html>
"""


def page(title: str, markdown: str) -> str:
    """GitHub's Markdown (text and tables) as one self-contained HTML page. HTML in it is shown, not run."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return PAGE.format(title=title, body=body)


def rows_as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """All rows as they are, numbers in fixed formats."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(list(rows[0]))
    for row in rows:
        values = [f"{v:.6f}" if isinstance(v, float) else v for v in row.values()]
        writer.writerow(["" if value is None else value for value in values])
    return out.getvalue()


def write_forms(texts: Mapping[str, str], outputs: Iterable[Path]) -> None:
    """Write each output in the form of its suffix (".csv", ".md", ...); ".html" is the page of ".md"."""
    for path in outputs:
        text = page(path.stem, texts[".md"]) if path.suffix == ".html" else texts[path.suffix]
        write_text(path, text)
