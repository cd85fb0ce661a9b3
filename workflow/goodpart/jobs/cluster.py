"""SLURM: a run does not begin while jobs of an earlier one still write the same files."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from pathlib import Path

from goodpart.errors import GoodpartError

SECONDS = 20  # that a scheduler has to answer


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


def refuse_second_run(folder: Path) -> None:
    """GoodpartError while jobs that an earlier run submitted from `folder` are alive.

    They go on after the run that submitted them was killed, and a new run would submit all of them again.
    """
    if jobs := live_jobs(folder):
        raise GoodpartError(
            f"jobs of an earlier run still write into {folder.resolve()}: {' '.join(jobs)}; wait until they "
            f"are over, or end them with: scancel {' '.join(jobs)}"
        )
