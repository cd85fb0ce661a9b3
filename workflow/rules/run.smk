# What a run does before its first job and after its last one.
import shlex
import time

from goodpart.config.capture import gigabytes
from goodpart.jobs import cluster, forks, records, run_summary

BEGAN = time.monotonic()
FORKED_JOBS = 8  # a run of so many jobs gains from a fork server
FORKS, HELD = [], []  # the fork server, and the lock on the results, of this run


def everything(wildcards):
    """Files of the default target; for `--report`, those of them that exist."""
    files = [file for n in (1, 2, 3) for file in figure_files(f"table{n}", ["csv", "md", "tex"])]
    for name in ("figure1", "likelihood"):
        files += figure_files(name, ["pdf", "png", "csv", "md"])
    files += figure_files("comparison", ["csv", "md"]) + [ARTIFACTS.page("run")]
    for name, shown in (("figure2", MECHANISM), ("figure8", SELECTION)):
        files += figure_files(name, ["pdf", "png", "csv"]) if shown else []
    drawn_figures = filter(has_models, STATE_FIGURES)
    files += [file for name in drawn_figures for file in figure_files(name, STATE_SUFFIXES)]
    files += quality_latency_files()
    if any(word.startswith("--report") for word in sys.argv):
        return [file for file in files if Path(file).exists()]
    return files


def hold_waiting_outputs(planned):
    """Mark the outputs of jobs that depend on another planned job as incomplete, until they run.

    Snakemake ignores a missing intermediate file. Without the mark, if the job that makes that file fails, the
    outputs made from its former version would count as up to date in the next run.
    """
    for job in planned:
        waits = not planned.isdisjoint(workflow.dag.dependencies[job])
        if waits and any(Path(file).exists() for file in job.output):
            workflow.persistence.started(job)


def say_costs(planned, rules):
    """What a run on GPUs or of hub models costs, how much it stores, and what runs model-written code."""
    models = CONFIGURATION.models
    decoding = {
        model
        for job in planned
        if (model := job.wildcards_dict.get("model")) and "gpu" in job.rule.resources
    }
    costly = {m for m in decoding if models[m].gpu or models[m].path is None}
    if costly or "download" in rules:
        from goodpart_tools import estimate

        local = workflow.local_exec
        logger.info(estimate.check(CONFIGURATION, costly, "download" in rules, local=local))
        for warning in estimate.unpinned(CONFIGURATION):
            logger.warning(f"warning: {warning}")
    if "hidden_states" in rules:
        stored, most = gigabytes(CONFIGURATION), CONFIGURATION.capture.max_gb
        logger.info(f"Hidden states: {stored:.3g} GB at most (capture.max_gb: {most})")
    if "scores" in rules and any(map(runs_code, RUN.benchmarks)):
        try:
            logger.info(f"Model-written code runs in {Sandbox(SCORING.sandbox).probe()}")
        except GoodpartError as error:
            logger.warning(f"warning: code benchmarks will say `not run: no sandbox`: {error}")


def before_first_job():
    """What a run is refused, warned for or told, once there is something to do."""
    if workflow.touch:
        return
    planned = set(workflow.dag.needrun_jobs())
    try:
        cluster.refuse_second_run(Path())
        HELD.append(cluster.claim(Path(ARTIFACTS.results)))
        say_costs(planned, {job.rule.name for job in planned})
        check_skip_sets(planned)
        keep_narrowed_tables(planned)
    except GoodpartError as error:
        raise WorkflowError(str(error)) from None
    hold_waiting_outputs(planned)
    if workflow.local_exec and len(planned) >= FORKED_JOBS:
        FORKS.append(forks.start())


def after_last_job():
    """Stop the fork server, save records of what was made, and give the results folder back."""
    for server in filter(None, FORKS):
        server.stdin.close()
        server.wait()
    said = records.save(ARTIFACTS.results, [ARTIFACTS.figures, CONFIGURATION.downloads.folder])
    if said:
        logger.warning(f"warning: {said}")
    for lock in HELD:
        cluster.release(lock)


def shared_options():
    """Options of this run's command that change its configuration."""
    given = workflow.config_settings
    files = [os.path.relpath(file) for file in given.configfiles]
    values = [f"{key}={json.dumps(value)}" for key, value in given.config.items()]
    return [
        *(["--configfile", *files] if files else []),
        *(["--config", *values] if values else []),
    ]


def report_success():
    """The last lines of a run that ended well."""
    jobs = [job for job in workflow.dag.finished_jobs if job.output]
    made = [str(file) for job in jobs for file in job.output]
    if Path(ARTIFACTS.figures, "figure1.png").exists():
        command, purpose = ["snakemake", "--report", "report.html"], "all of it in one page"
    else:
        command, purpose = ["snakemake", "--cores", str(all_cores())], "all figures and tables"
    taken = time.monotonic() - BEGAN
    next_step = f"{shlex.join([*command, *shared_options()])}  ({purpose})"
    where = (made, ARTIFACTS.figures, result(paths.CELLS))
    logger.info(run_summary.of_success(*where, taken, len(jobs), next_step))


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
