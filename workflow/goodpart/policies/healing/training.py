"""The training loop of healing: seeded, and resumed from a file of its state."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from goodpart.jobs.files import written
from goodpart.models.flops import Shape
from goodpart.models.loading import Model
from goodpart.policies.healing.adapters import Adapters
from goodpart.policies.healing.examples import Example, orders, states_of
from goodpart.policies.healing.losses import Batch, batch_of, full_depth, row_divergences, without_layers

SAVE_EVERY = 25  # steps
HELD_SEED = 1 << 40  # of the masks that held-out prompts are measured under: those of no step


def schedule(step: int, steps: int) -> float:
    """Learning-rate factor: linear warm-up over 5 %, then linear decay."""
    warm = max(1, steps // 20)
    return min((step + 1) / warm, (steps - step) / max(1, steps - warm))


@dataclass
class Progress:
    """How far training is: loss of each step done, and the operations that they took."""

    losses: list[float] = field(default_factory=list)
    flops: int = 0


def batch_flops(shape: Shape, batch: Batch, skipped: int) -> int:
    """Operations of one step: the full-depth model forward, the shorter one forward and backward.

    Frozen weights need no gradient of their own, so a backward pass costs what a forward pass does. The
    adapters themselves are not counted: at rank r they are r (1 / width in + 1 / width out) of a product.
    """
    tokens = batch.exists.sum(1).tolist()
    layer = sum(shape.layer(fed, fed) for fed in tokens)
    return (3 * shape.layers - 2 * skipped) * layer + 3 * shape.head(len(batch.row))


def measured(
    model: Model, adapters: Adapters, layers: Sequence[int], examples: Sequence[Example], seed: int, size: int
) -> list[float]:
    """KL to full depth in nats of each example, without `layers` and with the adapters as they are."""
    generator = torch.Generator().manual_seed(HELD_SEED + seed)
    found: list[float] = []
    for first in range(0, len(examples), size):
        part = examples[first : first + size]
        batch = batch_of(model, states_of(part, model.tokens.mask, generator))
        with torch.no_grad():
            with adapters.off():
                full = full_depth(model, batch)
            found += row_divergences(full, without_layers(model, batch, layers), batch.row).tolist()
    return found


def train(
    model: Model,
    adapters: Adapters,
    layers: Sequence[int],
    examples: Sequence[Example],
    heal: Mapping[str, Any],
    state_file: Path,
    key: str,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> Progress:
    """Train the adapters for `heal["steps"]` steps; return the losses and the cost.

    `heal`: steps, batch, learning_rate, seed. Step i depends on the seed, i and the weights alone. Every
    SAVE_EVERY steps the state goes to `state_file`, from which a killed training goes on; a file of another
    `key` is ignored.
    """
    weights = list(adapters.weights.values())
    tool = torch.optim.AdamW(weights, lr=heal["learning_rate"], weight_decay=0.0)
    progress = _resumed(adapters, tool, state_file, key)
    shape, steps, seed = Shape.of_module(model.module.config), heal["steps"], heal["seed"]
    chosen = orders(len(examples), heal["batch"], seed)
    for step, numbers in zip(range(steps), chosen, strict=False):
        if step < len(progress.losses):
            continue
        noise = torch.Generator().manual_seed(seed * 1_000_003 + step)
        batch = batch_of(model, states_of([examples[i] for i in numbers], model.tokens.mask, noise))
        with adapters.off():
            full = full_depth(model, batch)
        loss = row_divergences(full, without_layers(model, batch, layers), batch.row).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        for group in tool.param_groups:
            group["lr"] = heal["learning_rate"] * schedule(step, steps)
        tool.step()
        tool.zero_grad(set_to_none=True)
        progress.losses.append(float(loss.detach()))
        progress.flops += batch_flops(shape, batch, len(layers))
        report(step + 1, progress.losses[-1])
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            _save(adapters, tool, state_file, key, progress)
    return progress


def _save(
    adapters: Adapters, tool: torch.optim.Optimizer, state_file: Path, key: str, progress: Progress
) -> None:
    tensors = {f"weight.{name}": value.detach().contiguous() for name, value in adapters.weights.items()}
    for index, entries in tool.state_dict()["state"].items():
        tensors |= {f"tool.{index}.{name}": torch.as_tensor(v).contiguous() for name, v in entries.items()}
    facts = {"key": key, "progress": json.dumps(vars(progress))}
    with written(state_file) as partial:
        save_file(tensors, partial, metadata=facts)


def _resumed(adapters: Adapters, tool: torch.optim.Optimizer, state_file: Path, key: str) -> Progress:
    """Load the state of a training of the same key into adapters and optimizer; a damaged file is ignored."""
    try:
        with safe_open(state_file, framework="pt") as saved:
            facts = saved.metadata() or {}
            if facts.get("key") != key:
                return Progress()
            tensors = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118
    except (FileNotFoundError, SafetensorError):
        return Progress()
    state = tool.state_dict()
    for name, value in tensors.items():
        kind, rest = name.split(".", 1)
        if kind == "weight":
            adapters.weights[rest].data.copy_(value)
        else:
            index, entry = rest.split(".")
            state["state"].setdefault(int(index), {})[entry] = value
    tool.load_state_dict(state)
    return Progress(**json.loads(facts["progress"]))
