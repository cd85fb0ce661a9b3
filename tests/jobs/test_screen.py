"""What a run shows: a line a job in a file, bars on a terminal, the end of a failed job's log, a summary."""

import os
import pty
import re
import select
import subprocess
import sys

import pytest
import yaml

from conftest import LATENCY
from goodpart.jobs.run_summary import FailedJob, duration, of_failure, of_success
from snakemake_logger_plugin_goodpart import LOG_LINES, failure

ITEMS = "results/items/tiny-mbpp/evaluation.parquet"


def on_a_terminal(workflow, *arguments):
    """What snakemake writes when its output is a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=workflow.folder, env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 120)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        shown += part
    os.close(ours)
    return run.wait(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_a_file_gets_one_line_a_job_and_a_summary(workflow):
    run = workflow.snakemake(ITEMS, "--cores", "1")
    assert run.returncode == 0, run.stdout
    lines = run.stdout.splitlines()
    [job] = [line for line in lines if "items:" in line]
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[1/1\] items: tiny-mbpp: evaluation items", job)
    assert any(re.fullmatch(r"Done: 1 job in .* s\.", line) for line in lines)
    assert "Next: snakemake --cores 1  (all figures and tables)" in lines
    assert not re.search("workflow/goodpart|input:|output:|\x1b", run.stdout)
    assert len(lines) < 20


def test_a_terminal_gets_bars(workflow):
    code, shown = on_a_terminal(workflow, ITEMS, "--cores", "1")
    assert code == 0, shown
    assert "Total Progress" in shown
    assert re.search(r"items +━", shown)
    assert "Done: 1 job" in shown
    assert "[1/1]" not in shown


@pytest.mark.parametrize("terminal", [False, True])
def test_a_failed_job_shows_the_end_of_its_log_and_how_to_run_it_alone(workflow, terminal):
    (workflow.folder / "my own.yaml").write_text(
        f"benchmarks: {{tiny-mbpp: {{evaluation: {{sha256: '{'0' * 64}'}}}}}}\n"
    )
    command = [ITEMS, "--cores", "1", "--configfile", "my own.yaml"]
    if terminal:
        code, shown = on_a_terminal(workflow, *command)
    else:
        run = workflow.snakemake(*command)
        code, shown = run.returncode, run.stdout
    assert code == 1
    assert "Failed: items: tiny-mbpp: evaluation items" in shown
    assert "ERROR" in shown
    assert "CalledProcessError" not in shown
    assert "results/logs/items/tiny-mbpp/evaluation.log" in shown
    end = shown[shown.index("1 job failed") :]
    assert f"run alone: snakemake --cores 1 {ITEMS} --configfile 'my own.yaml'" in end
    assert "tiny-mbpp: evaluation items: workflow/resources/benchmarks/mbpp-test.jsonl: the content" in end
    assert "goes on from here" in end


def test_every_failure_of_a_large_run_has_its_line_at_the_end(workflow):
    """Jobs of three rules fail among many that do not; each is named once, with its log and its command."""
    models = ["qwen2.5-tiny", "dream-tiny-base"]
    benchmarks = ["tiny-mbpp", "tiny-math500", "tiny-humaneval"]
    config = {
        "run": {"models": models, "benchmarks": benchmarks},
        "models": {model: {"layers_skipped": [0, 2]} for model in models},
        "benchmarks": {benchmark: {"n": 2} for benchmark in benchmarks},
        "capture": {"benchmarks": ["tiny-mbpp"], "prompts": 1, "stored": 1},
        "generation": {"kl_items": 1, "likelihood_items": 1},
        "latency": {**LATENCY, "models": ["dream-tiny-base"]},
    }
    config["benchmarks"]["tiny-humaneval"]["evaluation"] = {"sha256": "0" * 64}
    (workflow.folder / "my.yaml").write_text(yaml.safe_dump(config))
    for script in ("figure5", "figure7"):
        file = workflow.folder / "workflow" / "scripts" / f"{script}.py"
        file.write_text(
            "from goodpart.errors import GoodpartError\n\n\n"
            "def main(job):\n    raise GoodpartError('no ink')\n"
        )
    targets = ["paper_figs/table1.csv", *(f"paper_figs/figure{number}.csv" for number in (4, 5, 6, 7))]
    run = workflow.snakemake(*targets, "--cores", "2", "--keep-going", "--configfile", "my.yaml")
    assert run.returncode == 1
    assert int(re.search(r"\[ *\d+/(\d+)\]", run.stdout)[1]) >= 60
    end = run.stdout[run.stdout.index("3 jobs failed") :]
    for name, said in (("items", "the content differs"), ("figure5", "no ink"), ("figure7", "no ink")):
        [line] = [
            line for line in end.splitlines() if said in line and f"{name}" in line.lower().replace(" ", "")
        ]
        assert line.startswith("  ")
    assert len(re.findall(r"^    log:       results/logs/", end, re.M)) == 3
    assert len(re.findall(r"^    run alone: snakemake --cores 1 .* --configfile my.yaml$", end, re.M)) == 3
    assert "the same command goes on from here" in end


def test_only_the_end_of_a_long_log_is_shown(tmp_path):
    class Record:
        rule_name, rule_msg, log = "cells", None, [str(tmp_path / "job.log"), str(tmp_path / "gone.log")]

    (tmp_path / "job.log").write_text("".join(f"line {i}\n" for i in range(1000)))
    shown = failure(Record).splitlines()
    assert shown[0] == "Failed: cells"
    assert [line.strip() for line in shown if "line " in line] == [
        f"line {i}" for i in range(1000 - LOG_LINES, 1000)
    ]
    assert "No such file" in shown[-1]


def test_durations():
    assert [duration(s) for s in (0.4, 59.4, 61, 7260)] == ["0 s", "59 s", "1 min 1 s", "2 h 1 min"]


def test_the_summary_names_figures_in_their_order(tmp_path):
    made = [f"figs/{name}" for name in ("figure10.png", "figure2.png", "figure2.csv", "table1.csv")]
    text = of_success(made, "figs", str(tmp_path / "cells.parquet"), 61.0, 4, "look")
    assert text.splitlines() == [
        "Done: 4 jobs in 1 min 1 s.", "  made     figs/: figure2, figure10, table1", "Next: look",
    ]  # fmt: skip


def test_the_summary_of_a_failure_has_a_line_for_each_job():
    failed = [FailedJob("a: b", "out/x y.parquet", "logs/a.log"), FailedJob("c", "out/z", None)]
    text = of_failure(failed, ["--configfile", "mine.yaml"], 5.0)
    assert text.startswith("2 jobs failed, after 5 s:\n")
    assert "snakemake --cores 1 'out/x y.parquet' --configfile mine.yaml" in text
    assert "snakemake --cores 1 out/z --configfile mine.yaml" in text
