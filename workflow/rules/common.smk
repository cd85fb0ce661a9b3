# What the rules share: the checked configuration, its paths, and the source files of each job.
import json
import os
import re
import shlex
import sys
import time
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import IOFile
from snakemake.logging import logger

BEGAN = time.monotonic()

WORKFLOW = CLONE / "workflow"
# Jobs find the package beside this file, installed or not, and the interpreter that runs this, activated
# or not; a conda environment comes before both.
sys.path.insert(0, str(WORKFLOW))
os.environ.update(
    PYTHONPATH=os.pathsep.join([str(WORKFLOW), *filter(None, [os.getenv("PYTHONPATH")])]),
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.getenv("PATH", os.defpath)]),
)

from goodpart import config as settings_of
from goodpart import cluster, downloads, paths, records, run_summary, sources
from goodpart.checkpoints.files import content_state, files_read
from goodpart.config.benchmarks import worked_examples as examples_of
from goodpart.config.policies import phase_mistakes
from goodpart.errors import GoodpartError
from goodpart.policies import policy_module, varies
from goodpart.runtime import processors
from goodpart.sandbox import Sandbox
from goodpart.scored import not_run

try:
    if workflow.is_main_process:  # jobs of this run are given files that it has read
        settings_of.refuse_duplicates(workflow.configfiles)
    settings_of.mark_texts(config, workflow.config_settings.config)
    settings_of.find_in_clone(config, CLONE)
    # Mistakes of `latency` stop only what asks for that study.
    CONFIGURATION = settings_of.check(config, latency=False)
    LATENCY_MISTAKES = list(settings_of.latency_mistakes(CONFIGURATION, Path()))
except GoodpartError as error:
    raise WorkflowError(str(error)) from None

os.environ[downloads.FOLDER] = str(Path(config["downloads"]["folder"]).absolute())
RESULTS, FIGURES = config["paths"]["results"], config["paths"]["figures"]
MODELS, BENCHMARKS, POLICIES = (
    config["run"][kind] for kind in ("models", "benchmarks", "policies")
)
DECODE = config["run"]["decode"]
TABLE_POLICY = CONFIGURATION.table_policy
FULL = paths.FULL_DEPTH
CALIBRATION = CONFIGURATION.calibration_benchmarks
STUDY = config.get("controlled_study", {"models": [], "benchmarks": []})
POLICY_STUDY = config.get("policy_study", {})
OVERLAP = POLICY_STUDY.get("overlap")
LATENCY = config.get("latency", {})
LATENCY_MODELS = CONFIGURATION.latency_models
CELLS = settings_of.run_cells(CONFIGURATION)
TINY = config.get("tiny_models", {"recipes": {}})

# Categories of the report, and the figures and tables in each.
REPORT = {
    "1 Skipping layers": ["table1", "table2", "table3", "figure1", "figure2", "figure8"],
    "2 Hidden states": [
        *(f"figure{n}" for n in (3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14)),
        *("block_similarity", "mask_ratio"),
    ],
    "3 Quality and latency": ["quality_latency", "quality_latency_table"],
    "4 The paper side by side": ["comparison"],
    "5 Studies": [
        *("policies", "overlap", "policy_study_table"),
        *("controlled_study", "controlled_study_table", "training_curves"),
    ],
    "6 This run": ["run"],
}


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
        pattern = pattern.replace(f"{{{name}}}", str(value))
    return f"{RESULTS}/{pattern}"


def figure_files(name, suffixes):
    """The files of one figure or table."""
    return [f"{FIGURES}/{name}.{suffix}" for suffix in suffixes]


def drawn(name, suffixes):
    """The files of one figure as outputs; its picture goes into the report."""
    return [
        in_report(file, name) if file.endswith(".png") else file
        for file in figure_files(name, suffixes)
    ]


def page(name):
    """The page of the report that shows a table."""
    return in_report(result(paths.PAGE, page=name), name)


