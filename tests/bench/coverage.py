"""How often the 95 % intervals of retention contain the true value: `python tests/bench/coverage.py`.

Simulates verdicts of `--items` items, at full depth and with skipped layers, for a given baseline accuracy,
true retention and correlation of an item's two verdicts (at most the largest that the accuracies allow).
"""

import argparse
from itertools import product

import numpy as np

from goodpart.evaluation.intervals import retention_interval

BASELINES, RETENTIONS, CORRELATIONS = (0.5, 0.8), (0.6, 0.9, 1.0), (0.0, 0.3, 0.6)


def probabilities(baseline: float, retention: float, correlation: float) -> np.ndarray:
    """Probabilities of an item's verdicts (full depth, skipped): both wrong, gained, lost, both right."""
    skipped = baseline * retention
    spread = np.sqrt(baseline * (1 - baseline) * skipped * (1 - skipped))
    both = min(baseline * skipped + correlation * spread, baseline, skipped)
    return np.array([1 - baseline - skipped + both, skipped - both, baseline - both, both])


def coverage(
    baseline: float, retention: float, correlation: float, items: int, repetitions: int, resamples: int = 4000
) -> float:
    """Fraction of simulated cells of `items` items whose 95 % interval contains the true retention."""
    chances = probabilities(baseline, retention, correlation)
    rng, covered = np.random.default_rng(0), 0
    for counts in rng.multinomial(items, chances, size=repetitions):
        kinds = np.repeat(np.arange(4), counts)
        low, high = retention_interval(kinds // 2, kinds % 2, 0.95, resamples)
        covered += low - 1e-9 <= 100 * retention <= high + 1e-9
    return covered / repetitions


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--items", type=int, default=128)
    options.add_argument("--baselines", type=float, nargs="+", default=BASELINES)
    options.add_argument("--retentions", type=float, nargs="+", default=RETENTIONS)
    options.add_argument("--correlations", type=float, nargs="+", default=CORRELATIONS)
    options.add_argument("--repetitions", type=int, default=2000)
    options.add_argument("--resamples", type=int, default=4000)
    arguments = options.parse_args()
    print("| baseline | retention | correlation | coverage |\n| --- | --- | --- | --- |")
    for setting in product(arguments.baselines, arguments.retentions, arguments.correlations):
        found = coverage(*setting, arguments.items, arguments.repetitions, arguments.resamples)
        print("| " + " | ".join(f"{value:g}" for value in setting) + f" | {100 * found:.1f} % |", flush=True)
