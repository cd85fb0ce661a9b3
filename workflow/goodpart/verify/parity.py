"""`python -m goodpart.verify parity FOLDER...`: this machine against the official code's own outputs.

A folder holds a checkpoint in its public format and golden.safetensors with golden.json: the arguments of
every call of the official code and the tensors that it took and gave. Every forward pass, hidden state,
generation, cached generation, log-likelihood and removal of layers is made again here and compared. One that
cannot be is a failure with its reason, and the others go on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from goodpart.errors import GoodpartError
from goodpart.models import Model, load
from goodpart.runtime import limit_threads
from goodpart.verify.golden import Golden, Mismatch, fail
from goodpart.verify.golden_calls import again
from goodpart.verify.golden_passes import forward, removal, rotation

TOLERANCE = 1e-4  # of logits and hidden states in float32: the smallest wrong variant differs by 1.4e-4


@dataclass(frozen=True)
class Case:
    """One comparison: `check()` says how close it came, or raises. Not all are with the official code."""

    name: str
    check: Callable[[], str]
    counts: bool = True


def parity_cases(model: Model, golden: Golden, tolerance: float = TOLERANCE) -> Iterator[Case]:
    """All comparisons of one folder; the last, of the folder with itself, fails if it left anything out."""
    cases = [
        Case(f"{kind}.{name}", partial(check, model, golden, name, tolerance))
        for kind, end, check in (
            ("forward", ".logits", forward),
            ("skip", ".logits", removal),
            ("rope", ".q_in", rotation),
        )
        for name in golden.names(f"{kind}.", end)
    ]
    for number, call in enumerate(golden.calls):
        name = call.get("name") if isinstance(call, dict) else None
        cases.append(Case(str(name or f"case {number}"), partial(again, model, golden, call, tolerance)))
    yield from (replace(case, check=partial(_tried, golden, case)) for case in cases)
    yield Case("all golden tensors compared", partial(_complete, golden, len(cases)), counts=False)


def _tried(golden: Golden, case: Case) -> str:
    try:
        return case.check()
    except Exception:
        golden.excuse(case.name)
        raise


def _complete(golden: Golden, compared: int) -> str:
    gaps = golden.gaps() + ([] if compared else ["nothing was compared"])
    if gaps:
        fail("; ".join(gaps))
    return "none left over"


def parity(folders: list[Path], dtype: str, device: str | None, tolerance: float) -> int:
    """Print one line a case and a closing count; return how many cases and folders failed."""
    agreed = failed = damaged = 0
    for folder in folders:
        try:
            golden = Golden(folder)
            model = load(str(folder), dtype=dtype, device=device)
        except Exception as error:  # whatever is wrong with a folder, the others are compared
            print(f"FAIL {folder.name}: {_reason(error)}", flush=True)
            damaged += 1
            continue
        for case in parity_cases(model, golden, tolerance):
            good, said = _outcome(case)
            print(f"{'ok  ' if good else 'FAIL'} {folder.name} {case.name}: {said}", flush=True)
            if case.counts:
                agreed, failed = agreed + good, failed + (not good)
            else:
                damaged += not good
    print(f"{agreed} of {agreed + failed} cases agree with the official code, {failed} do not", end="")
    print(f"; {damaged} of {len(folders)} folders are damaged or incomplete" if damaged else "")
    return failed + damaged


def _outcome(case: Case) -> tuple[bool, str]:
    """Whether a case agrees, and how close it came or why not."""
    try:
        return True, case.check()
    except Exception as error:  # golden data may be anything: none of it stops the other cases
        return False, _reason(error)


def _reason(error: Exception) -> str:
    """What an error says, in one line; its kind too, where it was not foreseen."""
    said = " ".join(str(error).split())
    return said if isinstance(error, (Mismatch, GoodpartError)) else f"{type(error).__name__}: {said}"


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
