"""The claims of claims.csv and their predicates."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from goodpart.errors import GoodpartError
from goodpart.evaluation.paper import claims_states, claims_tables
from goodpart.evaluation.paper.evidence import Evidence
from goodpart.evaluation.paper.values import Missing, NotComparable
from goodpart.evaluation.paper.verdicts import NOT_COMPARABLE, NOT_EVALUATED, Verdict

Predicate = Callable[[Evidence], Verdict]
PREDICATES: dict[str, Predicate] = {
    name.upper(): function
    for module in (claims_tables, claims_states)
    for name, function in sorted(vars(module).items())
    if name[0] == "c" and name[1:].isdigit()
}


OF_TABLES = {name.upper() for name in vars(claims_tables)}


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
        """The verdict, `not evaluated` with the missing input, or `not comparable` with the reason.

        A verdict on retentions that is not resolved says about how many items would resolve it.
        """
        try:
            verdict = PREDICATES[self.id](evidence)
        except Missing as missing:
            return Verdict(NOT_EVALUATED, detail=f"missing: {missing}")
        except NotComparable as reason:
            return Verdict(NOT_COMPARABLE, detail=str(reason))
        n = evidence.retentions.items if self.id in OF_TABLES else None
        needed = verdict.items_to_resolve(n) if n else None
        if needed is None or needed <= n:
            return verdict
        more = f"about {needed:,} items a benchmark would resolve it"
        return replace(verdict, detail="; ".join(filter(None, [verdict.detail, more])))


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
