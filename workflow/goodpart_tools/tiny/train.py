"""The training loop of one tiny checkpoint: seeded and resumable, with a training curve."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from goodpart.jobs.files import digest, written
from goodpart.models.families import family_module
from goodpart_tools.tiny.architectures import ID
from goodpart_tools.tiny.batches import batches
from goodpart_tools.tiny.muon import BatchedMuon
from goodpart_tools.tiny.objectives import diffusion_loss, next_token_loss

SAVE_EVERY = 200
REPORT_EVERY = 20


def schedule(step: int, steps: int) -> float:
    """Learning-rate factor: linear warm-up over 3 %, constant, linear decay over the last half."""
    warm = max(1, steps * 3 // 100)
    return min(1.0, (step + 1) / warm, 2.0 * (steps - step) / steps)


def optimizers(model: Any, recipe: dict[str, Any]) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings, head, norms and biases."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    inside = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in inside]
    rate = recipe["learning_rate"]
    return [
        BatchedMuon(matrices, lr=rate),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def train(
    model: Any,
    family: str,
    tokenizer: Any,
    excluded: set[str],
    recipe: dict[str, Any],
    state_file: Path,
    report: Callable[[dict[str, float]], None] = lambda row: None,
    *,
    key: str = "",
    compiled: bool = False,
) -> list[dict[str, float]]:
    """Train `model` in place to the end of its recipe; return the curve.

    The curve has one dict per REPORT_EVERY steps: step, mean loss since the last one, tokens, response_tokens
    (those that diffusion can mask) and tokens_per_second.

    `recipe`: objective (`next_token` or `diffusion`), steps, batch, learning_rate, seed, chat_fraction,
    canvas; optionally easy, easy_steps and computed (see `batches`). `state_file` stores weights,
    optimizer state and curve every SAVE_EVERY steps, so that a killed training resumes. It is ignored if the
    recipe, `key` (what the training depends on besides: data, code, initial weights) or `compiled` differs.
    `compiled`: fuse each layer's operations (needs a C++ compiler): a fifth faster, with other rounding.
    """
    steps, seed = recipe["steps"], recipe["seed"]
    diffusion = recipe["objective"] == "diffusion"
    tools = optimizers(model, recipe)
    key = digest(recipe, key, compiled)
    first, curve = _resume(model, tools, key, state_file)
    chosen = {"seed": seed, "size": recipe["batch"], "chat_fraction": recipe["chat_fraction"]}
    chosen |= {"easy": recipe.get("easy", ()), "easy_steps": recipe.get("easy_steps", 0)}
    chosen |= {"computed": recipe.get("computed", False)}
    canvas = recipe["canvas"] if diffusion else None
    stream = batches(tokenizer, family, excluded, canvas=canvas, first=first, **chosen)
    shift = family_module(family).COLUMN_SHIFT
    model.train()
    if compiled:
        for layer in model.model.layers:
            layer.compile(dynamic=True)
    tokens, responses, losses, began = 0, 0, [], time.perf_counter()
    for step, batch in zip(range(first, steps), stream, strict=False):
        if diffusion:
            noise = torch.Generator().manual_seed(seed * 1_000_003 + step)
            loss = diffusion_loss(model, batch, ID["mask"], shift, noise)
        else:
            loss = next_token_loss(model, batch)
        loss.backward()
        _update(model, tools, recipe["learning_rate"] * schedule(step, steps))
        tokens += int(batch.exists.sum())
        responses += int(batch.response.sum())
        losses.append(float(loss.detach()))
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == steps:
            rate = tokens / (time.perf_counter() - began)
            row = {"step": step + 1, "loss": sum(losses) / len(losses), "tokens": tokens}
            curve.append({**row, "response_tokens": responses, "tokens_per_second": rate})
            report(curve[-1])
            tokens, responses, losses, began = 0, 0, [], time.perf_counter()
        if (step + 1) % SAVE_EVERY == 0:
            _save(model, tools, key, state_file, step + 1, curve)
    model.eval()
    return curve


def _update(model: Any, tools: list[torch.optim.Optimizer], rate: float) -> None:
    """One step of each optimizer at a learning rate, with clipped gradients."""
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for tool in tools:
        for group in tool.param_groups:
            group["lr"] = rate
        tool.step()
        tool.zero_grad(set_to_none=True)


def _save(
    model: Any,
    tools: list[torch.optim.Optimizer],
    key: str,
    state_file: Path,
    step: int,
    curve: list[dict[str, float]],
) -> None:
    tensors = {f"model.{k}": v.contiguous() for k, v in model.state_dict().items()}
    for n, tool in enumerate(tools):
        for index, entries in tool.state_dict()["state"].items():
            for part, value in entries.items():
                tensors[f"tool.{n}.{index}.{part}"] = torch.as_tensor(value).contiguous()
    metadata = {"key": key, "step": str(step), "curve": json.dumps(curve)}
    with written(state_file) as partial:
        save_file(tensors, partial, metadata=metadata)


def _resume(
    model: Any, tools: list[torch.optim.Optimizer], key: str, state_file: Path
) -> tuple[int, list[dict[str, float]]]:
    if not state_file.exists():
        return 0, []
    with safe_open(state_file, framework="pt") as saved:
        metadata = saved.metadata()
        if metadata.get("key") != key:
            return 0, []
        tensors = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118
    model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    for n, tool in enumerate(tools):
        state = tool.state_dict()
        state["state"] = {}
        for name, value in tensors.items():
            part = name.split(".")
            if part[0] == "tool" and int(part[1]) == n:
                state["state"].setdefault(int(part[2]), {})[part[3]] = value
        tool.load_state_dict(state)
    return int(metadata["step"]), json.loads(metadata["curve"])
