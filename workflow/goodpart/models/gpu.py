"""GPUs: each job holds one of its own, and a batch that does not fit into its memory is halved."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

from goodpart.errors import GoodpartError
from goodpart.jobs.runtime import logger

T = TypeVar("T")
R = TypeVar("R")
VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = ("index", "uuid", "name", "memory.total", "memory.free")
_held: list[IO[str]] = []  # lock of the GPU that this process took, until it ends


@dataclass(frozen=True)
class Gpu:
    """One GPU as the driver lists it; memory in bytes."""

    index: str
    uuid: str
    name: str
    total: int
    free: int


def installed() -> list[Gpu]:
    """NVIDIA GPUs of this machine; none where there is no driver. Neither torch nor CUDA is started."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", f"--query-gpu={','.join(ORDER)}", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    found = []
    for line in said.splitlines():
        words = [word.strip() for word in line.split(",")]
        if len(words) == len(ORDER) and words[3].isdigit() and words[4].isdigit():
            found.append(Gpu(*words[:3], int(words[3]) << 20, int(words[4]) << 20))
    return found


def allowed(gpus: Sequence[Gpu], visible: str | None) -> list[Gpu]:
    """Those of the GPUs that CUDA_VISIBLE_DEVICES names, by number or id; all where it is not set.

    As CUDA reads it: a name that fits no GPU ends the list.
    """
    if visible is None:
        return list(gpus)
    found: list[Gpu] = []
    for name in map(str.strip, visible.split(",")):
        named = [g for g in gpus if name == g.index or (len(name) > 4 and g.uuid.startswith(name))]
        if not named:
            break
        found += named
    return found


def take(poll: float = 2.0) -> Gpu | None:
    """Bind this process to one GPU that no other process has taken, until it ends; wait while all are.

    Sets CUDA_VISIBLE_DEVICES, so it must come before CUDA starts. Keeps what a scheduler chose: nothing is
    done where one GPU is visible already, and nothing but the visible ones are taken. None without a choice.
    """
    gpus = allowed(installed(), os.environ.get(VISIBLE))
    if _held or len(gpus) < 2:
        return None
    folder = Path(tempfile.gettempdir(), f"goodpart-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    said = False
    while True:
        for gpu in sorted(gpus, key=lambda g: -g.free):
            lock = (folder / f"{gpu.uuid}.lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            _held.append(lock)
            os.environ[VISIBLE] = gpu.uuid
            logger.info("GPU %s (%s) is this job's", gpu.index, gpu.name)
            return gpu
        if not said:
            logger.info("all %d GPUs are taken; waiting for one", len(gpus))
            said = True
        time.sleep(poll)


class Batches:
    """Work on batches of at most `size`; after one that was too large for the GPU's memory, of half of it."""

    def __init__(self, size: int) -> None:
        self.size = size

    def run(self, work: Callable[[list[T]], R], batch: Sequence[T]) -> Iterator[tuple[list[T], R]]:
        """(part, work(part)) of the batch, in order.

        Raises GoodpartError when not even one of them fits.
        """
        import torch

        pending = [list(batch)]
        while pending:
            part = pending.pop(0)
            if len(part) > self.size:
                pending[:0] = [part[: self.size], part[self.size :]]
                continue
            try:
                made = work(part)
            except torch.OutOfMemoryError as error:
                if len(part) == 1:
                    raise GoodpartError(
                        f"the GPU's memory is too small for a batch of one ({error}); lower "
                        "max_new_tokens, or take a larger GPU"
                    ) from error
                self.size = len(part) // 2
                pending.insert(0, part)
            else:
                yield part, made
                continue
            # Outside the handler, whose exception holds the frames, and with them the tensors, alive.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            logger.warning(
                "out of the GPU's memory with %d at a time; going on with %d", len(part), self.size
            )
