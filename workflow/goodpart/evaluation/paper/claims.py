"""The claims of claims.csv and their predicates."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from goodpart.errors import GoodpartError
from goodpart.evaluation.paper import claims_states, claims_tables
from goodpart.evaluation.paper.evidence import Evidence
from goodpart.evaluation.paper.values import Missing
from goodpart.evaluation.paper.verdicts import NOT_EVALUATED, Verdict

Predicate = Callable[[Evidence], Verdict]
PREDICATES: dict[str, Predicate] = {
    name.upper(): function
    for module in (claims_tables, claims_states)
    for name, function in sorted(vars(module).items())
    if name[0] == "c" and name[1:].isdigit()
}


@dataclass(frozen=True)
class Claim:
    """A claim of the paper: where it stands, its words, how it is read, and its verdict in the paper."""

    id: str
    where: str
    claim: str
    reading: str
    data: str
    of_the_paper: str

    def on(self, evidence: Evidence) -> Verdict:
        """The verdict, or `not evaluated` with the missing input."""
        try:
            return PREDICATES[self.id](evidence)
        except Missing as missing:
            return Verdict(NOT_EVALUATED, detail=f"missing: {missing}")


def read_claims(path: Path) -> list[Claim]:
    """Claims in the order of the file. GoodpartError for wrong columns, or a claim without predicate."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = ("id", "where", "claim", "predicate", "data", "on_the_papers_own_numbers")
    if rows and set(names) - set(rows[0]):
        raise GoodpartError(f"{path}: must have the columns {', '.join(names)}")
    claims = [Claim(*(row[name] for name in names)) for row in rows]
    unknown = [claim.id for claim in claims if claim.id not in PREDICATES]
    if unknown:
        raise GoodpartError(
            f"{path}: no predicate for {', '.join(unknown)}; write one in goodpart/evaluation/paper"
        )
    return claims
