# What the rules share: the checked configuration, paths, and how a rule starts its script.
import json
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

WORKFLOW = CLONE / "workflow"
# Jobs find the package beside this file, installed or not, and the interpreter that runs this, activated
# or not; a conda environment comes before both.
sys.path.insert(0, str(WORKFLOW))
os.environ.update(
    PYTHONPATH=os.pathsep.join([str(WORKFLOW), *filter(None, [os.getenv("PYTHONPATH")])]),
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.getenv("PATH", os.defpath)]),
)

from goodpart import config as settings
from goodpart import paths
from goodpart.config import descriptions
from goodpart.config.artifacts import Artifacts
from goodpart.errors import GoodpartError
from goodpart.jobs import downloads, sources
from goodpart.jobs.job import files_of
from goodpart.jobs.runtime import processors

try:
    if workflow.is_main_process:  # its jobs get files that were checked here
        settings.refuse_misleading(workflow.configfiles)
    settings.mark_texts(config, workflow.config_settings.config)
    settings.find_in_clone(config, CLONE)
    # Mistakes of `latency` stop only what asks for that study.
    CONFIGURATION = settings.check(config, latency=False)
    LATENCY_MISTAKES = list(settings.latency_mistakes(CONFIGURATION, Path()))
except GoodpartError as error:
    raise WorkflowError(str(error)) from None

os.environ[downloads.FOLDER] = str(Path(CONFIGURATION.downloads.folder).absolute())
ARTIFACTS = Artifacts(CONFIGURATION)
result, figure_files = ARTIFACTS.result, ARTIFACTS.figure
RUN, TABLE = CONFIGURATION.run, CONFIGURATION.table
CALIBRATION = CONFIGURATION.calibration_benchmarks
STUDIES, LATENCY = ARTIFACTS.studies, CONFIGURATION.latency
INTERVALS = {"level": TABLE.level, "resamples": TABLE.resamples}


wildcard_constraints:
    model=r"[\w.-]+",
    benchmark=r"[\w.-]+",
    decode=r"[\w.-]+",
    policy=r"[\w.-]+",
    k=r"\d+",
    first=r"\d+",
    last=r"\d+",
    split="evaluation|calibration|healing",


def all_cores():
    """The cores that this run may use; 1 on a cluster, where `--cores` is not given."""
    try:
        return workflow.cores
    except WorkflowError:
        return 1


# Cores that a job takes for each thread it computes with: more than 1 where `--cores` is twice the number of
# processors or more, so that models do not crowd each other out of the caches; never so many that a processor
# stands idle.
CORES_A_THREAD = all_cores() // processors(all_cores())
# The command of every rule: workflow/scripts/NAME.py with the files and parameters of `script(NAME, ...)`.
SCRIPT = (
    "python -m goodpart.jobs.start {params.script} --threads {params.threads} --log {log:q} <<'JSON'\n"
    "{params.files}\n{params.told}\nJSON"
)


def script(name, uses=(), /, **told):
    """Parameters of a rule whose work is `main(job)` of workflow/scripts/NAME.py.

    `uses`: modules of the package that it picks by name. `told`: its `job.params`. Both may be functions of
    the wildcards. A job runs again when one of its source files, or something that it is told, changes.
    """

    def value(given, wildcards):
        return given(wildcards) if callable(given) else given

    def code(wildcards):
        modules = (f"goodpart.{module}" for module in value(uses, wildcards))
        return sources.digests(f"scripts.{name}", *modules)

    def description(wildcards):
        params = {key: value(given, wildcards) for key, given in told.items()}
        return json.dumps({"params": params, "wildcards": dict(wildcards.items())})

    def files(wildcards, input, output):
        return files_of(input, output)

    def compute_threads(wildcards, threads):
        return max(1, threads // CORES_A_THREAD)

    return {
        # A function: Snakemake's lint takes a name that begins like a path for one.
        "script": lambda wildcards: name,
        "code": code,
        "told": description,
        "files": files,
        "threads": compute_threads,
    }


def log_file(rule, *wildcards):
    """The log of one job."""
    path = Path(ARTIFACTS.notes, "logs", rule, *(f"{{{name}}}" for name in wildcards))
    return f"{path}.log"


def require_latency(wildcards=None):
    """Stop what asks for the quality-latency study where its configuration has mistakes. As an input it
    names no files."""
    refuse(LATENCY_MISTAKES)
    return []


def refuse(mistakes):
    """Stop where a study's part of the configuration has mistakes."""
    if lines := list(mistakes):
        raise WorkflowError("\n".join(["the configuration is not valid:", *lines]))


def require_library(module, said):
    """Stop before any work where the library of an extra is missing. Plans need none, and a conda environment
    has its own."""
    has_own = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    if not (workflow.dryrun or has_own or find_spec(module)):
        raise WorkflowError(said)
