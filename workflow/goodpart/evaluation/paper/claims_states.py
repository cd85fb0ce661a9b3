"""Claims about hidden states, skip sets and speed. One function per claim of claims.csv, named by its id.

These claims need measurements of a run. Where the paper's text gives no number, a constant here sets the
bound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from goodpart.evaluation.intervals import percentile_interval, resampling
from goodpart.evaluation.paper.evidence import Evidence
from goodpart.evaluation.paper.profiles import RESAMPLES, Profile, distance, early, estimate, late
from goodpart.evaluation.paper.table_cells import DREAM_BASE, DREAM_INSTRUCT, LLADA, QWEN
from goodpart.evaluation.paper.values import Missing, Value
from goodpart.evaluation.paper.verdicts import Part, Verdict, each, every

Floats = NDArray[np.float64]
SMALL = 0.5  # "small beside": less than half of it
STABLE = 0.65  # of the depth, the middle of the text's 60 to 70 %
EARLY = 0.6  # of the depth, the upper end of the text's 40 to 60 %
SINK = 10.0  # "far above typical": times the median
CLOSE = 0.9  # "close to" the product of two speed-ups: at least so much of it


def _models(data: Evidence, *columns: str) -> list[Profile]:
    """Profiles of some columns and of all available Dream columns. Raises Missing if there is none."""
    dreams = [c for c in (DREAM_BASE, DREAM_INSTRUCT) if c in data.profiles]
    if not dreams:
        raise Missing("hidden states of Dream")
    return [data.profile(column) for column in (*columns, *dreams)]


def _level(data: Evidence) -> float:
    return data.retentions.level


def c15(data: Evidence) -> Verdict:
    """More than 60 % of the layers chosen for LLaDA's prompts are in the first 60 % of the depth."""
    chosen = data.selected
    if chosen is None or chosen.column != LLADA:
        raise Missing("skip sets of LLaDA's prompts")
    sets = chosen.prompts[[b == "gsm8k" for b in chosen.benchmarks]]
    if not sets.sum():
        raise Missing("skip sets of LLaDA's GSM8K prompts with a layer in them")
    first = sets[:, np.arange(sets.shape[1]) < EARLY * sets.shape[1]].sum(1)
    draws = resampling([len(sets)], RESAMPLES)
    drawn = (draws @ first) / np.maximum(draws @ sets.sum(1), 1)
    value = Value(float(first.sum() / sets.sum()), *percentile_interval(drawn, _level(data)))
    return every([Part(f"share of layers before {EARLY:g} L, k = {chosen.k}:", value, ">", 0.6)])


def c16(data: Evidence) -> Verdict:
    """LLaDA's first half: layer-wise cosine above 0.95, token-wise above 0.9 (captions)."""
    llada = data.profile(LLADA)
    layer, token = (estimate(early, _level(data), (llada, m)) for m in ("layer", "token"))
    said = "above" if token.value > 0.95 else "not above"
    return each(
        [
            Part("layer-wise, first half:", layer, ">", 0.95),
            Part("token-wise, first half:", token, ">", 0.9),
        ],
        f"token-wise {said} the text's 0.95",
    )


def c17(data: Evidence) -> Verdict:
    """LLaDA's layer-wise cosine varies less than half as much over denoising steps as over layers."""
    steps = data.profile(LLADA).by_step
    if len(steps) < 2:
        raise Missing("a second denoising step of LLaDA")
    over_layers = float(steps.mean(0).std())
    ratio = float(np.sqrt(steps.var(0).mean())) / over_layers if over_layers else float("nan")
    return every([Part("deviation over steps / over layers:", Value(ratio), "<", SMALL)])


def c18(data: Evidence) -> Verdict:
    """Decoded neighbours: LLaDA's early layers are above its late layers, and above others' early layers."""
    llada, *others = _models(data, LLADA, QWEN)
    level = _level(data)
    parts = [
        Part(
            "LLaDA, first half minus second:",
            estimate(lambda x: early(x) - late(x), level, (llada, "decoded")),
            ">",
            0,
        )
    ]
    for other in others:
        value = estimate(lambda x, y: early(x) - early(y), level, (llada, "decoded"), (other, "decoded"))
        parts.append(Part(f"first half, LLaDA minus {other.column}:", value, ">", 0))
    slopes = []
    for profile in (llada, *others):
        try:
            found = estimate(lambda x: x.mean(1), level, (profile, "slope"))
            slopes.append(f"{profile.column} {found.value:+.2g}")
        except Missing:
            continue
    return each(parts, f"slope along the completion: {', '.join(slopes)}" if slopes else "")


