"""The paper side by side: every cell of its tables and every claim of its text, with ours beside them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from goodpart.evaluation.pages import write_forms
from goodpart.evaluation.paper import readings
from goodpart.evaluation.paper.claims import read_claims
from goodpart.evaluation.paper.evidence import Evidence, Retentions
from goodpart.evaluation.paper.from_run import read_profile, read_selected, speed_ups
from goodpart.evaluation.paper.paired import paired_differences
from goodpart.evaluation.paper.side_by_side import AGREES, DIFFERS, FIELDS, rows
from goodpart.evaluation.paper.table_cells import our_cells, paper_cells
from goodpart.evaluation.paper.verdicts import NOT_COMPARABLE, NOT_EVALUATED
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_table, read_tables

OTHERS = """> **These are other models, or other problems.** {which}. Agreement or
> disagreement below says what these do; it is no evidence for or against the paper's numbers.
"""
HOW = """
A retention is accuracy with layers skipped in percent of that at full depth. *Paper*: the printed number;
with an interval at {level:g} % where the printed percentages show how many problems n there were (log
interval of a ratio of two binomial counts, taken as independent: which problems were lost is not
published, and pairing would make it narrower). *Here*: paired bootstrap over items, also of the
difference that adjacent layers make (C13, C14); where no resample differs, the limits that an exact
binomial interval leaves. A cell *agrees* if the interval of the difference holds 0 (MOVER), or, without
the paper's n, if our interval holds its number. † marks a number that is corrected: Table 3 repeats
another model's MATH-500 column under HumanEval; beside it stands what was printed.

A claim is *true* on some numbers if every comparison that it makes holds there, *partly* if some of its
several statements do, and *not evaluated* if an input is missing. A contrast between models is *not
comparable* here if their accuracies at full depth (means over its benchmarks) differ by more than 0.10, or
if one is within 0.05 of 0 or 1: such models cannot show which of them loses more. *Unresolved* means that
sampling error alone could turn the verdict round; *error unknown*, that the error of a number is not known.
"""


def others(settings: dict[str, Any]) -> str:
    """Which models and benchmarks are not known to be the paper's; empty if all are."""
    found = [
        f"{model} stands for {column}"
        for model, (column, original) in settings["models"].items()
        if column and not original
    ]
    found += [
        f"{benchmark} for {settings['names'][benchmark]}"
        for benchmark, original in settings["originals"].items()
        if not original
    ]
    return ", ".join(found)


def to_csv(made: list[dict[str, Any]]) -> str:
    """All rows; empty where there is no number."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(made)
    return out.getvalue()


def to_markdown(
    made: list[dict[str, Any]], settings: dict[str, Any], ours: Sequence[dict[str, Any]] = ()
) -> str:
    """The comparison for reading: what it can say, the claims, the cells table by table, the two readings.

    ours: rows of cells.parquet.
    """
    cells = [row for row in made if row["kind"] == "cell"]
    claims = [row for row in made if row["kind"] == "claim"]
    which = others(settings)
    lines = ["# The paper side by side", ""]
    lines += [OTHERS.format(which=which)] if which else []
    counts = {name: sum(row["agreement"] == name for row in cells) for name in (AGREES, DIFFERS)}
    verdicts = [row["here_verdict"] for row in claims]
    said = ", ".join(f"{verdicts.count(name)} {name}" for name in dict.fromkeys(sorted(verdicts)))
    lines += [
        f"Of {len(cells)} cells {counts[AGREES]} agree and {counts[DIFFERS]} differ; the others cannot be "
        f"compared (why is in the CSV). Of {len(claims)} claims, here: {said}.",
        HOW.format(level=100 * settings["level"]),
        "## Claims",
        "",
        *_grid(
            ["Claim", "In the paper", "On the paper's cells", "Here", "Behind the verdict here"],
            [
                [
                    row["id"],
                    row["what"],
                    _verdict(row, "paper"),
                    _verdict(row, "here"),
                    row["note"],
                ]
                for row in claims
            ],
        ),
    ]
    for table in dict.fromkeys(row["table"] for row in cells):
        lines += ["", f"## Table {table.removeprefix('table')}", ""]
        lines += _grid(
            ["Benchmark", "Model", "Adjacent layers", "Skipped", "Paper", "Here", "", "Note"],
            [
                [
                    row["benchmark"],
                    row["column"],
                    row["adjacent"].replace("_", " "),
                    str(row["layers_skipped"]),
                    _number(row, "paper"),
                    _number(row, "here"),
                    row["agreement"],
                    row["note"],
                ]
                for row in cells
                if row["table"] == table
            ],
        )
    if read_twice := readings.reading_rows(ours):
        lines += ["", readings.TITLE, readings.HOW, *_grid(readings.HEADER, read_twice)]
    return "\n".join(lines) + "\n"


def _verdict(row: dict[str, Any], side: str) -> str:
    verdict = row[f"{side}_verdict"]
    if verdict in (NOT_EVALUATED, NOT_COMPARABLE):
        return verdict
    return verdict + {"yes": "", "no": ", unresolved", None: " (error unknown)"}[row[f"{side}_resolved"]]


def _number(row: dict[str, Any], side: str) -> str:
    if row[side] is None:
        return "–"
    text = row[side]
    if row[f"{side}_low"] is not None:
        text += f" ({float(row[f'{side}_low']):.0f} to {float(row[f'{side}_high']):.0f})"
    return f"{text} † (printed {row['paper_printed']})" if side == "paper" and row["corrected"] else text


def _grid(header: list[str], lines: list[list[str]]) -> list[str]:
    every = [header, ["---"] * len(header), *lines]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in every]


def main(job: Job) -> None:
    """Write comparison.csv and comparison.md."""
    settings = job.params.settings
    level, kinds = settings["level"], settings["kinds"]
    printed = paper_cells(job.input.paper_cells, level)
    columns = {model: column for model, (column, _) in settings["models"].items()}
    cells, policies = read_table(job.input.cells).to_pylist(), settings["policies"]
    paired = paired_differences(cells, kinds, policies, job.input.cells.parent, level, settings["resamples"])
    selected = None
    if chosen := settings["selection"]:
        model, entry, k = (chosen[key] for key in ("model", "policy", "k"))
        layers = settings["layers"][model]
        static = [
            row["layers"]
            for row in cells
            if (row["model"], row["policy"], row["asked_k"]) == (model, chosen["static"], k)
        ]
        known = static[0] if static else None
        selected = read_selected(job.input.similarities, columns[model], layers, kinds, entry, k, known)
    speeds = speed_ups(read_tables(job.input.latency).to_pylist(), level) if job.input.latency else []
    named = [column for column in columns.values() if column]
    evidence = Evidence(
        Retentions(our_cells(cells, kinds, policies, level), level, paired, compared=True),
        {column: read_profile(file, column) for file, column in zip(job.input.profiles, named, strict=True)},
        selected,
        speeds,
    )
    claims = read_claims(job.input.paper_claims)
    made = rows(printed, claims, Evidence(Retentions(printed, level)), evidence)
    texts = {".csv": to_csv(made), ".md": to_markdown(made, settings, cells)}
    write_forms(texts, job.outputs)
