"""Repeat golden forward passes: logits, hidden states, removals of layers, rotary embeddings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from goodpart.models.loading import Model
from goodpart_tools.verify.golden import Golden, close, fail, same

if TYPE_CHECKING:
    import torch


def _logits(model: Model, ids: torch.Tensor, exists: torch.Tensor | None) -> torch.Tensor:
    import torch

    from goodpart.decoding.likelihoods import final_hidden

    with torch.inference_mode():
        return model.module.lm_head(final_hidden(model, ids.to(model.device), exists))


def forward(model: Model, golden: Golden, name: str, tolerance: float) -> str:
    """Compare logits and every hidden state of one pass.

    Dream's official code does not attend at padding, so its states there are meaningless and left out.
    """
    import torch

    from goodpart.decoding.samplers.common import unpadded_positions
    from goodpart.models.hooks import capturing

    ignored = name.endswith("_mask_ignored")  # the padded ids of another case, without that case's mask
    source = f"forward.{name.removesuffix('_mask_ignored')}"
    ids = golden(f"{source}.input_ids")
    wanted = golden(f"forward.{name}.logits")
    exists = None if ignored else golden.mask(f"{source}.attention_mask")
    positions = None if ignored else golden.find(f"{source}.position_ids")
    hidden = None if ignored else golden(f"{source}.hidden_states")
    last = None if ignored else golden(f"{source}.last_block_output")
    with capturing(model) as captured:
        logits = _logits(model, ids, None if exists is None else exists.to(model.device))
    everywhere = torch.ones_like(ids, dtype=torch.bool)
    real = everywhere if exists is None or model.family == "llada" else exists
    worst = _close_at(real, logits, wanted, tolerance, "logits")
    if hidden is None or last is None:
        return f"within {worst:.1e}"
    if positions is not None:
        same(unpadded_positions(real), positions, "position ids")  # LLaDA also counts padding
    # The last golden hidden state is after the final norm; the state before it is a separate tensor.
    if len(hidden) != len(captured.states):
        fail(f"{len(captured.states)} hidden states, golden {len(hidden)}")
    with torch.inference_mode():
        normed = model.module.model.norm(captured.states[-1])
    worst = max(worst, _close_at(real, normed, hidden[-1], tolerance, "normed output"))
    for depth, (state, want) in enumerate(zip(captured.states, [*hidden[:-1], last], strict=True)):
        assert state is not None
        where = real if depth else everywhere  # an embedding is the same at padding
        worst = max(worst, _close_at(where, state, want, tolerance, f"hidden state {depth}"))
    return f"within {worst:.1e}"


def _close_at(
    where: torch.Tensor, found: torch.Tensor, wanted: torch.Tensor, tolerance: float, what: str
) -> float:
    """Compare [B, T, ...] at the positions `where` [B, T]."""
    if found.shape != wanted.shape:
        fail(f"{what}: shape {tuple(found.shape)}, golden {tuple(wanted.shape)}")
    return close(found[where.to(found.device)], wanted[where], tolerance, what)


def removal(model: Model, golden: Golden, name: str, tolerance: float) -> str:
    """Compare logits without some layers, and again with all layers."""
    from goodpart.models.skipping import skipping

    if not re.fullmatch(r"\d+(_\d+)*", name):
        fail(f"{name!r} names no layers")
    ids = golden("forward.unpadded.input_ids")
    with skipping(model, [int(layer) for layer in name.split("_")]):
        short = close(_logits(model, ids, None), golden(f"skip.{name}.logits"), tolerance, "logits")
    close(_logits(model, ids, None), golden("forward.unpadded.logits"), tolerance, "logits put back")
    return f"within {short:.1e}"


def rotation(model: Model, golden: Golden, name: str, tolerance: float) -> str:
    """Compare rotary embeddings of random q and k at positions 0, 1, ..., in one dtype."""
    import torch

    from goodpart.models.architectures import llada, qwen2

    q, k = (golden(f"rope.{name}.{part}_in").to(model.device) for part in "qk")
    positions = torch.arange(q.shape[2], device=q.device)[None]
    cos, sin = model.module.model.rotary_emb(q, positions)
    worst = 0.0
    for part, turned in zip(
        "qk", (llada if model.family == "llada" else qwen2).rotate(q, k, cos, sin), strict=True
    ):
        wanted = golden(f"rope.{name}.{part}_out")
        if turned.dtype != wanted.dtype:
            fail(f"{part}: {turned.dtype}, golden {wanted.dtype}")
        worst = max(worst, close(turned, wanted, tolerance, part))
    return f"within {worst:.1e}"
