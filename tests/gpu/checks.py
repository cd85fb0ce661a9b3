"""What a GPU must show, as a table for docs/cost.md: python tests/gpu/checks.py [--device cuda] [--small].

Loading, parity, decoding with skipping and caches, CUDA graphs, capture, the halving of batches, and the
shape of LLaDA-8B with random weights (`--small` leaves that out). Ten minutes on one GPU of 24 GB; run
it by hand from the project's root.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from goodpart.decoding.decode import decode, settings_for
from goodpart.models import gpu
from goodpart.models.architectures import llada
from goodpart.models.checkpoints.architecture import Architecture
from goodpart.models.devices import synchronise
from goodpart.models.families import SpecialTokens
from goodpart.models.loading import Model, load
from goodpart.models.memory import batch_that_fits
from goodpart.models.skipping import skipping
from goodpart.states.capture import Prompt, capture_prompts, capture_settings

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "workflow" / "resources" / "models"
PARITY = ROOT / "tests" / "data" / "parity"
PROMPTS = [[20, 21, 22, 23, 24, 25], [30, 31, 32]]
LLADA_8B = Architecture(
    *("llada", "llada", 32, 4096, 32, 32, 128, 12288, 126464),
    eps=1e-5,
    rope_theta=500000.0,
    context=4096,
    tied=False,
)


def options(model: Model) -> dict[str, int]:
    """Arguments of a short decode."""
    return {"max_new_tokens": 16, **({"block_length": 8} if model.family == "llada" else {})}


def loading(device: str) -> str:
    """Every shipped model, in the GPU's dtype."""
    for folder in sorted(MODELS.iterdir()):
        model = load(str(folder), device=device)
        assert model.device.type == torch.device(device).type
        assert model.dtype == torch.bfloat16
    return "all shipped models in bfloat16"


def spreading(device: str) -> str:
    """`device: auto` gives the tokens of one device."""
    name = str(MODELS / "llada-tiny-instruct")
    models = [load(name, device=where, dtype="float32") for where in ("auto", device)]
    tokens = [[one.token_ids for one in decode(m, PROMPTS, settings_for(m, **options(m)))] for m in models]
    assert tokens[0] == tokens[1]
    return f"{torch.cuda.device_count()} GPUs"


def parity(device: str) -> str:
    """The official code's outputs in float32, and the share that bfloat16 keeps."""
    lines = []
    for dtype, tolerance in (("float32", "1e-3"), ("bfloat16", "0.5")):
        folders = [str(folder) for folder in sorted(PARITY.iterdir()) if folder.is_dir()]
        command = [sys.executable, "-m", "goodpart_tools", "verify", "parity", *folders]
        command += ["--dtype", dtype, "--device", device, "--tolerance", tolerance]
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        lines.append(f"{dtype}: {(run.stdout.splitlines() or run.stderr.splitlines() or ['no output'])[-1]}")
    return "; ".join(lines)


def decoding(device: str) -> str:
    """Skipping and caches give the CPU's tokens in float32."""
    same = total = 0
    for name in ("llada-tiny-instruct", "dream-tiny-base", "qwen2.5-tiny"):
        models = [load(str(MODELS / name), device=where, dtype="float32") for where in ("cpu", device)]
        caches = [{}] if models[0].tokens.mask is None else [{"cache": c} for c in ("none", "prefix", "dual")]
        for cache in caches:
            block = {"block_length": 8} if cache else {}
            made = []
            for model in models:
                with skipping(model, [3, 7]):
                    settings = settings_for(model, **{**options(model), **block, **cache})
                    made.append([one.token_ids for one in decode(model, PROMPTS, settings)])
            total += len(PROMPTS)
            same += sum(a == b for a, b in zip(*made, strict=True))
    return f"{same} of {total} completions equal the CPU's"


def seconds_of(model: Model, prompts: list[list[int]], settings: Any) -> float:
    """Seconds of the second of two decodes."""
    for _ in range(2):
        synchronise(model.device)
        began = time.perf_counter()
        decode(model, prompts, settings)
        synchronise(model.device)
    return time.perf_counter() - began


