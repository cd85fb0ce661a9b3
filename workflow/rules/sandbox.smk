# Whether verdicts need a sandbox, and whether this machine has one.
from functools import cache

from snakemake.io import IOFile

from goodpart.benchmarks import scorer_module, scorer_name
from goodpart.benchmarks.sandbox import Sandbox
from goodpart.evaluation.item_verdicts import not_run

SCORING = CONFIGURATION.scoring


def runs_code(benchmark):
    """Whether scoring a benchmark runs model-written code."""
    return scorer_module(kind_of(benchmark)).SANDBOX


@cache
def sandbox_works():
    """Whether model-written code can be run on this machine."""
    try:
        Sandbox(SCORING.sandbox).probe()
    except GoodpartError:
        return False
    return True


def attempt(wildcards):
    """A parameter that changes as soon as a sandbox works, where a job had none and left verdicts out.

    It does not take `output`: Snakemake records no parameter that does.
    """
    file = result(paths.SCORES).format(**wildcards)
    if not runs_code(wildcards.benchmark) or not Path(file).exists():
        return "attempt 0"
    recorded = " ".join(workflow.persistence.params(IOFile(file)) or [])
    last = max([0, *map(int, re.findall(r"attempt (\d+)", recorded))])
    return f"attempt {last + (not_run(Path(file)) and sandbox_works())}"
