# Verdicts on completions. Verdicts of the same completions, scorer and settings are kept.
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


rule scores:
    input:
        item_file=result(paths.ITEMS, split="evaluation"),
        generations=lambda wildcards: ARTIFACTS.generations(**wildcards),
    output:
        result(paths.SCORES),
    log:
        log_file("scores", "model", "decode", "benchmark", "policy", "k"),
    conda:
        "../../envs/analysis.yaml"
    threads: SCORING.threads
    params:
        **script(
            "scores",
            lambda wildcards: [scorer_name(kind_of(wildcards.benchmark))],
            kind=lambda wildcards: kind_of(wildcards.benchmark),
            style=lambda wildcards: CONFIGURATION.benchmarks[wildcards.benchmark].style,
            sandbox=SCORING.sandbox,
            cpu_seconds=SCORING.cpu_seconds,
            wall_seconds=SCORING.wall_seconds,
            numpy=SCORING.numpy,
        ),
        attempt=attempt,
    message:
        "{wildcards.model}, {wildcards.benchmark}:"
        " scores with {wildcards.k} layers skipped ({wildcards.policy})"
    shell:
        SCRIPT
