"""`python -m goodpart.verify parity FOLDER...`: this machine against the official code's own outputs.

A folder holds a checkpoint in its public format and golden.safetensors with golden.json: the arguments of
every call of the official code and the tensors that it took and gave. Every forward pass, hidden state,
generation, cached generation, log-likelihood and removal of layers is made again here and compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodpart.errors import GoodpartError
from goodpart.files import read_json
from goodpart.models import Model, load
from goodpart.runtime import limit_threads

if TYPE_CHECKING:
    import torch

TOLERANCE = 1e-4  # of logits and hidden states in float32: the smallest wrong variant differs by 1.4e-4


class Mismatch(Exception):
    """A result differs from the golden one."""


@dataclass(frozen=True)
class Case:
    """One comparison: `check()` says how close it came, or raises Mismatch."""

    name: str
    check: Callable[[], str]


class Golden:
    """The golden tensors of one folder, and which of them were looked at."""

    def __init__(self, folder: Path) -> None:
        from safetensors.torch import load_file

        files = [folder / "golden.json", folder / "golden.safetensors"]
        missing = [file.name for file in files if not file.exists()]
        if missing:
            raise GoodpartError(f"{folder}: {', '.join(missing)} is missing; give a folder of golden outputs")
        self.calls: list[dict[str, Any]] = read_json(files[0])["cases"]
        self._tensors: dict[str, torch.Tensor] = load_file(files[1])
        self.unused = set(self._tensors)

    def __call__(self, name: str) -> torch.Tensor:
        """One tensor; GoodpartError when there is none."""
        found = self.find(name)
        if found is None:
            raise GoodpartError(f"golden.safetensors has no {name}")
        return found

    def find(self, name: str) -> torch.Tensor | None:
        """One tensor, or None."""
        self.unused.discard(name)
        return self._tensors.get(name)

    def names(self, start: str, end: str) -> list[str]:
        """What stands between `start` and `end` in the tensors' names."""
        pairs = [n for n in self._tensors if n.startswith(start) and n.endswith(end)]
        return sorted(n[len(start) : -len(end)] for n in pairs)


def parity_cases(model: Model, golden: Golden, tolerance: float = TOLERANCE) -> Iterator[Case]:
    """All comparisons of one folder; the last one fails if a golden tensor was compared with nothing."""
    for name in golden.names("forward.", ".logits"):
        yield Case(f"forward.{name}", partial(_forward, model, golden, name, tolerance))
    for name in golden.names("skip.", ".logits"):
        yield Case(f"skip.{name}", partial(_removal, model, golden, name, tolerance))
    for name in golden.names("rope.", ".q_in"):
        yield Case(f"rope.{name}", partial(_rotation, model, golden, name, tolerance))
    for call in golden.calls:
        kind = call["name"].split(".")[0]
        check = {"generate": _generation, "fastdllm": _cached, "loglik": _likelihood}.get(kind)
        if check is None:
            yield Case(call["name"], partial(_fail, f"there is no check for {kind}"))
        else:
            yield Case(call["name"], partial(check, model, golden, call, tolerance))
    yield Case("all golden tensors compared", partial(_complete, golden))


def _fail(what: str) -> str:
    raise Mismatch(what)


def _complete(golden: Golden) -> str:
    if golden.unused:
        _fail(f"not looked at: {', '.join(sorted(golden.unused))}")
    return "none left over"


def _close(found: torch.Tensor, wanted: torch.Tensor, tolerance: float, what: str) -> float:
    if found.shape != wanted.shape:
        _fail(f"{what}: shape {tuple(found.shape)}, golden {tuple(wanted.shape)}")
    difference = (found.float() - wanted.float().to(found.device)).abs().max()
    if not bool(difference <= tolerance):  # NaN fails
        _fail(f"{what}: differs by {float(difference):.2e}")
    return float(difference)


def _same(found: Any, wanted: Any, what: str) -> None:
    if found != wanted:
        first = next((i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), "the end")
        _fail(f"{what}: other ids from {first} on")


def _logits(model: Model, ids: torch.Tensor, exists: torch.Tensor | None) -> torch.Tensor:
    import torch

    from goodpart.distributions import final_hidden

    with torch.inference_mode():
        return model.module.lm_head(final_hidden(model, ids.to(model.device), exists))


