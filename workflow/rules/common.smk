# What the rules share: the checked configuration, its paths, and the source files of each job.
import json
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.basedir) / "workflow"
# Jobs find the package beside this file, installed or not.
sys.path.insert(0, str(WORKFLOW))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(WORKFLOW), os.environ.get("PYTHONPATH")]))

from goodpart import config as settings_of
from goodpart import paths, sources
from goodpart.errors import GoodpartError

try:
    settings_of.check(config)
except GoodpartError as error:
    raise WorkflowError(str(error)) from None

RESULTS, FIGURES = config["paths"]["results"], config["paths"]["figures"]
MODELS, BENCHMARKS, POLICIES = (config["run"][kind] for kind in ("models", "benchmarks", "policies"))
DECODE = config["run"]["decode"]
FULL = settings_of.FULL_DEPTH
CALIBRATION = settings_of.calibration_benchmarks(config)


wildcard_constraints:
    model=r"[\w.-]+",
    benchmark=r"[\w.-]+",
    decode=r"[\w.-]+",
    policy=r"[\w.-]+",
    k=r"\d+",
    first=r"\d+",
    last=r"\d+",
    split="evaluation|calibration",


def result(pattern, **values):
    """A path of results/: the grammar's pattern with some of its wildcards filled in."""
    for name, value in values.items():
        pattern = pattern.replace("{" + name + "}", str(value))
    return f"{RESULTS}/{pattern}"


def figure_files(name, suffixes):
    """The files of one figure or table."""
    return [f"{FIGURES}/{name}.{suffix}" for suffix in suffixes]


def log_file(rule, *wildcards):
    """The log of one job."""
    return "/".join([RESULTS, "logs", rule, *("{" + name + "}" for name in wildcards)]) + ".log"


def code(*entries):
    """Source files that a job runs: of its entry point and of the modules that it picks by name."""
    return sources.files(*(f"goodpart.{entry}" for entry in entries))


def family_code(entry, model):
    """Source files of a job that decodes with one model."""
    family = config["models"][model]["family"]
    return code(entry, f"families.{family}", f"samplers.{family}")


def kind_code(entry, group, kind):
    """Source files of a job that picks one benchmark or policy module."""
    return code(entry, f"{group}.{kind}")


def checkpoint(model):
    """Files of a local checkpoint; none for a model of the hub."""
    folder = config["models"][model].get("path")
    files = sorted(Path(folder).glob("*.*")) if folder else []
    return [str(file) for file in files if file.suffix in (".json", ".safetensors", ".jinja")]


def model_entry(model):
    """What a job must know to load a model, as JSON."""
    entry = config["models"][model]
    chosen = {key: entry.get(key) for key in ("revision", "dtype", "device", "layers", "chat")}
    return json.dumps({"name": entry.get("path") or entry["hub"], **chosen}, sort_keys=True)


def decoding(decode, model, benchmarks):
    """Decoding settings of one model for each benchmark, as JSON."""
    family = config["models"][model]["family"]
    return [
        json.dumps(settings_of.decode_settings(config, decode, family, benchmark), sort_keys=True)
        for benchmark in benchmarks
    ]


def columns():
    """model -> the column of the paper that it stands for, or null, as JSON."""
    return json.dumps({model: config["models"][model].get("paper_column") for model in MODELS})
