"""A run does not begin while another one, or jobs that it left on a cluster, write the same files."""

from __future__ import annotations

import fcntl
import getpass
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import IO

from goodpart.errors import GoodpartError

SECONDS = 20  # that a scheduler has to answer
LOCK = ".lock"  # in a results folder


def live_jobs(folder: Path) -> list[str]:
    """Ids of this user's SLURM jobs of `folder` that are not over, but for the one that this runs in.

    Empty where there is no SLURM, or it does not answer.
    """
    if not shutil.which("squeue"):
        return []
    command = ["squeue", "--noheader", "--user", getpass.getuser(), "--format", "%i %Z"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    own, here = os.environ.get("SLURM_JOB_ID"), folder.resolve()
    jobs = [line.split(maxsplit=1) for line in said.splitlines() if " " in line]
    return [job for job, at in jobs if job != own and Path(at).resolve() == here]


def claim(results: Path) -> IO[str] | None:
    """Hold a results folder for this process, as long as the file that is returned stays open.

    Snakemake locks the folder that it runs in; two clones may share one results folder. Raises GoodpartError
    while another process on a machine that sees the lock holds it. None where the folder cannot be locked.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        lock = (results / LOCK).open("a+", encoding="utf-8")
    except OSError:  # a read-only folder: nothing is written there
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "another run"
        lock.close()
        raise GoodpartError(
            f"{results} is written by {holder}; wait until it ends, or set paths.results to another folder"
        ) from None
    except OSError:  # a file system without locks
        pass
    lock.truncate(0)
    lock.write(f"process {os.getpid()} on {socket.gethostname()}, in {Path().resolve()}\n")
    lock.flush()
    return lock


def release(lock: IO[str] | None) -> None:
    """Give a results folder back; its lock file stays, empty."""
    if lock is not None:
        lock.truncate(0)
        lock.close()


def refuse_second_run(folder: Path) -> None:
    """GoodpartError while jobs that an earlier run submitted from `folder` are alive.

    They go on after the run that submitted them was killed, and a new run would submit all of them again.
    """
    if jobs := live_jobs(folder):
        raise GoodpartError(
            f"jobs of an earlier run still write into {folder.resolve()}: {' '.join(jobs)}; wait until they "
            f"are over, or end them with: scancel {' '.join(jobs)}"
        )