def everything(wildcards):
    """Files of the default target; for `--report`, those of them that exist."""
    files = [file for n in (1, 2, 3) for file in figure_files(f"table{n}", ["csv", "md", "tex"])]
    files += figure_files("figure1", ["pdf", "png", "csv", "md"])
    files += figure_files("comparison", ["csv", "md"]) + [result(paths.PAGE, page="run")]
    for name, key in (("figure2", "mechanism"), ("figure8", "selection")):
        files += figure_files(name, ["pdf", "png", "csv"]) if key in config["skip_figures"] else []
    files += similarity_figures() + quality_latency_files(wildcards)
    if any(word.startswith("--report") for word in sys.argv):
        return [file for file in files if Path(file).exists()]
    return files


def require_latency(wildcards=None):
    """Stop what asks for the quality-latency study where its configuration has mistakes; no files."""
    if LATENCY_MISTAKES:
        raise WorkflowError("\n".join(["the configuration is not valid:", *LATENCY_MISTAKES]))
    return []


def quality_latency_files(wildcards):
    """All of the quality-latency study, if a model of the run is in it."""
    require_latency()
    if not LATENCY_MODELS:
        return []
    return [
        *figure_files("quality_latency", ["pdf", "png", "csv"]),
        *figure_files("quality_latency_table", ["md"]),
    ]


def in_report(file, name):
    """An output that the report shows, with its caption, under its category."""
    category = next((c for c, names in REPORT.items() if name in names), "Other")
    caption = f"../report/{name}.rst"
    return report(file, caption=caption, category=category, labels={"item": title(name)})


def title(name):
    """How a figure or table is called: Figure 3, Block similarity."""
    return re.sub(r"(?<=[a-z])(?=\d)", " ", name.replace("_", " ")).capitalize()


def all_cores():
    """The cores of this machine; 1 on a cluster, which gives Snakemake no number of them."""
    try:
        return workflow.cores
    except WorkflowError:
        return 1


# Cores that a job takes for each thread it computes with: more than 1 where `--cores` is twice the number of
# processors or more, so that models do not crowd each other out of the caches; never so many that a processor
# stands idle.
CORES_A_THREAD = all_cores() // processors(all_cores())


