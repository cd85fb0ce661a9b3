"""Every command that the documentation shows: it parses, and runs of Snakemake can be planned."""

import argparse
import contextlib
import importlib.metadata
import importlib.util
import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_args

from conftest import ROOT, Workflow
from documentation import LEFT_OUT, PAGES, Command, checkpoint_of_own, commands, configurations, save
from goodpart.jobs import runtime
from goodpart.models.families import SHIPPED
from goodpart_tools import cli

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MADE = ("results", "paper_figs", "downloads", "another-clone", ".venv")  # what runs and readers make
CHECKPOINT = "workflow/resources/models/dream-tiny-base"  # stands for the reader's /models/my-dream
# Not a plan, or one that needs what this machine may lack: their arguments are parsed only.
PARSED_ONLY = ("--unlock", "--lint", "--report", "--sdm", "--executor")


class Parsed(Exception):
    """Raised in place of running a program whose arguments were parsed."""


def check_python(command, monkeypatch, capsys):
    """The program exists and accepts the arguments; files that it names exist."""
    words = list(command.words[1:])
    original = argparse.ArgumentParser.parse_args

    def parse(parser, words=None, namespace=None):
        original(parser, words, namespace)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    module = words[1] if words[0] == "-m" else None
    arguments = [word for word in words[2 if module else 1 :] if word not in LEFT_OUT]
    if module == "venv":
        return
    assert_files_exist(arguments)
    monkeypatch.setattr(sys, "argv", [words[0], *arguments])
    try:
        if module:
            assert importlib.util.find_spec(module), f"{module} does not exist"
            runpy.run_module(module, run_name="__main__", alter_sys=False)
        else:
            monkeypatch.syspath_prepend(str((ROOT / words[0]).parent))
            runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    except Parsed:
        return
    except SystemExit:
        said = capsys.readouterr().err
        lacks = "the following arguments are required" in said or "is required" in said
        assert command.mention, said
        assert lacks, said
        return
    pytest.fail("the program parsed no arguments")


def check_goodpart(command, monkeypatch, capsys):
    """It is installed, has the sub-command, and accepts the arguments; files that are named exist."""
    assert PROJECT["scripts"]["goodpart"] == "goodpart_tools.cli:main"
    words = [word for word in command.words[1:] if word not in LEFT_OUT]
    words = words[: words.index(">")] if ">" in words else words
    assert_files_exist(words)

    def parsed(*_):
        raise Parsed

    monkeypatch.setattr(runtime, "run", parsed)
    try:
        cli.main(words)
    except Parsed:
        return
    except SystemExit:
        said = capsys.readouterr().err
        assert command.mention, said
        assert "required" in said, said
        return
    pytest.fail("the command parsed no arguments")


def check_pip(command, monkeypatch, capsys):
    """Files of versions exist, and the project has the extras."""
    words = command.words
    assert words[1] == "install"
    assert_files_exist([words[words.index("-c") + 1]])
    target = words[words.index("-e") + 1]
    extras = re.fullmatch(r"\.(?:\[(.*)\])?", target)[1]
    assert set(extras.split(",") if extras else []) <= set(PROJECT["optional-dependencies"])


def check_tool(command, monkeypatch, capsys):
    """A tool of the test extra, on files that exist."""
    tools = {re.split(r"[=\[]", line)[0] for line in PROJECT["optional-dependencies"]["test"]}
    assert command.words[0] in tools
    assert_files_exist([word for word in command.words[1:] if "/" in word or word == "Snakefile"])


def check_hub(command, monkeypatch, capsys):
    """The hub's own program, which comes with its library."""
    [program] = importlib.metadata.entry_points(group="console_scripts", name="hf")
    assert program.dist.name == "huggingface_hub"
    assert command.words[1:] == ("auth", "login")


def check_activate(command, monkeypatch, capsys):
    assert command.words == (".", ".venv/bin/activate")


