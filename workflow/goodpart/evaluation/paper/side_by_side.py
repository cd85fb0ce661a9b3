"""Rows of the comparison: every cell of the paper's tables and every claim, next to this run's numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from goodpart.evaluation.comparability import skill
from goodpart.evaluation.paper.claims import Claim
from goodpart.evaluation.paper.evidence import Evidence
from goodpart.evaluation.paper.table_cells import NAMES, Cell
from goodpart.evaluation.paper.values import Value, linear
from goodpart.evaluation.paper.verdicts import FALSE, NOT_COMPARABLE, NOT_EVALUATED, PARTLY, TRUE, Verdict

FIELDS = (
    *("kind", "id", "what", "table", "benchmark", "column", "adjacent", "layers_skipped"),
    *("paper", "paper_low", "paper_high", "paper_n", "paper_printed", "corrected"),
    *("here", "here_low", "here_high", "here_n", "got_k", "agreement"),
    *("paper_verdict", "paper_resolved", "here_verdict", "here_resolved", "paper_detail", "note"),
)
AGREES, DIFFERS, NOT_COMPARED = "agrees", "differs", "not compared"
OF_VERDICT = {
    TRUE: "agrees",
    PARTLY: "agrees in part",
    FALSE: "differs",
    NOT_EVALUATED: NOT_EVALUATED,
    NOT_COMPARABLE: NOT_COMPARABLE,
}


def agreement(paper: Cell, ours: Cell | None) -> tuple[str, str]:
    """Whether two retentions agree within their sampling errors, or the reason why they cannot be compared.

    They agree if the interval of their difference contains 0. If the paper's n is unknown, they agree if this
    run's interval contains the paper's value.
    """
    if paper.k == 0:
        return NOT_COMPARED, "full depth: 100 by definition"
    if paper.percent is None:
        return NOT_COMPARED, "the paper prints a dash"
    if ours is None:
        return NOT_COMPARED, "not run"
    if ours.percent is None:
        return NOT_COMPARED, ours.why
    if ours.low is None or ours.high is None:
        return NOT_COMPARED, "no interval of ours"
    if paper.low is None:
        inside = ours.low <= paper.percent <= ours.high
        return (AGREES if inside else DIFFERS), "the paper's n is unknown: its value against our interval"
    difference = linear([(1, ours.value), (-1, paper.value)])
    assert difference.low is not None
    assert difference.high is not None
    return (AGREES if difference.low <= 0 <= difference.high else DIFFERS), ""


def cell_row(paper: Cell, ours: Cell | None) -> dict[str, Any]:
    """The row of one cell of the paper."""
    found, why = agreement(paper, ours)
    notes = [why, "" if paper.withheld else paper.note, "" if ours is None else ours.note]
    if paper.k == 0:
        notes.append(f"accuracy: paper {paper.accuracy:.2f}")
        if ours is not None and ours.accuracy is not None:
            notes.append(f"here {skill(ours.accuracy, ours.nll)}")
    corrected = paper.percent != paper.printed
    return {
        "kind": "cell",
        "id": f"{paper.table}/{NAMES[paper.kind]}/{paper.column}/{paper.adjacent}/{paper.k}",
        "what": "retention in percent",
        "table": paper.table,
        "benchmark": NAMES[paper.kind],
        "column": paper.column,
        "adjacent": paper.adjacent,
        "layers_skipped": paper.k,
        **_numbers("paper", None if paper.percent is None else paper.value),
        "paper_n": paper.n,
        "paper_printed": None if paper.printed is None else f"{paper.printed:.1f}",
        "corrected": int(corrected),
        **_numbers("here", ours.value if ours is not None and ours.percent is not None else None),
        "here_n": None if ours is None else ours.n,
        "got_k": None if ours is None else ours.got_k,
        "agreement": found,
        "note": "; ".join(filter(None, notes)),
    }


def claim_row(claim: Claim, of_paper: Verdict, of_ours: Verdict) -> dict[str, Any]:
    """The row of one claim, with the numbers of the comparison that decides it."""
    return {
        "kind": "claim",
        "id": claim.id,
        "what": claim.claim,
        "table": claim.data,
        **_numbers("paper", of_paper.decisive.number if of_paper.decisive else None),
        **_numbers("here", of_ours.decisive.number if of_ours.decisive else None),
        "agreement": OF_VERDICT[of_ours.verdict],
        "paper_verdict": of_paper.verdict,
        "paper_resolved": _yes(of_paper.resolved),
        "here_verdict": of_ours.verdict,
        "here_resolved": _yes(of_ours.resolved),
        "paper_detail": of_paper.detail,
        "note": of_ours.detail,
    }


def rows(
    printed: Sequence[Cell], claims: Iterable[Claim], paper: Evidence, ours: Evidence
) -> list[dict[str, Any]]:
    """All rows: cells in the paper's order, then claims. Missing fields are None."""
    made = [cell_row(cell, ours.retentions.cells.get(cell.place)) for cell in printed]
    made += [claim_row(claim, claim.on(paper), claim.on(ours)) for claim in claims]
    return [{name: row.get(name) for name in FIELDS} for row in made]


def _numbers(name: str, number: Value | None) -> dict[str, str | None]:
    values = (None, None, None) if number is None else (number.value, number.low, number.high)
    keys = (name, f"{name}_low", f"{name}_high")
    return {key: None if value is None else f"{value:.4g}" for key, value in zip(keys, values, strict=True)}


def _yes(resolved: bool | None) -> str | None:
    return None if resolved is None else "yes" if resolved else "no"
