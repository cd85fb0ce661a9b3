"""Compare this machine with outputs of the official code.

A folder has a checkpoint in its public format, and golden.json with golden.safetensors: the arguments of
every call of the official code, and its input and output tensors. Every forward pass, hidden state,
generation, cached generation, log-likelihood and removal of layers is repeated here and compared. A case that
cannot be compared fails with its reason; the other cases continue.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from goodpart.errors import GoodpartError
from goodpart.jobs.runtime import limit_threads
from goodpart.models.loading import Model, load
from goodpart_tools.verify.golden import Golden, Mismatch, fail
from goodpart_tools.verify.golden_calls import again
from goodpart_tools.verify.golden_passes import forward, removal, rotation

TOLERANCE = 1e-4  # for logits and hidden states in float32; the closest wrong variant differs by 1.4e-4


@dataclass(frozen=True)
class Case:
    """One comparison. `check()` returns how close it is, or raises. `counts`: with the official code."""

    name: str
    check: Callable[[], str]
    counts: bool = True


def parity_cases(model: Model, golden: Golden, tolerance: float = TOLERANCE) -> Iterator[Case]:
    """All comparisons of one folder. The last one fails if a tensor of the folder was not compared."""
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
    """Print one line per case and a summary; return how many cases and folders failed."""
    agreed = failed = damaged = 0
    for folder in folders:
        try:
            golden = Golden(folder)
            model = load(str(folder), dtype=dtype, device=device)
        except Exception as error:  # any error in one folder must not stop the others
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
    """Whether a case agrees, and how close it is, or why not."""
    try:
        return True, case.check()
    except Exception as error:  # any error in golden data must not stop the other cases
        return False, _reason(error)


def _reason(error: Exception) -> str:
    """The message of an error in one line, with its type if it is unexpected."""
    said = " ".join(str(error).split())
    return said if isinstance(error, (Mismatch, GoodpartError)) else f"{type(error).__name__}: {said}"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The command line of `parity`."""
    command.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    command.add_argument("--dtype", default="float32", help="a torch dtype (default: float32)")
    command.add_argument("--device", help="cpu, cuda, ... (default: the GPU if there is one)")
    command.add_argument(
        "--tolerance", type=float, default=TOLERANCE, help="largest difference of logits and hidden states"
    )
    command.add_argument(
        "--threads", type=int, default=1, help="threads of torch (default: 1, as for the golden outputs)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare all folders; return how many cases failed."""
    limit_threads(arguments.threads)
    return parity(arguments.folders, arguments.dtype, arguments.device, arguments.tolerance)