def graphs(device: str, new: int = 64) -> str:
    """Tokens with and without CUDA graphs, of diffusion models the same; tokens a second of each."""
    said = []
    for name in ("llada-tiny-instruct", "dream-tiny-base", "qwen2.5-tiny"):
        plain = load(str(MODELS / name), device=device)
        recorded = dataclasses.replace(plain, cuda_graphs=True)
        cached = (
            {} if plain.tokens.mask is None else {"block_length": 16, "cache": "dual", "stop_early": False}
        )
        settings = settings_for(plain, max_new_tokens=new, **cached)
        made = [[one.token_ids for one in decode(m, PROMPTS, settings)] for m in (plain, recorded)]
        same = sum(a == b for a, b in zip(*made, strict=True))
        assert same == len(PROMPTS) or not cached  # an autoregressive model's cache has another shape
        speed = [
            sum(map(len, tokens)) / seconds_of(m, PROMPTS, settings)
            for m, tokens in zip((plain, recorded), made, strict=True)
        ]
        said.append(f"{name}: {same} of {len(PROMPTS)} equal, {speed[0]:.0f} and {speed[1]:.0f} tokens/s")
    return "; ".join(said)


def capturing(device: str) -> str:
    """Hidden states of one prompt are those of the CPU in float32."""
    kept: list[list[torch.Tensor]] = []
    for where in ("cpu", device):
        model = load(str(MODELS / "llada-tiny-instruct"), device=where, dtype="float32")
        found: list[torch.Tensor] = []
        settings = capture_settings(model.family, options(model))
        capture_prompts(
            *(model, [Prompt("p", PROMPTS[0], 0)], settings, 1),
            lambda _, states, found=found: found.append(torch.as_tensor(states.hidden).cpu().clone()),
        )
        kept.append(found)
    most = max(float((a - b).abs().max()) for a, b in zip(*kept, strict=True))
    assert most < 1e-2
    return f"largest difference {most:.1e}"


def halving(device: str) -> str:
    """A batch that takes more memory than there is goes on with fewer."""
    free, _ = torch.cuda.mem_get_info()
    batches = gpu.Batches(8)

    def work(part: list[int]) -> int:
        held = torch.empty(len(part) * free // 4, dtype=torch.uint8, device=device)
        return held.numel()

    made = [len(part) for part, _ in batches.run(work, range(8))]
    assert sum(made) == 8
    assert max(made) < 8
    return f"parts of {max(made)}"


def real_size(device: str, shape: Architecture = LLADA_8B) -> str:
    """LLaDA-8B's shape with random weights in bfloat16: a block of 32 tokens, whole and without 6 layers."""
    torch.manual_seed(0)
    with torch.device(device):
        kind = llada.model_class()
        module = kind._from_config(
            llada.transformers_config(shape), dtype=torch.bfloat16, attn_implementation="sdpa"
        )
    module.eval().requires_grad_(False)
    tokens = SpecialTokens(126336, 126081, 126081, None, frozenset({126081}))
    model = Model("llada-8b-random", None, "llada", module, None, tokens)
    settings = settings_for(model, max_new_tokens=32, block_length=32, stop_early=False)
    prompt = [list(range(1000, 1200))]
    seconds = []
    for layers in ([], [3, 7, 11, 15, 19, 23]):
        with skipping(model, layers):
            seconds.append(seconds_of(model, prompt, settings))
    cached = dataclasses.replace(settings, cache="dual")
    recorded = dataclasses.replace(model, cuda_graphs=True)
    dual = [seconds_of(one, prompt, cached) for one in (model, recorded)]
    most = batch_that_fits(model, settings, 200, 1024)
    peak = torch.cuda.max_memory_allocated() / 1e9
    passes = [f"{32 / taken:.1f}" for taken in (*seconds, *dual)]
    return (
        f"passes a second: {passes[0]}, {passes[1]} without 6 layers, {passes[2]} with a dual cache, "
        f"{passes[3]} as CUDA graphs too; {peak:.1f} GB at most; a batch of {most} fits"
    )


def main() -> None:
    """Run the checks; one row each, and exit status 1 if any fails."""
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("--device", default="cuda")
    command.add_argument("--small", action="store_true", help="leave out the shape of 8B")
    chosen = command.parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch finds no GPU here; run this on a machine that has one")
    checks: list[Callable[[str], str]] = [loading, spreading, parity, decoding, graphs, capturing, halving]
    checks += [] if chosen.small else [real_size]
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}\n")
    print("| check | result | seconds |\n| --- | --- | --- |")
    failed = 0
    for check in checks:
        began = time.perf_counter()
        try:
            said = check(chosen.device)
        except Exception as error:  # the other checks still run
            said, failed = f"FAILED: {type(error).__name__}: {str(error)[:200]}", failed + 1
        print(f"| {check.__name__} | {said} | {time.perf_counter() - began:.0f} |", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
