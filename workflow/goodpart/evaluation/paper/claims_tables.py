"""Claims about Tables 1 to 3 and Figure 1. One function per claim of claims.csv, named by its id.

Each takes the retentions of the paper or of this run, and raises Missing if one that it needs is missing.
"""

from __future__ import annotations

from goodpart.evaluation.paper.evidence import Evidence, Retentions
from goodpart.evaluation.paper.table_cells import DREAM_BASE, DREAM_INSTRUCT, LLADA, NAMES, QWEN
from goodpart.evaluation.paper.values import Missing, Value, linear, mean
from goodpart.evaluation.paper.verdicts import ROUNDING, Part, Verdict, each, every


def _over_all(data: Retentions, column: str, k: int, sense: str, bound: float) -> list[Part]:
    found = data.over_benchmarks(column, k)
    return [Part(f"{column} {NAMES[kind]}, k = {k}:", one, sense, bound) for kind, one in found.items()]


def _range(data: Retentions, column: str, k: int, low: float, high: float, more: str = "") -> Verdict:
    """Every benchmark's retention lies between two numbers of the text, with the text's rounding."""
    found = data.over_benchmarks(column, k)
    lowest, highest = (choose(found, key=lambda kind: found[kind].value) for choose in (min, max))
    parts = [
        Part(f"{column} lowest, {NAMES[lowest]}, k = {k}:", found[lowest], ">=", low - ROUNDING),
        Part(f"highest, {NAMES[highest]}:", found[highest], "<=", high + ROUNDING),
    ]
    return every(parts, more)


def c01(data: Evidence) -> Verdict:
    """LLaDA keeps over 90 % at 18.75 % fewer FLOPs (k = 6): on every benchmark."""
    average = mean(list(data.retentions.over_benchmarks(LLADA, 6).values()))
    return every(_over_all(data.retentions, LLADA, 6, ">", 90), f"mean {average.value:.1f}")


def c02(data: Evidence) -> Verdict:
    """LLaDA loses less than 10 % on average at k = 6."""
    average = mean(list(data.retentions.over_benchmarks(LLADA, 6).values()))
    return every([Part("LLaDA's mean, k = 6:", average, ">", 90)])


def _first_figure(data: Retentions, factor: float) -> Value:
    llada = data.cell(LLADA, "humaneval", 6).value
    return linear([(1, llada), (-factor, data.cell(QWEN, "humaneval", 2).value)])


def _flops(data: Retentions) -> tuple[float, float]:
    """FLOPs reduction k/L in percent of LLaDA's and Qwen's cell in Figure 1."""
    llada, qwen = (data.cell(c, "humaneval", k).flops for c, k in ((LLADA, 6), (QWEN, 2)))
    if llada is None or qwen is None:
        raise Missing("FLOPs reduction on HumanEval")
    return llada, qwen


def c03(data: Evidence) -> Verdict:
    """LLaDA keeps more at k = 6 than the AR model at k = 2, with more FLOPs saved (HumanEval)."""
    llada, qwen = _flops(data.retentions)
    skill = data.retentions.skill((LLADA, QWEN), ["humaneval"])
    both = [
        f"{c} {data.retentions.cell(c, 'humaneval', k).value.value:.4g}" for c, k in ((LLADA, 6), (QWEN, 2))
    ]
    return every(
        [
            Part("retention, LLaDA minus Qwen:", _first_figure(data.retentions, 1), ">", 0),
            Part("FLOPs reduction, LLaDA minus Qwen:", Value(llada - qwen, exact=True), ">", 0),
        ],
        "; ".join([", ".join(both), skill]),
    )


def c04(data: Evidence) -> Verdict:
    """LLaDA at k = 6 keeps 88.2 to 102.1 %."""
    return _range(data.retentions, LLADA, 6, 88.2, 102.1)


def c05(data: Evidence) -> Verdict:
    """LLaDA at k = 8 keeps 62.7 to 91.8 %."""
    return _range(data.retentions, LLADA, 8, 62.7, 91.8)


def c06(data: Evidence) -> Verdict:
    """Qwen at k = 2 keeps 34.9 to 75.3 %."""
    return _range(data.retentions, QWEN, 2, 34.9, 75.3)


def c07(data: Evidence) -> Verdict:
    """Dream at k = 2 keeps 60.5 to 81.4 %; these are the numbers of the Base column."""
    return _range(data.retentions, DREAM_BASE, 2, 60.5, 81.4, "Dream-Base alone, as the numbers are its")


