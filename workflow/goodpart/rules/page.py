"""A table in Markdown as a page of its own, for the report."""

from __future__ import annotations

import argparse
from pathlib import Path

from goodpart.files import write_text
from goodpart.runtime import parser, run

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


def main(arguments: argparse.Namespace) -> None:
    """Write the page."""
    text = arguments.table.read_text(encoding="utf-8")
    write_text(arguments.output, page(arguments.table.stem, text))


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--table", type=Path, required=True, help="Markdown")
    options.add_argument("--output", type=Path, required=True, help="HTML")
    run(main, options.parse_args())
