"""Made-up statistics of models of any size, for the figures: `python tests/synthetic.py FOLDER`.

States drift from layer to layer, masked positions share one embedding, and the first token is a sink.
"""

import importlib
import sys
from pathlib import Path

import numpy as np

from goodpart import paths
from goodpart.evaluation.drawing import style
from goodpart.evaluation.drawing.selection import FigureData
from goodpart.jobs.parquet import provenance
from goodpart.states.cache import KINDS, StepStates
from goodpart.states.statistics import SCHEMAS, TableWriters, step_tables

PAPER = {
    "llada": {"paper_column": "LLaDA-Instruct", "family": "llada", "layers": 32, "one_pass": False},
    "dream": {"paper_column": "Dream-Instruct", "family": "dream", "layers": 28, "one_pass": False},
    "qwen": {"paper_column": "Qwen2.5", "family": "qwen2", "layers": 28, "one_pass": True},
}
WINDOWS = {"limited": {"decode": "first32", "tokens": 32}, "full": {"decode": "default", "tokens": 512}}
FIGURES = [*(f"figure{i}" for i in (3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14)), "block_similarity", "mask_ratio"]
SUFFIXES = ("pdf", "png", "csv", "md")


def states(rng, layers, prompt, generated, step, masked, width=24):
    """One step's states, with the share `masked` of the generated positions masked, at their end."""
    positions = prompt + generated
    kinds = np.full(positions, KINDS.index("decoded"), np.int8)
    kinds[:prompt] = KINDS.index("prompt")
    kinds[positions - round(masked * generated) :] = KINDS.index("masked")
    hidden = rng.normal(size=(layers + 1, positions, width))
    hidden[0, kinds == KINDS.index("masked")] = hidden[0, -1]
    for depth in range(1, layers + 1):
        strength = 0.15 + 0.5 * (depth / layers) ** 4
        hidden[depth] = 1.04 * hidden[depth - 1] + strength * hidden[depth]
    hidden[3:, 0] *= 50
    return StepStates("p/0", step, np.arange(positions), kinds, hidden.astype(np.float32))


def write_statistics(results, models=PAPER, windows=WINDOWS, prompt=32, steps=32, benchmarks=("b",)):
    """Statistics of one prompt a benchmark; returns a figure's selection."""
    rng = np.random.default_rng(0)
    for name, model in models.items():
        for window in windows.values():
            for benchmark in benchmarks:
                where = {"model": name, "decode": window["decode"], "benchmark": benchmark}
                files = [results / paths.STATISTICS.format(**where, statistic=s) for s in SCHEMAS]
                number = 1 if model["family"] == "qwen2" else steps
                with TableWriters(files, provenance()) as writers:
                    for i in range(number):
                        masked = 0.0 if number == 1 else 1 - i / number
                        step = i * (window["tokens"] - 1) // max(number - 1, 1)
                        made = states(rng, model["layers"], prompt, window["tokens"], step, masked)
                        writers.add(step_tables(made))
    return {"models": models, "windows": windows, "benchmarks": list(benchmarks)}


def draw(name, results, selection, folder):
    """Draw one figure; returns its files by suffix."""
    outputs = {suffix: folder / f"{name}.{suffix}" for suffix in SUFFIXES}
    style.use()
    chosen = FigureData.of(selection, results)
    importlib.import_module(f"scripts.{name}").draw(chosen, list(outputs.values()))
    return outputs


if __name__ == "__main__":
    target = Path(sys.argv[1])
    chosen = write_statistics(target / "results")
    for figure in FIGURES:
        draw(figure, target / "results", chosen, target)
