"""What capturing costs beside the same decoding: `python tests/bench/capture.py [case ...]`.

Cases: `wide` (random LLaDA of width 1024 in bfloat16, as the states of real models are) and the tiny
checkpoints. Each run decodes the same prompt: alone, with its states stored, and with statistics of them
alone; medians of repeats that take turns. Storing may take 1.3 times the decoding and the writing at
100 MB/s of bfloat16; statistics 1.3 times the decoding.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from goodpart.decoding.decode import decode
from goodpart.jobs.parquet import provenance
from goodpart.models.architectures import llada
from goodpart.models.checkpoints.architecture import Architecture
from goodpart.models.families import SpecialTokens
from goodpart.models.loading import Model, load
from goodpart.states.cache import CacheWriter, StepStates
from goodpart.states.capture import Prompt, capture_prompts, capture_settings
from goodpart.states.statistics import SCHEMAS, TableWriters, step_tables

MODELS = Path(__file__).parents[2] / "workflow" / "resources" / "models"
EOS, MASK = 1001, 1000


def wide() -> Model:
    """LLaDA's architecture with random weights, in bfloat16."""
    torch.manual_seed(0)
    shape = Architecture(
        *("llada", "llada", 4, 1024, 8, 8, 128, 3 * 1024, 1024),
        eps=1e-5,
        rope_theta=500000.0,
        context=4096,
        tied=False,
    )
    module = llada.model_class()(llada.transformers_config(shape)).eval().requires_grad_(False)
    for name, parameter in module.named_parameters():
        if "rotary" not in name:
            parameter.data = parameter.data.to(torch.bfloat16)
    return Model("wide", None, "llada", module, None, SpecialTokens(MASK, EOS, EOS, None, frozenset({EOS})))


def case(name: str, steps: int | str, repeats: int) -> None:
    """Print both ratios of one model at a number of captured steps."""
    model = wide() if name == "wide" else load(str(MODELS / name))
    length, new = (56, 8) if name == "wide" else (48, 32)
    prompt = torch.randint(10, 500, (length,), generator=torch.Generator().manual_seed(1)).tolist()
    arguments = {"max_new_tokens": new} | ({"block_length": 8} if model.family == "llada" else {})
    settings = capture_settings(model.family, arguments)
    captured: list[int] = []

    def capture(take: Callable[[StepStates], None]) -> None:
        capture_prompts(model, [Prompt("p", prompt, 0)], settings, steps, lambda _, states: take(states))

    def stored() -> None:
        captured.clear()
        with CacheWriter(folder / "p.parquet", model.module.config.hidden_size, provenance()) as writer:

            def take(states: StepStates) -> None:
                writer.write(states)
                captured.append(states.hidden.size)

            capture(take)

    def streamed() -> None:
        paths = [folder / f"{statistic}.parquet" for statistic in SCHEMAS]
        with TableWriters(paths, provenance()) as writers:
            capture(lambda states: writers.add(step_tables(states)))

    runs = {
        "decoding": lambda: decode(model, [prompt], settings, seeds=[0]),
        "stored": stored,
        "streamed": streamed,
    }
    seconds: dict[str, list[float]] = {run: [] for run in runs}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for _ in range(repeats):
            for run, work in runs.items():
                began = time.process_time()
                work()
                seconds[run].append(time.process_time() - began)
        bytes_a_value = (folder / "p.parquet").stat().st_size / sum(captured)
    found = {run: statistics.median(times) for run, times in seconds.items()}
    writing = 2 * sum(captured) / 100e6
    print(
        f"{name}, {steps} steps: decoding {found['decoding']:.2f} s; "
        f"stored {found['stored'] / (found['decoding'] + writing):.2f} times decoding and writing "
        f"({writing:.2f} s; {bytes_a_value:.2f} bytes a value); "
        f"statistics {found['streamed'] / found['decoding']:.2f} times decoding"
    )


if __name__ == "__main__":
    names = ["wide", "llada-tiny-instruct", "dream-tiny-base", "qwen2.5-tiny"]
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("cases", nargs="*", choices=[[], *names], help="which (default: all)")
    options.add_argument("--steps", nargs="+", default=["5", "all"], help="captured of each decoding")
    options.add_argument("--repeats", type=int, default=3)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    for model_name in chosen.cases or names:
        for wanted in chosen.steps:
            case(model_name, wanted if wanted == "all" else int(wanted), chosen.repeats)
