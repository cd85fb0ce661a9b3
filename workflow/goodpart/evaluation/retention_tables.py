"""Tables of retention from cells: CSV (numbers), Markdown and LaTeX (as printed).

A cell is `not run`, below the threshold (a dash, as in the paper), or a retention with its interval.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goodpart.evaluation.comparability import skill
from goodpart.evaluation.pages import write_forms
from goodpart.paths import FULL_DEPTH

PAPER_COLUMNS = ("LLaDA-Instruct", "Dream-Base", "Dream-Instruct", "Qwen2.5")
FIELDS = ("retention", "accuracy", "n", "low", "high", "got_k")
FORMATS = {"retention": "{:.1f}", "accuracy": "{:.4f}", "low": "{:.1f}", "high": "{:.1f}"}
SPECIAL = re.compile(r"[&%$#_{}]")  # characters of LaTeX
NOT_RUN, BELOW = "not run", "below threshold"
NOTES = (
    "Retention in percent of full depth with its {level:g} % interval (paired bootstrap over items); "
    "at full depth, accuracy in round brackets, and -log p of the reference solutions a token.",
    "\\*: the interval excludes 100. \\+: fewer layers found than asked (how many in square brackets).",
    "=: every resample came out alike, and so the interval has no width; that is not certainty.",
    "–: below the retention threshold. not run: the cell is not part of this run.",
)
CUT = (
    "!: more than a tenth of the completions, with layers skipped or at full depth, were cut off by the "
    "length limit; retention then measures length as well."
)
MOST_CUT = 0.1  # of a cell's completions, before a mark says so
OTHERS = "results/cells.parquet also has {}."
SAME_LAYERS = "\\#: both rules chose the same layers, none of them adjacent."


@dataclass(frozen=True)
class Table:
    """Rows (benchmark, k) by columns, each cell a row of cells.parquet or None where not run.

    `titles`: column -> its title in print, where that is another. `same_layers`: rows whose columns, being
    policies, skip the same layers. `policy`: that of all its cells, and `others`: policies of the run that it
    leaves out.
    """

    columns: list[str]
    rows: list[tuple[str, int]]
    cells: dict[tuple[str, int, str], dict[str, Any]]
    titles: dict[str, str] = field(default_factory=dict)
    same_layers: frozenset[tuple[str, int]] = frozenset()
    policy: str = ""
    others: tuple[str, ...] = ()

    @property
    def header(self) -> list[str]:
        """Titles of all columns in print."""
        return ["Benchmark", "Layers skipped", *(self.titles.get(c, c) for c in self.columns)]

    @property
    def notes(self) -> list[str]:
        """What stands below it, with `{level}` to fill in."""
        named = [f"Policy: {self.policy}. {OTHERS.format(', '.join(self.others))}"] if self.others else []
        marks = [SAME_LAYERS] * bool(self.same_layers) + [CUT] * any(map(cut_off, self.cells.values()))
        return [*NOTES, *named, *marks]


def retention_table(
    cells: Sequence[dict[str, Any]],
    policy: str,
    models: dict[str, str | None],
    labels: dict[str, str],
) -> Table:
    """Arrange cells of one policy, with full depth, as the paper's Table 1.

    models: model -> the paper's column that it stands for, or None for a column of its own; the paper's
    four columns are there if any model stands for one. labels: benchmark -> its name in the table, in the
    order of the rows.
    """
    titles = {model: column or model for model, column in models.items()}
    own = [title for title in titles.values() if title not in PAPER_COLUMNS]
    chosen = [c for c in cells if c["policy"] in (policy, FULL_DEPTH) and c["model"] in titles]
    ks = sorted({c["asked_k"] for c in chosen})
    return Table(
        columns=own if len(own) == len(titles) else [*PAPER_COLUMNS, *own],
        rows=[(label, k) for label in labels.values() for k in ks],
        cells={
            (labels[c["benchmark"]], c["asked_k"], titles[c["model"]]): c
            for c in chosen
            if c["benchmark"] in labels
        },
        policy=policy,
        others=tuple(sorted({c["policy"] for c in cells} - {policy, FULL_DEPTH})),
    )


def adjacency_table(
    cells: Sequence[dict[str, Any]], policies: dict[str, str], model: str | None, labels: dict[str, str]
) -> Table:
    """Arrange one model's cells of two policies as the paper's Tables 2 and 3.

    policies: `not_allowed` (skipping adjacent layers) and `allowed`, each with the policy's name. The rows
    are those of the policy that allows it. Without a model nothing was run.
    """
    of_policy = {name: column for column, name in policies.items()}
    chosen = [c for c in cells if c["model"] == model and c["benchmark"] in labels]
    ks = {c["asked_k"] for c in chosen if of_policy.get(c["policy"]) == "allowed"}
    ks = ks or {c["asked_k"] for c in chosen if c["policy"] in of_policy}
    found = {}
    for c in chosen:
        columns = [of_policy[c["policy"]]] if c["policy"] in of_policy else []
        for column in list(policies) if c["policy"] == FULL_DEPTH else columns:
            found[labels[c["benchmark"]], c["asked_k"], column] = c
    sets = {place: c["layers"] for place, c in found.items() if c["asked_k"] and c.get("layers") is not None}
    rows = [(label, k) for label in labels.values() for k in sorted({0, *ks})]
    return Table(
        columns=list(policies),
        rows=rows,
        cells=found,
        titles={"not_allowed": "Adjacent not allowed", "allowed": "Adjacent allowed"},
        same_layers=frozenset(
            row
            for row in rows
            if (*row, "allowed") in sets and sets[*row, "allowed"] == sets.get((*row, "not_allowed"))
        ),
    )


def cut_off(cell: dict[str, Any]) -> bool:
    """Whether the length limit cut off more than a tenth of a cell's completions, or of full depth's."""
    total = cell["n"] * (cell.get("samples") or 1)
    return max(cell.get("truncated") or 0, cell.get("full_truncated") or 0) > MOST_CUT * total


def state(cell: dict[str, Any] | None, threshold: float | None) -> str:
    """`scored`, `not run`, `below threshold`, or why a cell was not scored."""
    if cell is None:
        return NOT_RUN
    if cell["status"] != "scored":
        return cell["status"]
    retention = cell["retention"]
    if threshold is not None and retention is not None and retention < threshold:
        return BELOW
    return "scored"


def to_csv(table: Table, threshold: float | None) -> str:
    """Numbers in fixed formats; empty where there is none, retention and interval below the threshold."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["benchmark", "layers_skipped", *(f"{c}_{name}" for c in table.columns for name in FIELDS)]
    )
    for label, k in table.rows:
        row: list[Any] = [label, k]
        for column in table.columns:
            cell = table.cells.get((label, k, column))
            hidden = ("retention", "low", "high") if state(cell, threshold) == BELOW else ()
            for name in FIELDS:
                value = None if cell is None or name in hidden else cell[name]
                row.append("" if value is None else FORMATS.get(name, "{}").format(value))
        writer.writerow(row)
    return out.getvalue()