def c19(data: Evidence) -> Verdict:
    """Dream's token-wise depth profile is nearer to Qwen's than to LLaDA's."""
    llada, qwen, *dreams = _models(data, LLADA, QWEN)
    return each(
        [
            Part(
                f"distance of {dream.column} from LLaDA minus from Qwen:",
                estimate(
                    lambda d, x, y: distance(d, x) - distance(d, y),
                    _level(data),
                    *((one, "token") for one in (dream, llada, qwen)),
                ),
                ">",
                0,
            )
            for dream in dreams
        ]
    )


def _steepness(x: Floats) -> Floats:
    """Log change of norms [R, L] up to depth 0.65 L, minus SMALL times their log growth after it: [R]."""
    at = round(STABLE * (x.shape[1] - 1))
    logs = np.log(x)
    return np.abs(logs[:, at] - logs[:, 0]) - SMALL * (logs[:, -1] - logs[:, at])


def c20(data: Evidence) -> Verdict:
    """Median norms change less than half as much up to depth 0.65 L as after it (logarithms)."""
    return each(
        [
            Part(
                f"{one.column}, log change to {STABLE:g} L minus {SMALL:g} times the log growth after it:",
                estimate(_steepness, _level(data), (one, "median")),
                "<",
                0,
            )
            for one in _models(data, LLADA, QWEN)
        ]
    )


def c21(data: Evidence) -> Verdict:
    """Sink tokens: at some depth the largest norm is over 10 times the median, and at least 1000."""
    parts = []
    for one in _models(data, LLADA, QWEN):
        ratio = estimate(lambda a, b: (a / b).max(1), _level(data), (one, "largest"), (one, "median"))
        parts.append(Part(f"{one.column}, largest norm / median:", ratio, ">", SINK))
        largest = estimate(lambda a: a.max(1), _level(data), (one, "largest"))
        parts.append(Part(f"{one.column}, largest norm:", largest, ">=", 1e3))
    return each(parts)


def c22(data: Evidence) -> Verdict:
    """LLaDA's token-wise cosine: above 0.9 in the first half, more variable in the second."""
    llada, level = data.profile(LLADA), _level(data)
    spread = estimate(lambda x: late(x) - early(x), level, (llada, "spread"))
    return each(
        [
            Part("token-wise, first half:", estimate(early, level, (llada, "token")), ">", 0.9),
            Part("deviation over positions, second half minus first:", spread, ">", 0),
        ]
    )


def overlap(sets: Floats, other: Floats) -> Floats:
    """Jaccard index [N] of each row of `sets` [N, L] with `other` [L]; 1 if both are empty."""
    both = sets @ other
    either = sets.sum(1) + other.sum() - both
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def c23(data: Evidence) -> Verdict:
    """The sets of benchmarks, and of prompts, share on average all but one layer with the static set."""
    chosen = data.selected
    if chosen is None:
        raise Missing("skip sets of prompts")
    if len(chosen.by_benchmark) < 2:
        raise Missing("a second benchmark's skip sets")
    bound = (chosen.k - 1) / (chosen.k + 1)  # two sets of k layers that differ in one layer
    benchmarks = overlap(np.stack(list(chosen.by_benchmark.values())), chosen.pooled)
    prompts = overlap(chosen.prompts, chosen.pooled)
    draws = resampling([len(prompts)], RESAMPLES) / len(prompts)
    value = Value(float(prompts.mean()), *percentile_interval(draws @ prompts, _level(data)))
    return each(
        [
            Part(
                "Jaccard, benchmarks' sets and the static one:", Value(float(benchmarks.mean())), ">=", bound
            ),
            Part("Jaccard, prompts' sets and the static one:", value, ">=", bound),
        ],
        f"{chosen.column}, k = {chosen.k}; the static set is {chosen.pooled_is}",
    )


def c24(data: Evidence) -> Verdict:
    """Skipping and caching combined reach 0.9 of the product of their speed-ups, and more than each alone."""
    if not data.speed_ups:
        raise Missing("latencies with and without a cache, at full depth and with layers skipped")
    parts = []
    for one in data.speed_ups:
        name = f"{one.model}, T = {one.steps}, {one.cache} cache:"
        parts.append(Part(f"{name} both / product", one.share, ">=", CLOSE))
        parts.append(Part(f"{name} both minus the better one", one.gain, ">", 0))
    return every(parts)