def _forward(model: Model, golden: Golden, name: str, tolerance: float) -> str:
    """Logits and every hidden state of one pass, at positions that are no padding."""
    import torch

    from goodpart.capture import capturing
    from goodpart.samplers.common import unpadded_positions

    ignored = name.endswith("_mask_ignored")  # the padded ids of another case, without its mask
    source = f"forward.{name.removesuffix('_mask_ignored')}"
    exists = None if ignored else golden.find(f"{source}.attention_mask")
    exists = None if exists is None else exists.to(model.device)
    with capturing(model) as captured:
        logits = _logits(model, golden(f"{source}.input_ids"), exists)
    real = torch.ones_like(logits[..., 0], dtype=torch.bool) if exists is None else exists.bool()
    worst = _close(logits[real], golden(f"forward.{name}.logits").to(real.device)[real], tolerance, "logits")
    if not ignored:
        positions = golden.find(f"{source}.position_ids")
        if positions is not None and exists is not None:
            _same(unpadded_positions(exists).tolist(), positions.tolist(), "position ids")
        # The last golden hidden state is behind the final norm; the raw one comes on its own.
        hidden = golden(f"{source}.hidden_states").to(real.device)
        normed = model.module.model.norm(captured.states[-1])
        worst = max(worst, _close(normed[real], hidden[-1][real], tolerance, "normed output"))
        wanted = [*hidden[:-1], golden(f"{source}.last_block_output").to(real.device)]
        for depth, (state, want) in enumerate(zip(captured.states, wanted, strict=True)):
            assert state is not None
            worst = max(worst, _close(state[real], want[real], tolerance, f"hidden state {depth}"))
    return f"within {worst:.1e}"


def _removal(model: Model, golden: Golden, name: str, tolerance: float) -> str:
    """Logits without some layers, and again with them."""
    from goodpart.skipping import skipping

    ids = golden("forward.unpadded.input_ids")
    with skipping(model, [int(layer) for layer in name.split("_")]):
        short = _close(_logits(model, ids, None), golden(f"skip.{name}.logits"), tolerance, "logits")
    _close(_logits(model, ids, None), golden("forward.unpadded.logits"), tolerance, "logits put back")
    return f"within {short:.1e}"


def _rotation(model: Model, golden: Golden, name: str, tolerance: float) -> str:
    """Rotary embedding of random q and k at positions 0, 1, ..., in one dtype."""
    import torch

    from goodpart.families import family_module

    q, k = (golden(f"rope.{name}.{part}_in").to(model.device) for part in "qk")
    positions = torch.arange(q.shape[2], device=q.device)[None]
    cos, sin = model.module.model.rotary_emb(q, positions)
    worst = 0.0
    for part, turned in zip("qk", family_module(model.family).rotate(q, k, cos, sin), strict=True):
        wanted = golden(f"rope.{name}.{part}_out")
        _same(str(turned.dtype), str(wanted.dtype), "dtype")
        worst = max(worst, _close(turned, wanted, tolerance, part))
    return f"within {worst:.1e}"


def _sampler_arguments(model: Model, call: dict[str, Any]) -> tuple[Model, dict[str, Any]]:
    """The call's arguments under this project's names, and the model with the call's own end markers."""
    arguments = {k: v for k, v in call["args"].items() if k != "mask_id"}
    if "gen_length" in arguments:
        arguments["max_new_tokens"] = arguments.pop("gen_length")
    if "eot_id_in_code" in call:  # golden checkpoints have no tokenizer, where a real one's eot id comes from
        t, eot = model.tokens, call["eot_id_in_code"]
        model = replace(model, tokens=replace(t, eot=eot, ends=frozenset({t.eos, eot})))
    return model, arguments