def printed(cell: dict[str, Any] | None, threshold: float | None) -> str:
    """One cell as the Markdown and LaTeX tables print it."""
    how = state(cell, threshold)
    if how == BELOW:
        return "–"
    if cell is None or how != "scored":
        return how
    mark = " !" if cut_off(cell) else ""
    if cell["asked_k"] == 0:
        return f"{'100.0' if cell['correct'] else 'n/a'} ({skill(cell['accuracy'], cell.get('nll'))}){mark}"
    if cell["retention"] is None:
        return "n/a" + mark
    low, high = cell["low"], cell["high"]
    text = f"{cell['retention']:.1f} ({low:.0f} to {high:.0f})"
    if low == high:
        text += " ="
    if not low <= 100 <= high:
        text += " *"
    if cell["got_k"] < cell["asked_k"]:
        text += f" + [{cell['got_k']}]"
    return text + mark


def _grid(table: Table, threshold: float | None) -> list[list[str]]:
    lines, last = [], None
    for label, k in table.rows:
        skipped = "0 (baseline)" if k == 0 else f"{k} #" if (label, k) in table.same_layers else str(k)
        cells = [printed(table.cells.get((label, k, c)), threshold) for c in table.columns]
        lines.append([label if label != last else "", skipped, *cells])
        last = label
    return lines


def _counts(table: Table) -> str:
    counts = sorted({(label, c["n"]) for (label, _, _), c in table.cells.items()})
    return "Items: " + ", ".join(f"{label} {n}" for label, n in counts) + "."


def to_markdown(table: Table, threshold: float | None, level: float) -> str:
    """The table as GitHub's Markdown, with its notes."""
    header = table.header
    lines = [header, ["---"] * len(header), *_grid(table, threshold)]
    marks = re.compile(r"(?<= )[*+#](?= \[|$| \+| !)|\|")
    body = "\n".join("| " + " | ".join(marks.sub(r"\\\g<0>", cell) for cell in line) + " |" for line in lines)
    notes = "\n".join(note.format(level=100 * level) for note in table.notes)
    return f"{body}\n\n{notes}\n{_counts(table)}\n"


def to_latex(table: Table, threshold: float | None, level: float) -> str:
    """The table as a LaTeX tabular (package booktabs), its notes as comments."""
    header = table.header
    lines = ["% " + note.replace("\\", "").format(level=100 * level) for note in table.notes]
    lines += [f"% {_counts(table)}", f"\\begin{{tabular}}{{ll{'r' * len(table.columns)}}}", "\\toprule"]
    titles = [SPECIAL.sub(r"\\\g<0>", title) for title in header]
    lines += [" & ".join(titles) + r" \\", "\\midrule"]
    for i, line in enumerate(_grid(table, threshold)):
        if i and line[0]:
            lines.append("\\midrule")
        cells = [SPECIAL.sub(r"\\\g<0>", c) for c in line]
        cells = [c.replace(" *", "$^{*}$").replace(" + [", "$^{+}$ [").replace("–", "--") for c in cells]
        lines.append(" & ".join(cells) + r" \\")
    lines += ["\\bottomrule", "\\end{tabular}"]
    return "\n".join(lines) + "\n"


def write(table: Table, outputs: Sequence[Path], threshold: float | None, level: float) -> None:
    """Write a table as CSV, Markdown, LaTeX and a page of the report, by the suffixes of the outputs."""
    texts = {
        ".csv": to_csv(table, threshold),
        ".md": to_markdown(table, threshold, level),
        ".tex": to_latex(table, threshold, level),
    }
    write_forms(texts, outputs)
