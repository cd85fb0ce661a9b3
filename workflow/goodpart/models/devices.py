"""Devices by name: cpu, cuda, cuda:N, mps, and auto, which spreads a model over what there is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from goodpart.errors import GoodpartError
from goodpart.models import gpu

if TYPE_CHECKING:
    import torch

NAMES = r"auto|cpu(:0)?|cuda(:[0-9]+)?|mps(:0)?"


def chosen(name: str | None, model: str) -> torch.device | None:
    """The device that a job of `model` runs on; None to spread it over several GPUs and the host.

    `name` None: the first GPU, Apple's if there is one, else the CPU. `cuda` is a GPU that no other process
    of this project holds. Raises GoodpartError for a device that does not exist here.
    """
    import torch

    if name is not None and not re.fullmatch(NAMES, name):
        raise GoodpartError(f"device {name!r} is unknown: one of auto, cpu, cuda, cuda:N, mps")
    if name == "cuda":
        gpu.take()
    if name is None or name == "auto":
        if torch.cuda.is_available():
            return None if name == "auto" else torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda":
        _require_cuda(device, model)
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise GoodpartError(f"{model}: device {name}: torch finds no Apple GPU here; take cpu")
    return device


def _require_cuda(device: torch.device, model: str) -> None:
    import torch

    if not torch.cuda.is_available():
        raise GoodpartError(
            f"{model}: is to run on a GPU, and torch finds none here; install a driver and a "
            "torch that fit it, or set gpu: 0 in the model's entry to run on the CPU"
        )
    count = torch.cuda.device_count()
    if device.index is not None and device.index >= count:
        raise GoodpartError(
            f"{model}: device {device}: there are {count} GPUs here, numbered from 0; correct it"
        )


def reachable(device: torch.device, model: str) -> None:
    """GoodpartError where torch cannot put a tensor on the device: built without, or without a driver."""
    import torch

    try:
        torch.empty(1, device=device)
    except torch.OutOfMemoryError:
        raise
    except (AssertionError, RuntimeError) as error:
        raise GoodpartError(
            f"{model}: device {device} cannot be used ({error}); install a driver and a torch that fit it, "
            "or choose another device"
        ) from error


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was given; nothing to wait for on a CPU."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
