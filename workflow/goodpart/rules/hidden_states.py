"""Decode a few calibration prompts and cache their hidden states at chosen denoising steps."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodpart.errors import GoodpartError
from goodpart.files import written
from goodpart.hidden_cache import KINDS, CacheWriter, file_name
from goodpart.parquet import provenance, read_table
from goodpart.runtime import limit_threads, logger, parser, progress, run

if TYPE_CHECKING:
    import torch

    from goodpart.models import Model


def chosen_steps(wanted: int | list[int], total: int) -> list[int]:
    """The steps of a list that exist, or that many evenly spaced ones, the first included."""
    if isinstance(wanted, list):
        return sorted(step for step in wanted if step < total)
    n = min(wanted, total)
    return [i * total // n for i in range(n)]


class AllSeen(Exception):
    """Raised from within a decode once its last wanted step has been captured."""


def capture_prompt(
    model: Model, prompt: list[int], settings: Any, wanted: int | list[int], seed: int, write: Any
) -> None:
    """Decode one prompt and call `write(step, token_ids, kinds, hidden)` at each chosen step.

    Diffusion models: the states of the real denoising steps. Autoregressive ones: one pass over prompt
    and completion, whose prompt positions equal those of the prompt alone.
    """
    import torch

    from goodpart.capture import capturing
    from goodpart.decode import decode

    length, mask = len(prompt), model.tokens.mask

    def keep(step: int, ids: torch.Tensor, states: list[torch.Tensor | None]) -> None:
        ids = ids.cpu()
        kinds = torch.full(ids.shape, KINDS.index("decoded"))
        kinds[ids == mask] = KINDS.index("masked")
        kinds[:length] = KINDS.index("prompt")
        hidden = torch.stack([state[0] for state in states if state is not None])
        write(step, ids.numpy(), kinds.numpy(), hidden.float().cpu().numpy())

    if mask is None:
        out = decode(model, [prompt], settings, seeds=[seed])[0]
        ids = out.canvas[: length + len(out.token_ids)].to(model.device)
        with torch.inference_mode(), capturing(model) as captured:
            model.module.model(input_ids=ids[None], use_cache=False)
            keep(0, ids, captured.states)
        return
    steps = chosen_steps(wanted, settings.total_steps)
    if not steps:
        raise GoodpartError(
            f"capture.steps: none of {wanted} is among the {settings.total_steps} denoising steps"
        )
    with capturing(model) as captured:

        def observe(step: int, ids: torch.Tensor) -> None:
            if step in steps:
                keep(step, ids[0], captured.states)
            if step >= steps[-1]:
                raise AllSeen

        with contextlib.suppress(AllSeen):
            decode(model, [prompt], settings, seeds=[seed], observe=observe)


def main(arguments: argparse.Namespace) -> None:
    """Write one folder of caches for each benchmark."""
    from goodpart.decode import settings_for
    from goodpart.models import load
    from goodpart.prompts import render
    from goodpart.samplers.common import item_seed

    limit_threads(arguments.threads)
    entry = json.loads(arguments.model)
    model = load(entry["name"], revision=entry["revision"], dtype=entry["dtype"], device=entry["device"])
    all_settings = [json.loads(text) for text in arguments.settings]
    for items_file, arguments_, folder in zip(arguments.items, all_settings, arguments.output, strict=True):
        settings = settings_for(model, **{**arguments_, "stop_early": False})
        items = read_table(items_file, ["item_id", "prompt"]).slice(0, arguments.prompts).to_pylist()
        prompts = render(model.tokenizer, [item["prompt"] for item in items], entry["chat"])
        facts = provenance(
            model=entry["name"],
            revision=entry["revision"],
            family=model.family,
            dtype=str(model.dtype).removeprefix("torch."),
            decode=arguments_,
        )
        with written(folder) as partial:
            partial.mkdir()
            for item, prompt in progress(list(zip(items, prompts, strict=True)), "hidden states"):
                name = item["item_id"]
                width = model.module.config.hidden_size
                with CacheWriter(partial / file_name(name), name, width, facts) as writer:
                    seed = item_seed(arguments.seed, name, 0)
                    capture_prompt(model, prompt, settings, json.loads(arguments.steps), seed, writer.step)
        size = sum(file.stat().st_size for file in folder.iterdir())
        logger.info("%s: %d prompts, %.1f MB", folder, len(items), size / 1e6)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--model", required=True, help="name, revision, dtype, device, chat as JSON")
    options.add_argument("--items", type=Path, nargs="+", required=True, help="one file a benchmark")
    options.add_argument("--settings", nargs="+", required=True, help="decoding, as JSON a benchmark")
    options.add_argument("--prompts", type=int, required=True, help="prompts a benchmark")
    options.add_argument("--steps", required=True, help="a count or a list of denoising steps, as JSON")
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--output", type=Path, nargs="+", required=True, help="one folder a benchmark")
    run(main, options.parse_args())
