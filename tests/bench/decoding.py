"""Ratios of decoding speed, side by side in one process: `python tests/bench/decoding.py [part ...]`.

Parts: exact (against a full forward, full logits and full softmax at every step), skipping, caches, batch,
limit (the share that decoding reaches of what this machine allows, machine_limit.py).
Random weights; each line is a ratio of medians and, where FLOPs decide it, the ratio that they allow.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from machine_limit import Products, seconds_allowed

from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.samplers.llada import quotas
from goodpart.models.architectures import llada
from goodpart.models.checkpoints.architecture import Architecture
from goodpart.models.families import SpecialTokens
from goodpart.models.loading import Model, keep_freed_memory
from goodpart.models.skipping import skipping

EOS, MASK = 126081, 126336


def random_model(width: int, layers: int, vocabulary: int = 126464) -> Model:
    """LLaDA's architecture with random weights that differ enough to give confident tokens."""
    torch.manual_seed(0)
    shape = Architecture(
        *("llada", "llada", layers, width, width // 64, width // 64, 64, 3 * width, vocabulary),
        eps=1e-5,
        rope_theta=500000.0,
        context=4096,
        tied=False,
    )
    module = llada.model_class()(llada.transformers_config(shape)).eval().requires_grad_(False)
    tokens = SpecialTokens(MASK, EOS, EOS, None, frozenset({EOS}))
    return Model("random", None, "llada", module, None, tokens)


@torch.inference_mode()
def plain(model: Model, prompt: list[int], new: int, block: int) -> list[int]:
    """The official way: a full forward, all logits and a full softmax at every step."""
    ids = torch.tensor([prompt + [MASK] * new])
    for first in range(len(prompt), ids.shape[1], block):
        for quota in quotas(torch.tensor([block]), block)[0].tolist():
            logits = model.module(input_ids=ids, use_cache=False).logits
            token = logits.argmax(-1)
            confidence = logits.softmax(-1).gather(-1, token[..., None])[..., 0]
            open_ = ids == MASK
            open_[:, first + block :] = False
            best = confidence.masked_fill(~open_, -torch.inf)[0].topk(quota).indices
            ids[0, best] = token[0, best]
    return ids[0].tolist()


def timed(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each run; they take turns, so that a slow moment hits all."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def body_flops(model: Model, fed: int, seen: int) -> float:
    """Multiply-adds x 2 of the layers for `fed` tokens that see `seen`: projections, MLP, attention."""
    config = model.module.config
    weights = sum(p.numel() for p in model.module.model.layers.parameters() if p.ndim == 2)
    return 2.0 * fed * weights + 4.0 * fed * seen * config.hidden_size * config.num_hidden_layers


def head_flops(model: Model, positions: float) -> float:
    """Multiply-adds x 2 of the head."""
    return 2.0 * positions * model.module.lm_head.weight.numel()


def exact(repeats: int) -> None:
    """The head only where a token can still be committed."""
    model, new, block = random_model(512, 16), 128, 32
    prompt = torch.randint(0, 100000, (256,), generator=torch.Generator().manual_seed(1)).tolist()
    settings = settings_for(model, max_new_tokens=new, block_length=block, stop_early=False)
    ours = decode(model, [prompt], settings)[0].canvas.tolist()
    print(f"exact: identical tokens: {ours == plain(model, prompt, new, block)}")
    found = timed(
        {
            "plain": lambda: plain(model, prompt, new, block),
            "exact": lambda: decode(model, [prompt], settings),
        },
        repeats,
    )
    total = len(prompt) + new
    body = body_flops(model, total, total)
    allowed = (body + head_flops(model, total)) / (body + head_flops(model, (block + 1) / 2))
    ratio = found["plain"] / found["exact"]
    print(f"exact: {ratio:.2f} times plain, {allowed:.2f} by FLOPs: {ratio / allowed:.2f} of it")


def skips(repeats: int) -> None:
    """6 of 32 layers."""
    model = random_model(512, 32, 4096)
    model = Model(
        "random", None, "llada", model.module, None, SpecialTokens(4000, 1, 1, None, frozenset({1}))
    )
    prompts = torch.randint(2, 3000, (4, 128), generator=torch.Generator().manual_seed(1)).tolist()
    settings = settings_for(model, max_new_tokens=32, block_length=32, steps=8, stop_early=False)

    def short() -> None:
        with skipping(model, [2, 5, 8, 11, 14, 17]):
            decode(model, prompts, settings)

    found = timed({"full": lambda: decode(model, prompts, settings), "short": short}, repeats)
    body, head = body_flops(model, 160, 160), head_flops(model, 18)
    allowed = (body + head) / (body * 26 / 32 + head)
    ratio = found["full"] / found["short"]
    print(f"skipping 6 of 32: {ratio:.3f} times, {allowed:.3f} by FLOPs: {ratio / allowed:.3f} of it")


def caches(repeats: int) -> None:
    """Prefix and dual cache on the work of `exact`."""
    model = random_model(512, 16)
    prompt = torch.randint(0, 100000, (256,), generator=torch.Generator().manual_seed(1)).tolist()
    options = {"max_new_tokens": 128, "block_length": 32, "stop_early": False}
    settings = {c: settings_for(model, **options, cache=c) for c in ("none", "prefix", "dual")}
    runs = {cache: partial(decode, model, [prompt], chosen) for cache, chosen in settings.items()}
    found = timed(runs, repeats)
    print(f"prefix: {found['none'] / found['prefix']:.2f} times exact")
    print(f"dual: {found['prefix'] / found['dual']:.2f} times prefix")


def randoms(length: int, vocabulary: int) -> list[int]:
    """A prompt of random token ids."""
    return torch.randint(10, vocabulary, (length,), generator=torch.Generator().manual_seed(length)).tolist()


def tiny() -> Model:
    """A model as narrow as the tiny checkpoints."""
    module = random_model(64, 32, 640).module
    return Model("random", None, "llada", module, None, SpecialTokens(2, 0, 0, None, frozenset({0})))


def batch(repeats: int) -> None:
    """16 prompts of unequal length at once, against one at a time, on a tiny model."""
    model = tiny()
    rng = torch.Generator().manual_seed(1)
    lengths = torch.randint(10, 40, (16,), generator=rng).tolist()
    prompts = [torch.randint(10, 600, (n,), generator=rng).tolist() for n in lengths]
    settings = settings_for(model, max_new_tokens=24, block_length=8, stop_early=False)
    found = timed(
        {
            "alone": lambda: [decode(model, [p], settings) for p in prompts],
            "batch": lambda: decode(model, prompts, settings),
        },
        repeats,
    )
    print(f"batch of 16: {found['alone'] / found['batch']:.1f} times one at a time")


def limit(repeats: int) -> None:
    """The machine's own time for the products, and theirs in the run, as shares of the time of decoding."""
    wide, prompt = random_model(512, 16), [randoms(256, 100000)]
    options = {"max_new_tokens": 128, "block_length": 32, "stop_early": False}
    cases = {c: (wide, prompt, settings_for(wide, **options, cache=c)) for c in ("none", "prefix", "dual")}
    narrow = tiny()
    lengths = torch.randint(10, 40, (16,), generator=torch.Generator().manual_seed(1)).tolist()
    settings = settings_for(narrow, max_new_tokens=24, block_length=8, stop_early=False)
    cases["batch of 16"] = (narrow, [randoms(n, 600) for n in lengths], settings)
    for name, (model, prompts, chosen) in cases.items():
        run = partial(decode, model, prompts, chosen)
        weights = sum(p.numel() * p.element_size() for p in model.module.parameters())
        shares, inside = [], []
        for _ in range(repeats):
            with Products() as made:
                run()
            allowed = seconds_allowed(made.found, weights)
            began = time.perf_counter()
            run()
            seconds = time.perf_counter() - began
            shares.append(allowed / seconds)
            inside.append(made.seconds / seconds)
        print(
            f"limit: {name}: {statistics.median(shares):.2f} of the speed that the machine allows; products "
            f"take {statistics.median(inside):.2f} of the time"
        )


PARTS = {"exact": exact, "skipping": skips, "caches": caches, "batch": batch, "limit": limit}

if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("parts", nargs="*", choices=[[], *PARTS], help="which (default: all)")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--threads", type=int, default=1)
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    for part in arguments.parts or PARTS:
        PARTS[part](arguments.repeats)
