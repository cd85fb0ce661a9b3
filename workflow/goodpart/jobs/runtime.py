"""What every job shares: a log file, a progress bar, and how many threads torch may use."""

from __future__ import annotations

import errno
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from goodpart.errors import GoodpartError

T = TypeVar("T")
logger = logging.getLogger("goodpart")
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
SAY_EVERY = 20  # seconds between two lines of progress in a job's log


def run(main: Callable[[T], None], described: T, log: Path | None = None) -> None:
    """Run `main`: log to a file, if any; turn what the user can mend into its message and exit status 1."""
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        handlers = [logging.FileHandler(log, mode="w")]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", handlers=handlers)
    # Tokenizers' own threads would go beyond the job's, and warn where it starts another process.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    began = time.monotonic()
    try:
        main(described)
        if log:
            logger.info("%.1f s, peak memory %s", time.monotonic() - began, peak_memory())
    except Exception as error:
        said = mendable(error)
        if said is None:
            logger.exception("unexpected error")
            raise
        logger.error("%s", said)
        if isinstance(error, OSError):  # a full disk may have no room for the log either
            print(f"error: {said}", file=sys.stderr)
        sys.exit(1)


def peak_memory() -> str:
    """The most memory that this process has held so far: of the machine, and of the GPU if it used one."""
    scale = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    said = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e9:.2f} GB"
    torch = sys.modules.get("torch")  # never imported for this
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        said += f", of the GPU {torch.cuda.max_memory_reserved() / 1e9:.2f} GB"
    return said


def mendable(error: Exception) -> str | None:
    """What to tell the user of an error that the user can mend; None of any other."""
    if isinstance(error, GoodpartError):
        return str(error)
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        return f"the disk is full ({error}); free some space and run again: what is finished is kept"
    return None


def processors(threads: int) -> int:
    """`threads`, but never more than the processors this process may run on."""
    free = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(threads, free))


def limit_threads(threads: int) -> None:
    """Let torch use `threads` threads, capped by the processors that are free to this process."""
    import torch

    torch.set_num_threads(processors(threads))


def progress(items: Sequence[T], label: str, size: Callable[[T], int] = lambda item: 1) -> Iterator[T]:
    """Iterate, with a progress bar on a terminal; the log gets count, rate and time left now and then.

    `size`: what an item counts for.
    """
    from tqdm import tqdm

    total, done = sum(map(size, items)), 0
    began = said = time.monotonic()
    with tqdm(desc=label, total=total, disable=None, leave=False) as bar:
        for item in items:
            yield item
            done += size(item)
            bar.update(size(item))
            now = time.monotonic()
            if now - said >= SAY_EVERY:
                said, rate = now, done / (now - began)
                left = tqdm.format_interval((total - done) / rate)
                logger.info("%s: %d of %d, %.3g a second, %s left", label, done, total, rate, left)
