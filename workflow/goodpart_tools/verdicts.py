"""A look at verdicts: what skipping k layers changed.

Items that went from right to wrong and from wrong to right, with prompt, both completions, what was extracted
and why it was judged so; and a sample of all verdicts to audit by eye. Markdown on standard output, or the
Markdown or HTML file that `--output` names.
"""

from __future__ import annotations

import argparse
import html
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.jobs.files import write_text
from goodpart.jobs.parquet import read_table
from goodpart_tools.compare import shards

JUDGED = ["item_id", "sample", "correct", "strict", "extracted", "reason", "status"]
RIGHT, WRONG = "right", "wrong"
STYLE = (
    "body{font:15px/1.4 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "pre{background:#f4f4f4;padding:.6em;white-space:pre-wrap;overflow-wrap:anywhere}"
)


@dataclass(frozen=True)
class Judged:
    """One completion with its verdict."""

    item: str
    sample: int
    prompt: str
    completion: str
    truncated: bool
    verdict: dict[str, Any]

    @property
    def word(self) -> str:
        """Its verdict in a word."""
        if self.verdict["correct"] is None:
            return self.verdict["status"]
        return RIGHT if self.verdict["correct"] else WRONG


def judged(results: Path, where: dict[str, Any]) -> dict[tuple[str, int], Judged]:
    """(item, sample) -> completion and verdict of one cell; GoodpartError where the cell was not made.

    `where`: model, decode, benchmark, policy and k.
    """
    scores = results / paths.SCORES.format(**where)
    if not scores.exists():
        raise GoodpartError(
            f"{scores}: no such file; run this cell, or name another model, benchmark, policy or k"
        )
    items = read_table(results / paths.ITEMS.format(**where, split="evaluation"), ["item_id", "prompt"])
    prompts = {row["item_id"]: row["prompt"] for row in items.to_pylist()}
    texts: dict[tuple[str, int], tuple[str, bool]] = {}
    cell = tuple(str(where[key]) for key in ("model", "decode", "benchmark", "policy", "k"))
    for file in shards(results, cell):
        for row in read_table(file, ["item_id", "sample", "completion", "truncated"]).to_pylist():
            texts[row["item_id"], row["sample"]] = row["completion"], row["truncated"]
    found = {}
    for row in read_table(scores, JUDGED).to_pylist():
        place = row["item_id"], row["sample"]
        if place not in texts or row["item_id"] not in prompts:
            raise GoodpartError(f"{scores}: {row['item_id']} has no completion or no prompt; rerun this cell")
        found[place] = Judged(*place, prompts[row["item_id"]], *texts[place], row)
    return found


def changed(full: dict[Any, Judged], skipped: dict[Any, Judged], before: str) -> list[tuple[Judged, Judged]]:
    """Pairs (full depth, skipped) whose verdict was `before` at full depth and is the opposite now."""
    after = WRONG if before == RIGHT else RIGHT
    return [
        (full[place], one)
        for place, one in skipped.items()
        if place in full and full[place].word == before and one.word == after
    ]


def to_markdown(title: str, groups: list[tuple[str, list[tuple[Judged, ...]]]]) -> str:
    """The page: a section a group, in it one entry an item with all its completions."""
    lines = [f"# {title}", ""]
    lines += [f"* {name}: {len(entries)}" for name, entries in groups]
    for name, entries in groups:
        lines += ["", f"## {name}"]
        for entry in entries:
            lines += [
                "",
                f"### {entry[0].item}, sample {entry[0].sample}",
                "",
                *_quoted("Prompt", entry[0].prompt),
            ]
            for label, one in zip(
                ("Full depth", "Layers skipped") if len(entry) > 1 else ("Completion",), entry, strict=True
            ):
                strict = {True: RIGHT, False: WRONG, None: "not judged"}[one.verdict["strict"]]
                cut = ", cut off by the length limit" if one.truncated else ""
                head = f"{label}: {one.word} (strict: {strict}{cut}). {one.verdict['reason']}"
                lines += ["", *_quoted(head, one.completion)]
                lines += ["", *_quoted("Extracted", one.verdict["extracted"] or "nothing")]
    return "\n".join(lines) + "\n"


def _quoted(label: str, text: str) -> list[str]:
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"**{' '.join(label.split())}**", "", f"{fence}text", text.replace("\0", "\\0"), fence]


def to_html(markdown: str) -> str:
    """The page as HTML, of the few marks that `to_markdown` makes."""
    lines, fence = [], ""
    for line in markdown.split("\n"):
        if fence and line == fence:
            lines.append("</pre>")
            fence = ""
        elif fence:
            lines.append(html.escape(line))
        elif found := re.fullmatch(r"(`{3,})text", line):
            fence = found[1]
            lines.append("<pre>")
        elif found := re.match(r"(#+) ", line):
            level = len(found[1])
            lines.append(f"<h{level}>{html.escape(line[level + 1 :])}</h{level}>")
        elif line:
            lines.append(f"<p>{html.escape(line.strip('*'))}</p>")
    text = "\n".join(lines).replace("<pre>\n", "<pre>").replace("\n</pre>", "</pre>")
    return f"<!doctype html>\n<meta charset=utf-8>\n<title>Verdicts</title>\n<style>{STYLE}</style>\n{text}\n"


def main(arguments: argparse.Namespace) -> None:
    """Print or write the page."""
    where = {"model": arguments.model, "decode": arguments.decode, "benchmark": arguments.benchmark}
    full = judged(arguments.results, {**where, "policy": paths.FULL_DEPTH, "k": 0})
    policy = arguments.policy if arguments.k else paths.FULL_DEPTH
    skipped = judged(arguments.results, {**where, "policy": policy, "k": arguments.k})
    groups: list[tuple[str, list[tuple[Judged, ...]]]] = []
    for before, after in ((RIGHT, WRONG), (WRONG, RIGHT)) if arguments.k else ():
        groups.append((f"From {before} to {after}", [*changed(full, skipped, before)]))
    drawn = random.Random(arguments.seed).sample(list(skipped), min(arguments.sample, len(skipped)))
    groups.append(("A sample to audit", [(skipped[place],) for place in sorted(drawn)]))
    title = f"Verdicts: {arguments.model}, {arguments.benchmark}, {arguments.k} layers skipped ({policy})"
    page = to_markdown(title, groups)
    if arguments.output is None:
        print(page, end="")
    else:
        write_text(arguments.output, to_html(page) if arguments.output.suffix == ".html" else page)


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    options.add_argument("model", help="its name in the configuration")
    options.add_argument("benchmark", help="its name in the configuration")
    options.add_argument("k", type=int, help="layers skipped; 0 shows a sample of full depth")
    options.add_argument("--policy", default="similarity", help="skip policy (default: similarity)")
    options.add_argument("--decode", default="default", help="decoding preset (default: default)")
    options.add_argument("--results", type=Path, default=Path("results"), help="folder of all results")
    options.add_argument("--sample", type=int, default=5, help="verdicts to audit (default: 5)")
    options.add_argument("--seed", type=int, default=0, help="of the sample")
    options.add_argument("--output", type=Path, help="a file .md or .html (default: print Markdown)")
