"""Whether a model or benchmark of the configuration is the paper's own, or a stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The paper does not say which Qwen2.5-7B it used.
MODELS = {
    "LLaDA-Instruct": {"GSAI-ML/LLaDA-8B-Instruct"},
    "Dream-Base": {"Dream-org/Dream-v0-Base-7B"},
    "Dream-Instruct": {"Dream-org/Dream-v0-Instruct-7B"},
    "Qwen2.5": {"Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B-Instruct"},
}
# Number of problems in the public test splits; for MBPP, all and sanitized.
ROWS = {"gsm8k": {1319}, "math500": {500}, "humaneval": {164}, "mbpp": {500, 257}}


def is_the_papers_model(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of `models` names the public checkpoint of its column.

    A local folder counts as another model, even if the entry also has a `hub`, because its content is
    unknown.
    """
    return "path" not in entry and entry.get("hub") in MODELS.get(entry.get("paper_column", ""), set())


def is_the_papers_benchmark(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of `benchmarks` has as many problems as the public test split."""
    return entry["evaluation"]["rows"] in ROWS.get(entry["kind"], set())
