"""Policies side by side: one entry a policy and k, those that differ by their seed alone as one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Keys of a policy's entry that do not tell two random policies apart.
NOT_THE_RULE = ("seed", "benchmarks", "layers_skipped")


@dataclass(frozen=True)
class Entry:
    """A policy at one k. Of several seeds: means, `low` and `high` the lowest and highest retention."""

    policy: str
    kind: str
    asked_k: int
    got_k: float
    seeds: int
    retention: float | None
    low: float
    high: float
    accuracy: float | None
    flops_reduction_layers: float
    flops_reduction_true: float
    forward_passes: float
    kl: float | None
    status: str
    each: tuple[float, ...] = ()  # retention of every seed


def entries(cells: Sequence[Mapping[str, Any]], policies: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    """Entries of the cells of one model and benchmark, in the order of the cells; full depth is left out.

    `policies`: the configuration's entries. Policies of one kind whose settings differ by `seed` alone
    are one entry, named by the kind, and by their other settings where several such entries are of one kind.
    """
    groups: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    of: dict[str, list[str]] = {}  # rule -> its policies
    for cell in cells:
        if not cell["asked_k"]:
            continue
        rule = _rule(cell["policy"], policies)
        if cell["policy"] not in of.setdefault(rule, []):
            of[rule].append(cell["policy"])
        groups.setdefault((rule, cell["asked_k"]), []).append(cell)
    kinds = {rule: json.loads(rule)["kind"] for rule, names in of.items() if len(names) > 1}
    shared = Counter(kinds.values())
    names = {rule: kind if shared[kind] == 1 else _long_name(rule) for rule, kind in kinds.items()}
    return [_entry(names.get(rule, of[rule][0]), policies, group) for (rule, _), group in groups.items()]


def _rule(policy: str, policies: Mapping[str, Mapping[str, Any]]) -> str:
    """What policies that differ by their seed alone share; of a policy without a seed, its name."""
    settings = policies[policy]
    if "seed" not in settings:
        return policy
    kept = {key: value for key, value in settings.items() if key not in NOT_THE_RULE}
    return json.dumps(kept, sort_keys=True)


def _long_name(rule: str) -> str:
    """The kind of a rule, with its other settings."""
    settings = json.loads(rule)
    kind = settings.pop("kind")
    return f"{kind} ({', '.join(f'{key}: {json.dumps(value)}' for key, value in settings.items())})"


def _mean(group: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [cell[name] for cell in group]
    return None if any(value is None for value in values) else float(np.mean(values))


def _entry(name: str, policies: Mapping[str, Any], group: Sequence[Mapping[str, Any]]) -> Entry:
    retention = _mean(group, "retention")
    each = () if retention is None else tuple(cell["retention"] for cell in group)
    alone = group[0] if len(group) == 1 else {"low": min(each, default=None), "high": max(each, default=None)}
    return Entry(
        policy=name if len(group) > 1 else group[0]["policy"],
        kind=policies[group[0]["policy"]]["kind"],
        asked_k=group[0]["asked_k"],
        seeds=len(group),
        retention=retention,
        low=alone["low"],
        high=alone["high"],
        status=next((c["status"] for c in group if c["status"] != "scored"), "scored"),
        each=each,
        **{
            measure: _mean(group, measure)
            for measure in (
                *("got_k", "accuracy", "flops_reduction_layers", "flops_reduction_true"),
                *("forward_passes", "kl"),
            )
        },
    )
