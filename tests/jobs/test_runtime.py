"""Errors that a user can mend end a job with their message; others with their traceback."""

import argparse
import errno

import pytest

from goodpart.errors import GoodpartError
from goodpart.jobs import runtime


def test_what_a_user_can_mend(tmp_path):
    assert runtime.mendable(GoodpartError("correct it")) == "correct it"
    full = OSError(errno.ENOSPC, "No space left on device", "results/x.parquet")
    assert "results/x.parquet" in runtime.mendable(full)
    assert "free some space and run again" in runtime.mendable(full)
    assert runtime.mendable(OSError(errno.EACCES, "Permission denied")) is None
    assert runtime.mendable(ValueError("a bug")) is None


def test_a_job_on_a_full_disk_says_so(tmp_path, capsys):
    """A device that is always full stands for the disk."""

    def main(arguments):
        with open("/dev/full", "w") as file:
            file.write("x" * 100_000)

    log = tmp_path / "job.log"
    with pytest.raises(SystemExit):
        runtime.run(main, argparse.Namespace(log=log))
    assert "the disk is full" in capsys.readouterr().err
