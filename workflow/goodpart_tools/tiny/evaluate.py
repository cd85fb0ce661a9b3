"""Which unseen items a tiny checkpoint solves at full depth, for the check at the end of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from goodpart.benchmarks import benchmark_module, scorer_module
from goodpart.benchmarks.sandbox import Sandbox
from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.prompts import render
from goodpart.models.loading import Model

BATCH = 64


def solved(
    model: Model,
    files: Mapping[str, Sequence[dict[str, Any]]],
    chat: bool,
    decoding: Mapping[str, Mapping[str, Any]],
    sandbox: Sandbox,
) -> dict[str, str]:
    """For each benchmark, a digit an item: 1 where the answer is correct.

    files: benchmark -> rows of its public file; decoding: benchmark -> arguments of the family's
    `Settings`; chat: whether prompts use the chat template.
    """
    out = {}
    for benchmark, rows in files.items():
        module, scorer = benchmark_module(benchmark), scorer_module(benchmark)
        settings = settings_for(model, **decoding[benchmark])
        prompts = render(model.tokenizer, [module.prompt(row, "bare") for row in rows], chat)
        right = ""
        for first in range(0, len(rows), BATCH):
            made = decode(model, prompts[first : first + BATCH], settings)
            for row, one in zip(rows[first : first + BATCH], made, strict=True):
                text = model.tokenizer.decode(one.token_ids, skip_special_tokens=True)
                right += str(int(bool(scorer.score(module.reference(row), text, sandbox).correct)))
        out[benchmark] = right
    return out


def accuracies(found: Mapping[str, str]) -> dict[str, float]:
    """The fraction of correct answers for each benchmark of `solved`."""
    return {benchmark: digits.count("1") / len(digits) for benchmark, digits in found.items()}