def c08(data: Evidence) -> Verdict:
    """LLaDA at k = 2 keeps 100 to 123.1 %."""
    return _range(data.retentions, LLADA, 2, 100, 123.1)


def c09(data: Evidence) -> Verdict:
    """2.6 times the FLOPs reduction at 1.4 times the retention, in their rounding (HumanEval)."""
    llada, qwen = _flops(data.retentions)
    skill = data.retentions.skill((LLADA, QWEN), ["humaneval"])
    return every(
        [
            Part(
                "FLOPs reduction, LLaDA minus 2.55 times Qwen:",
                Value(llada - 2.55 * qwen, exact=True),
                ">=",
                0,
            ),
            Part("retention, LLaDA minus 1.35 times Qwen:", _first_figure(data.retentions, 1.35), ">=", 0),
        ],
        skill,
    )


def c10(data: Evidence) -> Verdict:
    """Native dLLMs keep over 90 % on every benchmark at k = 6 and at k = 8."""
    parts = [part for k in (6, 8) for part in _over_all(data.retentions, LLADA, k, ">", 90)]
    held = [f"{sum(p.holds for p in half)} of {len(half)}" for half in _halves(parts)]
    return every(parts, f"above 90: {held[0]} at k = 6, {held[1]} at k = 8")


def _halves(parts: list[Part]) -> tuple[list[Part], list[Part]]:
    return parts[: len(parts) // 2], parts[len(parts) // 2 :]


def c11(data: Evidence) -> Verdict:
    """On average over benchmarks, LLaDA keeps more than Dream, and Dream more than Qwen, at k = 2, 3, 4.

    The mean is over benchmarks for which all of them have a number. Both Dream columns must satisfy it.
    """
    parts = []
    for k in (2, 3, 4):
        found = {c: data.retentions.over_benchmarks(c, k) for c in (LLADA, DREAM_BASE, DREAM_INSTRUCT, QWEN)}
        common = [kind for kind in NAMES if all(kind in one for one in found.values())]
        means = {column: mean([one[kind] for kind in common]) for column, one in found.items()}
        for dream in (DREAM_BASE, DREAM_INSTRUCT):
            for upper, lower in ((LLADA, dream), (dream, QWEN)):
                difference = linear([(1, means[upper]), (-1, means[lower])])
                parts.append(Part(f"{upper} minus {lower}, k = {k}:", difference, ">", 0))
    return each(parts, data.retentions.skill((LLADA, DREAM_BASE, DREAM_INSTRUCT, QWEN), common))


def c12(data: Evidence) -> Verdict:
    """The AR model keeps less than 90 % at k = 2 on every benchmark, with intervals below 100."""
    parts = _over_all(data.retentions, QWEN, 2, "<", 90)
    skill = data.retentions.skill((QWEN,), list(NAMES))
    unknown = [part.what for part in parts if part.number.high is None]
    ends = [
        Part(f"upper limit of {part.what}", Value(part.number.high, exact=True), "<", 100)
        for part in parts
        if part.number.high is not None
    ]
    more = [f"no interval: {', '.join(unknown)} n is unknown"] if unknown else []
    return every([*parts, *ends], "; ".join([*more, skill]))


def _adjacency(data: Retentions, column: str, k: int) -> list[Part]:
    return [
        Part(
            f"{column} {NAMES[kind]}, k = {k}, adjacent layers kept apart minus not:",
            data.difference(column, kind, k),
            ">",
            0,
            certain=True,
        )
        for kind in ("gsm8k", "humaneval")
    ]


def c13(data: Evidence) -> Verdict:
    """Skipping adjacent layers costs LLaDA retention at k = 6 on both benchmarks, with intervals above 0."""
    parts = _adjacency(data.retentions, LLADA, 6)
    return every(parts, _other_ks(data.retentions, LLADA, (4, 8)))


def c14(data: Evidence) -> Verdict:
    """Skipping adjacent layers costs Dream-Base retention at k = 2 on both benchmarks (intervals above 0)."""
    parts = _adjacency(data.retentions, DREAM_BASE, 2)
    return each(parts, _other_ks(data.retentions, DREAM_BASE, (3, 4)))


def _other_ks(data: Retentions, column: str, ks: tuple[int, ...]) -> str:
    said = []
    for k in ks:
        try:
            parts = _adjacency(data, column, k)
        except Missing:
            continue
        above = sum(part.holds for part in parts)
        said.append(f"k = {k}: {above} of {len(parts)} with the interval above 0")
    return "; ".join(said)
