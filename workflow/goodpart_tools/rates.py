"""How fast this machine computes: products of a layer's size, and reading weights; measured in seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

SECONDS = 1.0  # of each measurement
TOKENS, WIDTH, MLP = 2048, 1024, 4096  # a product of a batch with a layer's MLP
READ = 256 << 20  # bytes of weights, more than caches hold


@dataclass(frozen=True)
class Rates:
    """Operations and bytes a second, and what they are of."""

    tflops: float
    gb_s: float
    where: str


def measured() -> Rates:
    """The rates of the first GPU in bfloat16, or of all cores of the CPU in float32."""
    import torch

    gpu = torch.cuda.is_available()
    device, dtype = ("cuda", torch.bfloat16) if gpu else ("cpu", torch.float32)
    states = torch.ones(TOKENS, WIDTH, dtype=dtype, device=device)
    weights = torch.ones(WIDTH, MLP, dtype=dtype, device=device)
    operations = 2 * TOKENS * WIDTH * MLP
    large = torch.ones(READ // weights.element_size() // WIDTH, WIDTH, dtype=dtype, device=device)
    one = torch.ones(WIDTH, dtype=dtype, device=device)
    with torch.inference_mode():
        products = _rate(lambda: states @ weights, gpu)
        reads = _rate(lambda: large @ one, gpu)
    where = torch.cuda.get_device_name() if gpu else f"this machine's CPU, {torch.get_num_threads()} threads"
    return Rates(operations * products / 1e12, READ * reads / 1e9, f"measured on {where}")


def _rate(run: Callable[[], object], gpu: bool) -> float:
    """How often a second it runs, warmed up."""
    import torch

    def waited() -> None:
        if gpu:
            torch.cuda.synchronize()

    run()
    waited()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        run()
        count += 1
        if count % 8 == 0:
            waited()
    waited()
    return count / (time.perf_counter() - began)
