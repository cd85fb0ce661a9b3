# What the rules share: the checked configuration, its paths, and the source files of each job.
import json
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.basedir) / "workflow"
# Jobs find the package beside this file, installed or not, and the interpreter that runs this, activated
# or not; a conda environment comes before both.
sys.path.insert(0, str(WORKFLOW))
os.environ.update(
    PYTHONPATH=os.pathsep.join([str(WORKFLOW), *filter(None, [os.getenv("PYTHONPATH")])]),
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.getenv("PATH", os.defpath)]),
)

from goodpart import config as settings_of
from goodpart import cluster, downloads, paths, records, sources
from goodpart.config.benchmarks import worked_examples as examples_of
from goodpart.config.policies import phase_mistakes
from goodpart.errors import GoodpartError
from goodpart.policies import policy_module, varies
from goodpart.runtime import processors

try:
    if workflow.is_main_process:  # jobs of this run are given files that it has read
        settings_of.refuse_duplicates(workflow.configfiles)
    settings_of.mark_texts(config, workflow.config_settings.config)
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


def pages(names):
    """Pages of the report."""
    return [result(paths.PAGE, page=name) for name in names]


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
        *pages(["quality_latency_table"]),
    ]


def in_report(file, name):
    """An output that the report shows, with its caption, under its category."""
    category = next((c for c, names in REPORT.items() if name in names), "Other")
    title = re.sub(r"(?<=[a-z])(?=\d)", " ", name.replace("_", " ")).capitalize()
    caption = f"../report/{name}.rst"
    return report(file, caption=caption, category=category, labels={"item": title})


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
    """Source files that a job runs: of its entry point and of the modules that it picks by name."""
    return sources.files(*(f"goodpart.{entry}" for entry in entries))


def family_code(entry, model):
    """Source files of a job that decodes with one model."""
    family = config["models"][model]["family"]
    return code(entry, f"families.{family}", f"samplers.{family}")


def kind_code(entry, group, kind):
    """Source files of a job that picks one benchmark or policy module."""
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
    files = sorted(Path(folder).glob("*.*"))
    kinds, unread = (".json", ".safetensors", ".jinja", ".txt"), ("recipe.json", "evaluation.json")
    return [str(file) for file in files if file.suffix in kinds and file.name not in unread]


def model_entry(model):
    """What a job must know to load a model, as JSON."""
    entry = config["models"][model]
    chosen = {key: entry.get(key) for key in ("revision", "dtype", "device", "layers", "chat")}
    chosen["device"] = chosen["device"] or ("cuda" if entry["gpu"] else "cpu")
    return json.dumps({"name": entry.get("path") or entry["hub"], **chosen}, sort_keys=True)


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
    elif needs == "angles":
        pattern, benchmarks = paths.ANGLES, CALIBRATION
    else:
        pattern, benchmarks = paths.STATISTICS.replace("{statistic}", "layers"), CALIBRATION
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


def shards_of(wildcards):
    """The generated shards of one cell."""
    return [
        result(paths.GENERATIONS, first=first, last=last).format(**wildcards)
        for first, last in CONFIGURATION.shards(wildcards.benchmark)
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
    """Source files of a job that collects cells."""
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
    """group -> benchmarks that one job serves: those of the run, and those of each study that are not."""
    groups = {"run": BENCHMARKS}
    for group, named in (
        ("policies", [POLICY_STUDY.get("benchmark")]),
        (
            "latency",
            [LATENCY.get("benchmark") if LATENCY_MODELS and not LATENCY_MISTAKES else None],
        ),
        ("study", STUDY["benchmarks"]),
    ):
        before = {None, *(b for members in groups.values() for b in members)}
        groups[group] = [b for b in named if b not in before]
    return groups


def item_ranges():
    """(group, policies, first, last) -> benchmarks that have a shard of these items.

    `policies` is a regular expression. Policies that are evaluated on some of the run's benchmarks only have
    jobs for those, and others for the rest, which nothing but a target by name asks for.
    """
    some = {}  # the run's benchmarks that a policy is evaluated on -> policies
    for policy in config["policies"]:
        inside = tuple(b for b in BENCHMARKS if b in policy_benchmarks(policy))
        if 0 < len(inside) < len(BENCHMARKS):
            some.setdefault(inside, []).append(re.escape(policy))
    limited = "|".join(name for names in some.values() for name in names)
    anything = r"[\w.-]+"
    groups = [(group, anything, members) for group, members in benchmark_groups().items()]
    groups[0] = ("run", (f"(?!(?:{limited})/)" if limited else "") + anything, BENCHMARKS)
    for number, (inside, names) in enumerate(some.items()):
        outside = [b for b in BENCHMARKS if b not in inside]
        groups += [(f"some{number}", "|".join(names), inside)]
        groups += [(f"rest{number}", "|".join(names), outside)]
    ranges = {}
    for group, policies, members in groups:
        for benchmark in members:
            for first, last in CONFIGURATION.shards(benchmark):
                ranges.setdefault((group, policies, first, last), []).append(benchmark)
    return ranges


def rising(key):
    """Memory or time of a model's jobs: what ran out at one attempt is more at the next."""
    return lambda wildcards, attempt: attempt * config["models"][wildcards.model][key]


def hold_what_waits(planned):
    """Mark the files that wait for another job as incomplete; each is released when it is made anew.

    Snakemake does not miss an intermediate file. If the job that makes one fails, what was made from the
    former one would be taken for up to date the next time.
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
            print(
                estimate.check(CONFIGURATION, costly, "download" in rules, local=local),
                file=sys.stderr,
            )
            for warning in estimate.unpinned(CONFIGURATION):
                print(f"warning: {warning}", file=sys.stderr)
    except GoodpartError as error:
        raise WorkflowError(str(error)) from None
    hold_what_waits(planned)
    if not config["redraw"]:
        say_if_code_cannot_run()


def say_if_code_cannot_run():
    """Before the first job: one warning where model-written code cannot be run safely."""
    from goodpart.benchmarks import benchmark_module
    from goodpart.sandbox import Sandbox

    kinds = {config["benchmarks"][benchmark]["kind"] for benchmark in BENCHMARKS}
    if any(benchmark_module(kind).SANDBOX for kind in kinds):
        try:
            Sandbox(config["scoring"]["sandbox"]).probe()
        except GoodpartError as error:
            print(
                f"warning: code benchmarks will say `not run: no sandbox`: {error}", file=sys.stderr
            )
