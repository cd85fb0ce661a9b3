"""Repeat golden calls: generations, cached generations, log-likelihoods."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goodpart.models.loading import Model
from goodpart_tools.verify.golden import Golden, fail, field, same

if TYPE_CHECKING:
    import torch

OWN_NAMES = {"gen_length": "max_new_tokens", "mc_num": "samples"}  # the official arguments' here
SWITCHED_OFF = ("threshold", "factor")  # Fast-dLLM's parallel decoding, which these calls do not use: null


def again(model: Model, golden: Golden, call: dict[str, Any], tolerance: float) -> str:
    """Repeat one call of golden.json, by the start of its name, and return how close the result is."""
    if not isinstance(call, dict):
        fail("golden.json: the case is no object")
    kind = str(field(call, "name")).split(".")[0]
    check = {"generate": _generation, "fastdllm": _cached, "loglik": _likelihood}.get(kind)
    if check is None:
        fail(f"no check exists for {kind}")
    return check(model, golden, call, tolerance)


def _as_called(model: Model, call: dict[str, Any]) -> tuple[Model, dict[str, Any]]:
    """The call's arguments under this project's names, and the model with the call's special tokens."""
    given = field(call, "args")
    arguments = {OWN_NAMES.get(name, name): value for name, value in given.items() if name != "mask_id"}
    mask = given.get("mask_id", model.tokens.mask)
    # Golden checkpoints have no tokenizer, which has the eot token of a real checkpoint.
    eos, eot = (call.get(f"{name}_id_in_code", getattr(model.tokens, name)) for name in ("eos", "eot"))
    ends = frozenset(i for i in (eos, eot) if i is not None)
    return replace(model, tokens=replace(model.tokens, mask=mask, eos=eos, eot=eot, ends=ends)), arguments


def _seed(call: dict[str, Any], needed: bool) -> None:
    """Seed the global random stream as before the call."""
    import torch

    seed = field(call, "torch_manual_seed")
    if seed is None and needed:
        fail("golden.json: the case draws random numbers and has no torch_manual_seed")
    torch.manual_seed(0 if seed is None else seed)


def _generation(model: Model, golden: Golden, call: dict[str, Any], tolerance: float) -> str:
    """Compare the final ids, and the ids that the model gets at every step, with the number of masks."""
    import torch

    from goodpart.decoding.decode import decode, settings_for
    from goodpart.models.skipping import skipping

    name = call["name"]
    model, arguments = _as_called(model, call)
    settings = settings_for(model, **arguments, stop_early=False)
    prompt, output, inputs = (golden(f"{name}.{what}") for what in ("prompt", "output", "model_inputs"))
    exists = golden.mask(f"{name}.attention_mask")
    if "attention_mask" in call and (call["attention_mask"] == "tensor") != (exists is not None):
        fail(f"attention_mask is {call['attention_mask']} in golden.json, but not in golden.safetensors")
    exists = torch.ones_like(prompt, dtype=torch.bool) if exists is None else exists
    prompts = [p[e].tolist() for p, e in zip(prompt, exists, strict=True)]
    if not prompts:
        fail("there is nothing to compare")
    # Remove padding that all rows share; decoding here has none.
    shared = prompt[:, : prompt.shape[1] - max(map(len, prompts))]
    drawn = bool(call.get("needs_torch_rng"))
    if drawn and shared.shape[1] and model.family == "llada":
        fail(
            "padded beyond its longest prompt: LLaDA draws random numbers at padding, decoding here does not"
        )
    fed: list[torch.Tensor] = []
    _seed(call, drawn)
    with skipping(model, field(call, "removed_layers") or []):
        made = decode(
            model,
            prompts,
            settings,
            official=True,
            observe=lambda step, ids: fed.append(ids.cpu().clone()),
        )
    rows = [torch.cat([p[~e], row.canvas]) for p, e, row in zip(prompt, exists, made, strict=True)]
    same(torch.stack(rows), output, "output")
    steps = torch.stack(fed)
    steps = torch.cat([shared.expand(len(steps), -1, -1), steps], 2)
    masks = (torch.cat([steps[1:], torch.stack(rows)[None]]) == model.tokens.mask).sum((1, 2)).tolist()
    if call.get("masked_after_step") not in (None, masks):
        fail(f"masked after each step: {masks}, golden {call['masked_after_step']}")
    # With guidance, the golden inputs also have the unconditional rows: the same with a masked prompt.
    if getattr(settings, "cfg_scale", 0) > 0:
        blank = steps.clone()
        assert model.tokens.mask is not None
        blank[..., : prompt.shape[1]] = model.tokens.mask
        steps = torch.cat([steps, blank], 1)
    same(steps, inputs, "ids by step")
    return f"{len(fed)} steps, ids exact"


