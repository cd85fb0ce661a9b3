"""How many completions, and verdicts, depend on the batch in each dtype: python tests/bench/batch_dtype.py.

Each shipped model decodes the first items of the tiny GSM8K and MATH-500 one at a time and in batches.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from goodpart.benchmarks import benchmark_module, scorer_module
from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.prompts import render
from goodpart.jobs.runtime import limit_threads
from goodpart.models.loading import load

RESOURCES = Path(__file__).parents[2] / "workflow" / "resources"
BENCHMARKS = {"gsm8k": 24, "math500": 16}  # new tokens


def compare(folder: Path, dtype: str, items: int, batch: int) -> tuple[int, int, int]:
    """(items, completions, verdicts that differ) of one model in one dtype."""
    model = load(str(folder), dtype=dtype, device="cpu")
    total = differ = turned = 0
    for kind, length in BENCHMARKS.items():
        module, scorer = benchmark_module(kind), scorer_module(kind)
        lines = (RESOURCES / "benchmarks" / f"{kind}-test.jsonl").read_text().splitlines()[:items]
        rows = [json.loads(line) for line in lines]
        chat = folder.name.endswith("instruct")
        prompts = render(model.tokenizer, [module.prompt(row, "bare") for row in rows], chat)
        block = {"block_length": 8} if model.family == "llada" else {}
        settings = settings_for(model, max_new_tokens=length, **block)
        alone = [decode(model, [prompt], settings)[0].token_ids for prompt in prompts]
        together = [
            made.token_ids
            for first in range(0, len(prompts), batch)
            for made in decode(model, prompts[first : first + batch], settings)
        ]
        for row, one, other in zip(rows, alone, together, strict=True):
            total += 1
            if one == other:
                continue
            differ += 1
            texts = (model.tokenizer.decode(ids, skip_special_tokens=True) for ids in (one, other))
            verdicts = [scorer.score(module.reference(row), text, None).correct for text in texts]
            turned += verdicts[0] != verdicts[1]
    return total, differ, turned


def main() -> None:
    """Print one row a model and dtype, as a table in Markdown."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--items", type=int, default=64, help="of each benchmark")
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    options.add_argument("--models", nargs="*", help="names of shipped models (default: all)")
    chosen = options.parse_args()
    limit_threads(1)
    print("| model | dtype | completions | differ from a batch of one | verdicts that differ |")
    print("| --- | --- | --- | --- | --- |")
    for folder in sorted((RESOURCES / "models").iterdir()):
        if chosen.models and folder.name not in chosen.models:
            continue
        for dtype in chosen.dtypes:
            found = compare(folder, dtype, chosen.items, chosen.batch)
            print(f"| {folder.name} | {dtype} | " + " | ".join(map(str, found)) + " |", flush=True)


if __name__ == "__main__":
    main()
