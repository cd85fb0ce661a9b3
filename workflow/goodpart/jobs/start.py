"""Start a job: `python -m goodpart.jobs.start SCRIPT --threads N --log FILE`, described on standard input.

Two lines of JSON describe it: its files, then its parameters and wildcards. The work is `main(job)` of
`workflow/scripts/SCRIPT.py`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from goodpart.jobs import forks
from goodpart.jobs.job import Job


def run_job(words: list[str], description: str) -> None:
    """Run a job in this process, from its command line and standard input."""
    from goodpart.jobs.runtime import run

    options = argparse.ArgumentParser(prog="python -m goodpart.jobs.start", description=__doc__)
    options.add_argument("script", help="a module of workflow/scripts")
    options.add_argument("--threads", type=int, default=1, help="threads of torch, at most those that exist")
    options.add_argument("--log", type=Path, help="write the job's log here (default: standard error)")
    chosen = options.parse_args(words)
    files, told = map(json.loads, description.splitlines())
    job = Job.of(chosen.script, max(1, chosen.threads), files, told)
    run(lambda job: importlib.import_module(f"scripts.{job.script}").main(job), job, chosen.log)


def main() -> None:
    """Let the run's fork server start the job if there is one, else start it here."""
    words, description = sys.argv[1:], sys.stdin.read()
    server = forks.reachable(description)
    if server is None:
        run_job(words, description)
    else:
        sys.exit(forks.ask(server, words, description))


if __name__ == "__main__":
    main()