def check_grep(command, monkeypatch, capsys):
    """The folders exist and have what is looked for."""
    _, options, pattern, *folders = command.words
    assert set(options) <= set("-rn")
    texts = [file.read_text() for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert any(pattern in text for text in texts)


CHECKS = {
    "goodpart": check_goodpart,
    "grep": check_grep,
    "python": check_python,
    "python3": check_python,
    "pip": check_pip,
    "pytest": check_tool,
    "ruff": check_tool,
    "snakefmt": check_tool,
    "hf": check_hub,
    ".": check_activate,
}
SHOWN = [command for page in PAGES for command in commands(page, {*CHECKS, "snakemake"})]
RUNS = [command for command in SHOWN if command.words[0] == "snakemake"]


def assert_files_exist(words):
    for word in words:
        if "/" in word[1:] and "://" not in word and word.split("/")[0] not in MADE and word[0] != "/":
            assert (ROOT / word).exists(), f"{word} does not exist"


def test_there_are_commands_of_every_kind():
    assert {command.words[0] for command in SHOWN} >= {"goodpart", "python", "snakemake", "pip", "pytest"}
    assert len(RUNS) > 20


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("command", [c for c in SHOWN if c not in RUNS], ids=str)
def test_a_command_is_known_and_accepted(command, monkeypatch, capsys):
    assert command.words[0] in CHECKS, "no test knows how to check this command"
    monkeypatch.chdir(ROOT)
    CHECKS[command.words[0]](command, monkeypatch, capsys)


def test_every_sub_command_is_shown():
    assert {command.words[1] for command in SHOWN if command.words[0] == "goodpart"} == set(cli.COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tools_are_shown_by_their_command(page):
    assert re.findall(r"python -m goodpart\S*", page.read_text()) == []


def installed(executor):
    return executor == "local" or importlib.util.find_spec(
        f"snakemake_executor_plugin_{executor.replace('-', '_')}"
    )


def read_by_snakemake(command: Command):
    """Snakemake's reading of a command. Executors that are not installed are left out, with their profile."""
    words = [word for word in command.words[1:] if word not in LEFT_OUT]
    for option in ("--executor", "--workflow-profile"):
        if option in words:
            at = words.index(option)
            name = words[at + 1]
            if option == "--workflow-profile":
                name = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text()).get(
                    "executor", "local"
                )
            if not installed(name):
                del words[at : at + 2]
    with contextlib.redirect_stderr(None):
        return parse_args(words)[1]


@pytest.mark.parametrize("command", RUNS, ids=str)
def test_snakemake_accepts_the_options(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    read_by_snakemake(command)


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Workflow:
    """The workflow with everything that the pages tell their reader to save."""
    made = Workflow(tmp_path_factory.mktemp("reader"))
    for page in PAGES:
        save(page, made.folder)
        for name, text in configurations(page).items():
            config = yaml.safe_load(text)
            for entry in config.get("models", {}).values():
                if "path" in entry:
                    own = entry["family"] not in SHIPPED
                    entry["path"] = str(checkpoint_of_own(made.folder)) if own else CHECKPOINT
            for entry in config.get("benchmarks", {}).values():
                for split in ("evaluation", "calibration"):
                    if "path" in entry.get(split, {}):
                        write(made.folder / entry[split]["path"], '{"id": 0}\n')
            (made.folder / f"{page.stem}-{name}").write_text(yaml.safe_dump(config))
        for name in configurations(page):
            (made.folder / name).unlink()  # pages share names
    write(made.folder / "my-sets" / "qwen2.5-tiny-k4.json", '{"layers": [3, 9]}')
    return made


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def planned(folder: Path, runs: list[list[str]]) -> None:
    """Plan some runs in one process; fail with what Snakemake says of those that it cannot plan."""
    outcome = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "plan_commands.py")],
        cwd=folder,
        input=json.dumps(runs),
        capture_output=True,
        text=True,
        check=False,
    )
    outcomes = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [one for one in outcomes if not one["planned"]] == []
    assert len(outcomes) == len(runs), outcome.stderr


def test_every_run_can_be_planned(reader, monkeypatch, tmp_path):
    """Commands with the same configuration are planned together. Redrawing gets empty files as results."""
    monkeypatch.chdir(reader.folder)
    targets: dict[tuple[str, ...], set[str]] = {}
    for command in RUNS:
        if command.whole and not set(PARSED_ONLY) & set(command.words):
            arguments = read_by_snakemake(command)
            page = Path(command.page).stem
            files = [str(file) for file in arguments.configfile or []]
            files = [file if (reader.folder / file).exists() else f"{page}-{file}" for file in files]
            options = [*(["--configfile", *files] if files else [])]
            options += ["--config", *arguments.config] if arguments.config else []
            targets.setdefault(tuple(options), set()).update(arguments.targets or ["all"])
    assert len(targets) >= 10
    runs = [[*sorted(wanted), "-n", "--quiet", "all", *options] for options, wanted in targets.items()]
    planned(reader.folder, [run for run in runs if "redraw=True" not in run])
    copied = Workflow(tmp_path)
    for name in re.findall(r"^(results/\S+\.\w+)\t", copied.snakemake("--summary", "all").stdout, re.M):
        write(tmp_path / name, "")
    redrawn = [run for run in runs if "redraw=True" in run]
    assert redrawn
    planned(tmp_path, redrawn)