def _generation(model: Model, golden: Golden, call: dict[str, Any], tolerance: float) -> str:
    """Final ids, and the ids fed to the model at every step."""
    import torch

    from goodpart.decode import decode, settings_for
    from goodpart.skipping import skipping

    name = call["name"]
    model, arguments = _sampler_arguments(model, call)
    prompt = golden(f"{name}.prompt")
    exists = golden.find(f"{name}.attention_mask")
    exists = torch.ones_like(prompt) if exists is None else exists
    prompts = [p[e.bool()].tolist() for p, e in zip(prompt, exists, strict=True)]
    fed: list[torch.Tensor] = []
    torch.manual_seed(call["torch_manual_seed"] or 0)
    with skipping(model, call["removed_layers"] or []):
        made = decode(
            model,
            prompts,
            settings_for(model, **arguments, stop_early=False),
            official=True,
            observe=lambda step, ids: fed.append(ids.cpu().clone()),
        )
    for row, want, e in zip(made, golden(f"{name}.output"), exists, strict=True):
        _same(row.canvas.tolist(), want[int((e == 0).sum()) :].tolist(), "output")
    # With guidance the golden inputs hold the unconditional rows too: the same with the prompt masked.
    inputs = golden(f"{name}.model_inputs")
    steps = torch.stack(fed)
    if inputs.shape[1] == 2 * len(prompts):
        blank = steps.clone()
        assert model.tokens.mask is not None
        blank[..., : prompt.shape[1]] = model.tokens.mask
        steps = torch.cat([steps, blank], 1)
    _same(steps.flatten(1).tolist(), inputs.flatten(1).tolist(), "ids by step")
    return f"{len(fed)} steps, ids exact"


def _cached(model: Model, golden: Golden, call: dict[str, Any], tolerance: float) -> str:
    """Final ids of a cached decode, and of the same call without the cache."""
    from goodpart.decode import decode, settings_for

    name = call["name"]
    model, arguments = _sampler_arguments(model, call)
    prompts = golden(f"{name}.prompt").tolist()
    own = name.split(".")[1].removesuffix("_cache")
    for cache, output in ((own, "output"), ("none", "output_without_cache")):
        settings = settings_for(model, **arguments, cache=cache, stop_early=False)
        made = decode(model, prompts, settings, official=True)
        _same([row.canvas.tolist() for row in made], golden(f"{name}.{output}").tolist(), output)
    return "ids exact"


def _likelihood(model: Model, golden: Golden, call: dict[str, Any], tolerance: float) -> str:
    """The Monte-Carlo log-likelihood, and the masked ids it was drawn from."""
    import torch

    from goodpart.distributions import log_likelihood

    name, arguments = call["name"], call["args"]
    fed: list[torch.Tensor] = []
    torch.manual_seed(call["torch_manual_seed"])
    value = log_likelihood(
        model,
        golden(f"{name}.prompt").flatten().tolist(),
        golden(f"{name}.answer").flatten().tolist(),
        samples=arguments["mc_num"],
        batch_size=arguments["batch_size"],
        cfg_scale=arguments["cfg_scale"],
        observe=lambda ids: fed.append(ids.cpu()),
    )
    inputs = golden(f"{name}.model_inputs")
    _same(torch.stack(fed).flatten(1).tolist(), inputs.flatten(1).tolist(), "masked ids")
    wanted = float(golden(f"{name}.value"))
    if not abs(value - wanted) <= tolerance * max(1.0, abs(wanted)):
        _fail(f"log-likelihood {value:.6f}, golden {wanted:.6f}")
    return f"{value:.4f} nats, within {abs(value - wanted):.1e}"


def parity(folders: list[Path], dtype: str, device: str | None, tolerance: float) -> int:
    """Print one line a case and a closing count; return how many failed."""
    failed = total = 0
    for folder in folders:
        golden = Golden(folder)
        model = load(str(folder), dtype=dtype, device=device)
        for case in parity_cases(model, golden, tolerance):
            try:
                verdict, said = "ok  ", case.check()
            except (Mismatch, GoodpartError) as error:
                verdict, said = "FAIL", str(error)
                failed += 1
            total += 1
            print(f"{verdict} {folder.name} {case.name}: {said}", flush=True)
    print(f"{total - failed} of {total} cases agree with the official code, {failed} do not")
    return failed


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The command line of `parity`."""
    command.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    command.add_argument("--dtype", default="float32", help="a torch dtype (default: float32)")
    command.add_argument("--device", help="cpu, cuda, ... (default: the GPU if there is one)")
    command.add_argument("--tolerance", type=float, default=TOLERANCE, help="of logits and hidden states")
    command.add_argument(
        "--threads", type=int, default=1, help="of torch (default: 1, as the golden outputs)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare all folders; return how many cases failed."""
    limit_threads(arguments.threads)
    return parity(arguments.folders, arguments.dtype, arguments.device, arguments.tolerance)