def compute_threads(wildcards, threads):
    """Threads of torch in a job that takes `threads` cores."""
    return max(1, threads // CORES_A_THREAD)


def log_file(rule, *wildcards):
    """The log of one job."""
    path = Path(RESULTS, "logs", rule, *(f"{{{name}}}" for name in wildcards))
    return f"{path}.log"


def code(*entries):
    """Digests of the source files that a job runs: of its entry point and of modules that it picks by name."""
    return sources.digests(*(f"goodpart.{entry}" for entry in entries))


def family_code(entry, model):
    """The same for a job that decodes with one model."""
    family = config["models"][model]["family"]
    return code(entry, f"families.{family}", f"samplers.{family}")


def kind_code(entry, group, kind):
    """The same for a job that picks one benchmark or policy module."""
    return code(entry, f"{group}.{kind}")


def download(kind, entry):
    """The record of what an entry with `hub` has on the hub, once it is downloaded."""
    folder = downloads.place(kind, entry["hub"], entry.get("revision"))
    return f"{config['downloads']['folder']}/{folder}/{downloads.MANIFEST}"


def checkpoint(model):
    """Files of a local checkpoint that loading reads; the record of its download for a model of the hub."""
    folder = config["models"][model].get("path")
    if folder is None:
        return [download("model", config["models"][model])]
    # Their content counts, as a parameter, and not their times.
    return [ancient(str(file)) for file in files_read(Path(folder))]


@cache
def checkpoint_state(model):
    """A digest of a local checkpoint's content; None for a model of the hub, which its revision names."""
    folder = config["models"][model].get("path")
    return None if folder is None else content_state(Path(folder))


def model_entry(model):
    """What a job must know to load a model, as JSON."""
    entry = config["models"][model]
    chosen = {key: entry.get(key) for key in ("revision", "dtype", "device", "layers", "chat")}
    chosen["device"] = chosen["device"] or ("cuda" if entry["gpu"] else "cpu")
    chosen |= {"name": entry.get("path") or entry["hub"], "content": checkpoint_state(model)}
    return json.dumps(chosen, sort_keys=True)


def decoding(decode, model, benchmarks):
    """Decoding settings of one model for each benchmark, as JSON."""
    family = config["models"][model]["family"]
    return [
        json.dumps(
            settings_of.decode_settings(CONFIGURATION, decode, family, benchmark), sort_keys=True
        )
        for benchmark in benchmarks
    ]


def columns(models):
    """model -> the column of the paper that it stands for, or null, as JSON."""
    return json.dumps({model: config["models"][model].get("paper_column") for model in models})


def source_files(wildcards):
    """Local files, or records of downloads, of one split of a benchmark and of its prompts' examples."""
    examples = examples_of(CONFIGURATION, wildcards.benchmark) or {}
    read = [config["benchmarks"][wildcards.benchmark][wildcards.split], examples.get("source")]
    return sorted({s.get("path") or download("dataset", s) for s in read if s})


def worked_examples(wildcards):
    """Arguments that say which solved problems the prompts show."""
    examples = examples_of(CONFIGURATION, wildcards.benchmark)
    return ["--examples", json.dumps(examples, sort_keys=True)] if examples else []


def items_subset(wildcards):
    """Arguments that say which items of a split are taken."""
    entry = config["benchmarks"][wildcards.benchmark]
    if wildcards.split == "evaluation":
        n = entry["n"]
        return [] if n == "all" else ["--n", n, "--subset", entry["subset"]]
    return ["--n", min(config["capture"]["prompts"], entry["calibration"]["rows"])]


def policy_threshold(policy):
    """Arguments that say which similarity a policy asks for, where it asks for one."""
    threshold = config["policies"].get(policy, {}).get("threshold")
    return [] if threshold is None else ["--threshold", threshold]


def skip_set_file(model, policy, k):
    """The file of one skip set: JSON, or Parquet where it differs by prompt or by phase."""
    pattern = paths.SKIP_SETS if varies(config["policies"][policy]) else paths.SKIP_SET
    return result(pattern, model=model, policy=policy, k=k)


def skip_set(wildcards):
    """The skip set to apply; none at full depth."""
    return [] if wildcards.policy == FULL else skip_set_file(*wildcards_of_set(wildcards))


def wildcards_of_set(wildcards):
    """Model, policy and k of a job."""
    return wildcards.model, wildcards.policy, wildcards.k


def policies_where(condition):
    """A regular expression of the names of the policies whose entry meets a condition."""
    names = [re.escape(p) for p, entry in config["policies"].items() if condition(entry)]
    return "|".join(names) or "none"


def measured(wildcards):
    """The files that a policy chooses a skip set from."""
    entry = config["policies"][wildcards.policy]
    needs = policy_module(entry["kind"]).NEEDS
    if needs == "layers":
        return []
    if needs == "file":
        return entry["path"].format(model=wildcards.model, k=wildcards.k)
    if needs == "divergence":
        return result(paths.SEARCH, model=wildcards.model, policy=wildcards.policy)
    mistakes = list(phase_mistakes(CONFIGURATION, wildcards.policy, wildcards.model))
    if mistakes:
        raise WorkflowError("\n".join(mistakes))
    if entry.get("mode") == "per_prompt":
        pattern, benchmarks = paths.PROMPT_SIMILARITIES, policy_benchmarks(wildcards.policy)
    elif needs == "phases":
        pattern, benchmarks = paths.STATISTICS.replace("{statistic}", "layers"), CALIBRATION
    else:
        pattern, benchmarks = (
            paths.ANGLES if needs == "angles" else paths.CALIBRATION
        ), CALIBRATION
    return [result(pattern, model=wildcards.model, decode=DECODE, benchmark=b) for b in benchmarks]


def policy_benchmarks(policy):
    """Benchmarks whose prompts have sets of their own under a policy: all that are evaluated with it."""
    cells = [*CELLS, *settings_of.study_cells(CONFIGURATION)]
    used = [benchmark for _, benchmark, name, _ in cells if name == policy]
    used += STUDY["benchmarks"] if STUDY.get("policy") == policy else []
    return list(dict.fromkeys(used or BENCHMARKS))


def policy_entry(wildcards):
    """The entry of a policy, without what says where it is evaluated, as JSON."""
    entry = config["policies"][wildcards.policy]
    ours = {
        key: value for key, value in entry.items() if key not in ("benchmarks", "layers_skipped")
    }
    return json.dumps(ours, sort_keys=True)


def full_depth(wildcards, benchmarks, first, last):
    """Full depth's shards of some items, to measure the KL on; none where it is not measured."""
    if wildcards.policy == FULL or first >= config["generation"]["kl_items"]:
        return []
    full = {"model": wildcards.model, "decode": wildcards.decode, "policy": FULL, "k": 0}
    return [
        result(paths.GENERATIONS, benchmark=benchmark, first=first, last=last, **full)
        for benchmark in benchmarks
    ]


def shards_of(benchmark):
    """The shards of generations of one benchmark, with the other wildcards left open."""
    return [
        result(paths.GENERATIONS, benchmark=benchmark, first=first, last=last)
        for first, last in CONFIGURATION.shards(benchmark)
    ]


def cell_inputs(cells, decode=DECODE):
    """Scores, generations and skip sets of cells (model, benchmark, policy, k), by the name of the input."""
    found = {"scores": [], "generations": [], "skip_sets": []}
    for model, benchmark, policy, k in cells:
        where = {"model": model, "decode": decode, "benchmark": benchmark, "policy": policy, "k": k}
        found["scores"].append(result(paths.SCORES, **where))
        for first, last in CONFIGURATION.shards(benchmark):
            found["generations"].append(result(paths.GENERATIONS, **where, first=first, last=last))
        if k:
            found["skip_sets"].append(skip_set_file(model, policy, k))
    return {name: list(dict.fromkeys(files)) for name, files in found.items()}


def cells_code(cells):
    """Digests of the source files of a job that collects cells."""
    families = {config["models"][model]["family"] for model, *_ in cells}
    return code("rules.cells", *(f"families.{family}" for family in sorted(families)))


def cells_selection(cells, decode=DECODE):
    """What rules.cells must know of some cells, as JSON."""
    models, benchmarks, policies = (list(dict.fromkeys(c[i] for c in cells)) for i in range(3))
    columns = {m: config["models"][m].get("paper_column") for m in models}
    return json.dumps(
        {
            "decode": decode,
            "models": {
                m: {"paper_column": columns[m], "layers": config["models"][m]["layers"]}
                for m in models
            },
            "benchmarks": {b: CONFIGURATION.shards(b) for b in benchmarks},
            "policies": {p: config["policies"][p] for p in policies if p != FULL},
            "varies": {p: varies(config["policies"][p]) for p in policies if p != FULL},
            "cells": cells,
        },
        sort_keys=True,
    )


def initial_weights(wildcards):
    """The checkpoint that a tiny model starts from, if any."""
    start = TINY["recipes"][wildcards.tiny_model].get("initial")
    return [result(paths.TRAINED, tiny_model=start)] if start else []


def trained_folders(models):
    """Local checkpoints that come with the curve of their training."""
    folders = [config["models"][model].get("path") for model in models]
    return [folder for folder in folders if folder and Path(folder, "curve.csv").exists()]


def tiny_family(wildcards):
    """Family of a tiny recipe."""
    return TINY["recipes"][wildcards.tiny_model]["family"]


def recipe(wildcards):
    """The recipe of a tiny model, as JSON."""
    return json.dumps(TINY["recipes"][wildcards.tiny_model], sort_keys=True)


def checked_decoding(wildcards):
    """Decoding settings that a trained checkpoint is checked with, a benchmark, as JSON."""
    family, lengths = tiny_family(wildcards), TINY["checked"]["max_new_tokens"]
    chosen = {
        kind: {
            **settings_of.decode_arguments(CONFIGURATION, DECODE, family, kind),
            "max_new_tokens": n,
        }
        for kind, n in lengths.items()
    }
    return json.dumps(chosen, sort_keys=True)


def adjacency_settings(column):
    """What Table 2 or 3 shows: the model of one of the paper's columns under two policies, as JSON."""
    allowed = config["table"].get("adjacent_policy", "")
    only = config["policies"].get(allowed, {}).get("benchmarks", BENCHMARKS)
    chosen = [b for b in BENCHMARKS if b in only] or BENCHMARKS
    models = [m for m in MODELS if config["models"][m].get("paper_column") == column]
    return json.dumps(
        {
            "policies": {"not_allowed": TABLE_POLICY, "allowed": allowed},
            "model": models[0] if models else None,
            "labels": {b: config["benchmarks"][b].get("label", b) for b in chosen},
            "below_threshold": config["table"]["below_threshold"],
            "level": config["table"]["level"],
        }
    )


def shown(name, kind):
    """A model or benchmark that a figure names, or the run's first where it is not in the run."""
    chosen = config["run"][kind]
    return name if name in chosen else chosen[0]


def benchmark_groups():
    """study -> benchmarks that one job serves: those of the run ("main"), and those of each study that are not."""
    groups = {"main": BENCHMARKS}
    timed = LATENCY_MODELS and not LATENCY_MISTAKES
    for study, named in (
        ("policy_study", [POLICY_STUDY.get("benchmark")]),
        ("latency", [LATENCY.get("benchmark") if timed else None]),
        ("controlled_study", STUDY["benchmarks"]),
    ):
        before = {None, *(b for members in groups.values() for b in members)}
        groups[study] = [b for b in named if b not in before]
    return {study: members for study, members in groups.items() if members}


def suffix_of(study):
    """What the name of a rule that serves one study's benchmarks ends with."""
    return "" if study == "main" else f"_{study}"


def served_together():
    """(suffix of the rule's name, policies, benchmarks): which benchmarks one job of a policy serves.

    `policies` is a regular expression. Policies that are evaluated on some of the run's benchmarks only have
    jobs for those, and others for the rest, which nothing but a target by name asks for.
    """
    some = {}  # the run's benchmarks that a policy is evaluated on -> policies
    for policy in config["policies"]:
        inside = tuple(b for b in BENCHMARKS if b in policy_benchmarks(policy))
        if 0 < len(inside) < len(BENCHMARKS):
            some.setdefault(inside, []).append(policy)
    limited = "|".join(re.escape(name) for names in some.values() for name in names)
    anything = r"[\w.-]+"
    not_limited = f"(?!(?:{limited})/){anything}" if limited else anything
    served = [
        (suffix_of(study), not_limited if study == "main" else anything, members)
        for study, members in benchmark_groups().items()
    ]
    for inside, names in some.items():
        suffix, policies = "_".join(["", *names]), "|".join(map(re.escape, names))
        outside = [b for b in BENCHMARKS if b not in inside]
        served += [(suffix, policies, inside), (f"{suffix}_elsewhere", policies, outside)]
    return [(re.sub(r"\W", "_", suffix), policies, members) for suffix, policies, members in served]


def item_ranges():
    """(suffix of the rule's name, policies, first item, last item) -> benchmarks that have such a shard."""
    ranges = {}
    for suffix, policies, members in served_together():
        shards = {b: CONFIGURATION.shards(b) for b in members}
        several = len({tuple(shard) for found in shards.values() for shard in found}) > 1
        for benchmark, found in shards.items():
            for first, last in found:
                name = f"{suffix}_items_{first}_to_{last}" if several else suffix
                ranges.setdefault((name, policies, first, last), []).append(benchmark)
    return ranges


def benchmark_names(members):
    """How messages name the benchmarks of a job."""
    return members[0] if len(members) == 1 else f"{len(members)} benchmarks"


def rising(key):
    """Memory or time of a model's jobs: what ran out at one attempt is more at the next."""
    return lambda wildcards, attempt: attempt * config["models"][wildcards.model][key]


def hold_what_waits(planned):
    """Mark the outputs of jobs that depend on another planned job as incomplete, until they run.

    Snakemake ignores a missing intermediate file. Without the mark, if the job that makes that file fails, the
    outputs made from its former version would count as up to date in the next run.
    """
    for job in planned:
        waits = not planned.isdisjoint(workflow.dag.dependencies[job])
        if waits and any(Path(file).exists() for file in job.output):
            workflow.persistence.started(job)


def before_first_job():
    """What a run costs, and what it is refused or warned for, once there is something to do."""
    planned = set(workflow.dag.needrun_jobs())
    rules = {job.rule.name for job in planned}
    decoding = {
        model
        for job in planned
        if (model := job.wildcards_dict.get("model")) and "gpu" in job.rule.resources
    }
    costly = {
        m for m in decoding if config["models"][m]["gpu"] or "path" not in config["models"][m]
    }
    if workflow.touch:
        return
    try:
        cluster.refuse_second_run(Path())
        if costly or "download" in rules:
            from goodpart import estimate

            local = workflow.local_exec
            logger.info(estimate.check(CONFIGURATION, costly, "download" in rules, local=local))
            for warning in estimate.unpinned(CONFIGURATION):
                logger.warning(f"warning: {warning}")
    except GoodpartError as error:
        raise WorkflowError(str(error)) from None
    hold_what_waits(planned)
    if "hidden_states" in rules:
        stored = gigabytes(CONFIGURATION)
        logger.info(f"Hidden states: {stored:.3g} GB at most (capture.max_gb: {CAPTURE['max_gb']})")
    if any(name.startswith("scores") for name in rules):
        say_what_runs_code()


def runs_code(benchmark):
    """Whether scoring a benchmark runs model-written code."""
    from goodpart.benchmarks import benchmark_module

    return benchmark_module(config["benchmarks"][benchmark]["kind"]).SANDBOX


def say_what_runs_code():
    """Before the first job: what model-written code runs in, or a warning where it cannot run safely."""
    if not any(runs_code(benchmark) for benchmark in BENCHMARKS):
        return
    try:
        logger.info(f"Model-written code runs in {Sandbox(config['scoring']['sandbox']).probe()}")
    except GoodpartError as error:
        logger.warning(f"warning: code benchmarks will say `not run: no sandbox`: {error}")


def attempt(wildcards, members):
    """A parameter that changes once what a job could not score for want of a sandbox can be scored.

    It is no function of `output`: Snakemake does not record those.
    """
    files = [result(paths.SCORES, benchmark=b).format(**wildcards) for b in members]
    recorded = [0]
    for file in files:
        if Path(file).exists():
            found = re.findall(
                r"attempt (\d+)", " ".join(workflow.persistence.params(IOFile(file)) or [])
            )
            recorded += map(int, found)
    again = any(not_run(Path(file)) for file in files) and sandbox_works()
    return f"attempt {max(recorded) + again}"


@cache
def sandbox_works():
    """Whether model-written code can be run on this machine."""
    try:
        Sandbox(config["scoring"]["sandbox"]).probe()
    except GoodpartError:
        return False
    return True


def after_last_job():
    """Records of what was made, beside the results."""
    records.save(RESULTS, [FIGURES, config["downloads"]["folder"]])


def report_success():
    """The last lines of a run that ended well."""
    jobs = [job for job in workflow.dag.finished_jobs if job.output]
    made = [str(file) for job in jobs for file in job.output]
    if Path(FIGURES, "figure1.png").exists():
        command, purpose = ["snakemake", "--report", "report.html"], "all of it in one page"
    else:
        command, purpose = ["snakemake", "--cores", str(all_cores())], "all figures and tables"
    logger.info(
        run_summary.of_success(
            *(made, FIGURES, result(paths.CELLS), time.monotonic() - BEGAN, len(jobs)),
            f"{shlex.join([*command, *shared_options()])}  ({purpose})",
        )
    )


def shared_options():
    """Options of this run's command that change its configuration."""
    settings = workflow.config_settings
    files = [os.path.relpath(file) for file in settings.configfiles]
    values = [f"{key}={json.dumps(value)}" for key, value in settings.config.items()]
    return [
        *(["--configfile", *files] if files else []),
        *(["--config", *values] if values else []),
    ]


def report_failure():
    """The last lines of a run in which a job failed."""
    failed = [
        run_summary.FailedJob(
            job.message or f"{job.rule.name} {dict(job.wildcards_dict)}",
            str(job.output[0]) if job.output else job.rule.name,
            str(job.log[0]) if job.log else None,
        )
        for part in workflow.scheduler.failed
        for job in (part.jobs if part.is_group() else [part])
    ]
    logger.error(run_summary.of_failure(failed, shared_options(), time.monotonic() - BEGAN))