def _cached(model: Model, golden: Golden, call: dict[str, Any], tolerance: float) -> str:
    """Compare final ids and number of passes of cached decoding, and final ids of the uncached call."""
    import torch

    from goodpart.decoding.decode import decode, settings_for

    name = call["name"]
    model, arguments = _as_called(model, call)
    arguments = {k: v for k, v in arguments.items() if k not in SWITCHED_OFF or v is not None}
    prompt = golden(f"{name}.prompt")
    wanted = {what: golden(f"{name}.{what}") for what in ("output", "output_without_cache")}
    for cache, output in ((_cache_of(call), "output"), ("none", "output_without_cache")):
        settings = settings_for(model, **arguments, cache=cache, stop_early=False)
        fed: list[torch.Tensor] = []
        made = decode(
            model,
            prompt.tolist(),
            settings,
            official=True,
            observe=lambda step, ids, fed=fed: fed.append(ids == model.tokens.mask),
        )
        same(torch.stack([row.canvas for row in made]), wanted[output], output)
        if output != "output":
            continue
        # The official code leaves a block once it is decoded; later passes do not change it.
        length, steps = settings.block_length, settings.total_steps // settings.blocks
        firsts = [prompt.shape[1] + number // steps * length for number in range(len(fed))]
        open_blocks = [bool(m[:, at : at + length].any()) for at, m in zip(firsts, fed, strict=True)]
        passes = sum(is_open or number % steps == 0 for number, is_open in enumerate(open_blocks))
        if call.get("nfe") not in (None, passes):
            fail(f"{passes} forward passes, golden {call['nfe']}")
    return "ids exact"


def _cache_of(call: dict[str, Any]) -> str:
    """The kind of cache of a Fast-dLLM call, from its function or its name."""
    found = re.search(r"\bgenerate(?:_with_(\w+)_cache)?\(", str(call.get("function")))
    return (found[1] or "none") if found else call["name"].split(".")[-1].removesuffix("_cache")


def _likelihood(model: Model, golden: Golden, call: dict[str, Any], tolerance: float) -> str:
    """Compare the Monte Carlo log-likelihood, and the masked ids that it was computed from."""
    import torch

    from goodpart.decoding.likelihoods import log_likelihood

    model, arguments = _as_called(model, call)
    prompt, answer, inputs, golden_value = (
        golden(f"{call['name']}.{what}") for what in ("prompt", "answer", "model_inputs", "value")
    )
    wanted = float(golden_value)
    fed: list[torch.Tensor] = []
    _seed(call, needed=True)
    value = log_likelihood(
        model,
        prompt.flatten().tolist(),
        answer.flatten().tolist(),
        **arguments,
        observe=lambda ids: fed.append(ids.cpu()),
    )
    same(torch.stack(fed), inputs, "masked ids")
    # A sum over the tokens of the answer: float32 keeps a tenth of the tolerance for each nat.
    if not abs(value - wanted) <= tolerance * (1 + abs(wanted) / 10):
        fail(f"log-likelihood {value:.6f}, golden {wanted:.6f}")
    return f"{value:.4f} nats, within {abs(value - wanted):.1e}"
