"""The pages of the documentation as journeys: their commands, in order, in the folder of a reader.

A reader has a fresh copy of the workflow, the files that the page says to save, and few items to a benchmark.
Each command of a page is run here, or listed with the test elsewhere that covers it.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from conftest import LATENCY, ROOT, Workflow
from documentation import PAGES, checkpoint_of_own, commands, save

# So few models, items and prompts that a journey takes about a minute.
FEW = {
    "run": {"models": ["llada-tiny-instruct", "qwen2.5-tiny"], "benchmarks": ["tiny-math500"]},
    "models": {name: {"layers_skipped": [0, 4]} for name in ("llada-tiny-instruct", "qwen2.5-tiny")},
    "benchmarks": {f"tiny-{name}": {"n": 4} for name in ("gsm8k", "math500", "humaneval", "mbpp")},
    "capture": {"benchmarks": ["tiny-mbpp"], "prompts": 2, "stored": 1, "steps": 2},
    "generation": {"kl_items": 2, "likelihood_items": 2},
    "latency": LATENCY,
    "policy_study": {
        "benchmark": "tiny-math500",
        "layers_skipped": [2],
        "policies": ["similarity", "evenly_spaced"],
    },
}
OWN = ("mine.yaml", "grid.yaml", "leftmost.yaml")  # configurations of the pages
OWN_MODEL = "workflow/resources/models/dream-tiny-base"  # stands for the reader's /models/my-dream
# Commands that take hours, or need what a bare machine lacks, with the tests that cover them: at a small
# scale, or as a plan.
ELSEWHERE = {
    "tests/docs/test_docs_commands.py": {
        "python3 -m venv .venv": "a_command_is_known_and_accepted",
        ". .venv/bin/activate": "a_command_is_known_and_accepted",
        "pip install": "a_command_is_known_and_accepted",
        "pytest": "a_command_is_known_and_accepted",
        "ruff": "a_command_is_known_and_accepted",
        "snakefmt": "a_command_is_known_and_accepted",
        "python tests/gpu/checks.py": "a_command_is_known_and_accepted",
        "python tests/bench/decoding.py": "a_command_is_known_and_accepted",
        "snakemake --lint": "snakemake_accepts_the_options",
        "snakemake -n": "every_run_can_be_planned",
        "snakemake --configfile workflow/configs/paper.yaml": "every_run_can_be_planned",
        "snakemake --workflow-profile workstation": "every_run_can_be_planned",
        "snakemake --cores 2 paper_figs-real/likelihood.pdf": "every_run_can_be_planned",
        "snakemake --cores 2 paper_figs-real/table1.csv": "every_run_can_be_planned",
    },
    "tests/docs/test_docs.py": {
        "goodpart estimate workflow/configs/paper.yaml": "the_cost_page_shows_what_the_estimate_prints",
    },
    "tests/docs/test_readme.py": {
        "snakemake --cores 8 paper_figs/table1.csv": "the_two_commands_are_the_only_bash_blocks",
    },
    "tests/workflow/test_slurm.py": {
        "snakemake --workflow-profile slurm": "table_1_is_byte_identical_to_the_local_one",
    },
    "tests/workflow/test_workflow.py": {
        "snakemake --cores 8": "everything_is_made_and_a_second_call_has_nothing_to_do",
        "snakemake --cores 8 paper_figs/figure3.pdf": "figures_need_statistics_only",
        "snakemake --cores 2 controlled_study": "the_controlled_study_shows_its_models_side_by_side",
    },
    "tests/workflow/test_workflow_alone.py": {
        "snakemake --unlock": "what_a_failed_job_leaves_is_not_taken_for_made",
        "snakemake --cores 2 tiny_models": "the_tiny_models_are_trained_by_rules_and_promoted",
        "goodpart promote": "the_tiny_models_are_trained_by_rules_and_promoted",
    },
    "tests/workflow/test_elsewhere.py": {
        "snakemake --cores 8 --snakefile": "it_runs_in_another_directory_and_leaves_the_clone_alone",
    },
    "tests/workflow/test_report.py": {
        "snakemake --report": "the_report_has_run_times_versions_and_the_configuration",
        "snakemake --cores 2 --config redraw=True": "figures_and_tables_are_redrawn_without_weights",
        "snakemake --cores 1 paper_figs/table1.csv": "redrawing_says_which_results_are_missing",
    },
    "tests/workflow/test_healing_workflow.py": {
        "snakemake --cores 2 healing_study": "everything_is_made_once",
    },
    "tests/workflow/test_explore.py": {
        "snakemake --cores 2 explore": "it_opens_from_a_file_without_network_or_errors",
    },
    "tests/tools/test_parity.py": {"goodpart verify parity": "everything_agrees_with_the_official_code"},
    "tests/tools/test_oracles.py": {"goodpart verify oracles": "what_agrees_and_what_does_not"},
    "tests/tools/test_verdicts.py": {
        "goodpart verdicts": "items_that_changed_are_shown_with_both_completions"
    },
    "tests/tools/test_lm_eval.py": {"goodpart lm-eval": "a_local_task_from_its_command_line"},
}
# Of those, the commands that stand for themselves alone, and not for all that begin like them.
WHOLE = ("snakemake --cores 8", "snakemake -n")


class Reader(Workflow):
    """A copy of the workflow with the files of a page, and a configuration of few items."""

    def __init__(self, folder, page):
        super().__init__(folder)
        self.page = ROOT / page
        config = yaml.safe_load((folder / "config.yaml").read_text())
        update_config(config, FEW)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        save(self.page, folder)
        for file in folder.glob("*.yaml"):
            text = file.read_text()
            if "/models/my-leftmost" in text:
                text = text.replace("/models/my-leftmost", str(checkpoint_of_own(folder)))
            file.write_text(re.sub(r"/models/my-dream\b", OWN_MODEL, text))

    @property
    def walked(self):
        """The commands of the page that are walked here, in order."""
        return [c for c in commands(self.page, set()) if elsewhere(c) is None]

    def walk(self):
        """Run them; give what each said."""
        said = {}
        for command in self.walked:
            program, *words = command.words
            words = [re.sub(r"^/models/my-leftmost", "models/my-leftmost", word) for word in words]
            if "another-clone/results" in words:
                shutil.copytree(self.folder / "results", self.folder / "another-clone" / "results")
            if program == "snakemake":
                run = self.snakemake(*words)
            else:
                assert program == "goodpart", command
                run = subprocess.run(
                    [sys.executable, "-m", "goodpart_tools", *words],
                    cwd=self.folder, env={**os.environ, "PYTHONPATH": str(self.folder / "workflow")},
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                )  # fmt: skip
            assert run.returncode == 0, f"{command}\n{run.stdout[-5000:]}"
            for word in words:
                if word.startswith(("paper_figs/", "results/")):
                    assert (self.folder / word).exists(), f"{command}: {word}"
            said[" ".join(command.words)] = run.stdout
        return said

    def rows(self, name):
        with (self.folder / name).open() as file:
            return list(csv.DictReader(file))


def elsewhere(command):
    """The name of the test elsewhere that covers a command; None if the command is run here."""
    text = " ".join(command.words)
    if "workflow/configs/paper.yaml" in text and command.words[:2] == ("snakemake", "-n"):
        text = "snakemake -n"
    known = {one: f"{file}::test_{test}" for file, tests in ELSEWHERE.items() for one, test in tests.items()}
    fitting = [one for one in known if text == one or (text.startswith(f"{one} ") and one not in WHOLE)]
    return None if text.endswith(OWN) or not fitting else known[max(fitting, key=len)]


def test_every_command_has_a_test():
    """A command that a page gains, or loses, has its test to gain or lose."""
    shown = [command for page in PAGES for command in commands(page, set())]
    assert {command.page for command in shown if elsewhere(command) is None} == set(JOURNEYS)
    texts = [" ".join(command.words) for command in shown]
    for file, tests in ELSEWHERE.items():
        written = (ROOT / file).read_text()
        for command, test in tests.items():
            assert f"def test_{test}(" in written, f"{file}: {test}"
            assert any(text.startswith(command) for text in texts), command


def own_benchmark(reader, said):
    assert "| sums | 0 (baseline) |" in (reader.folder / "paper_figs" / "table1.md").read_text()


def own_policy_figure_and_family(reader, said):
    results = reader.folder / "results"
    chosen = results / "skip_sets" / "qwen2.5-tiny" / "middle" / "k4.json"
    assert json.loads(chosen.read_text())["layers"] == [12, 13, 14, 15]
    rows = reader.rows("paper_figs/accuracies.csv")
    assert {(row["policy"], row["asked_k"]) for row in rows} >= {("full", "0"), ("middle", "4")}
    assert "decoded as: leftmost" in said["goodpart check /models/my-leftmost"]
    assert "my-leftmost" in said["goodpart estimate leftmost.yaml"]
    for name in (2, *range(3, 13)):  # Figures 13 and 14 are of LLaDA and Dream alone
        assert (reader.folder / "paper_figs" / f"figure{name}.pdf").exists()
    assert not (reader.folder / "paper_figs" / "figure13.pdf").exists()
    for name in ("figure5", "figure7", "block_similarity", "mask_ratio"):
        assert {row["model"] for row in reader.rows(f"paper_figs/{name}.csv")} == {"my-leftmost"}
    shown = yaml.safe_load((reader.folder / "leftmost.yaml").read_text())["models"]["my-leftmost"]
    assert {int(row["layers_skipped"]) for row in reader.rows("paper_figs/table1.csv")} == set(
        shown["layers_skipped"]
    )


def own_model(reader, said):
    [name] = yaml.safe_load((reader.folder / "mine.yaml").read_text())["models"]
    header = (reader.folder / "paper_figs" / "table1.csv").read_text().splitlines()[0]
    assert f"{name}_retention" in header
    assert "Qwen2.5_retention" not in header  # no empty columns of the paper's models


def own_skip_set(reader, said):
    cells = [row for row in reader.rows("paper_figs/table1.csv") if row["layers_skipped"] == "4"]
    assert cells
    assert all(row["Qwen2.5_got_k"] == "4" for row in cells)
    assert (
        reader.folder / "results" / "exports" / "qwen2.5-tiny" / "similarity" / "k2" / "config.json"
    ).exists()
    assert json.loads((reader.folder / "short" / "config.json").read_text())["num_hidden_layers"] == 26


def parts_of_a_run(reader, said):
    planned = said["snakemake -n --configfile mine.yaml"]
    assert "table1" in planned
    assert "qwen2.5-tiny" in said["goodpart config show mine.yaml"]
    assert "qwen2.5-tiny" in said["goodpart provenance paper_figs/table1.csv"]
    assert said["goodpart compare results another-clone/results"]


def order_of_generation(reader, said):
    assert reader.rows("paper_figs/generation_order.csv")


JOURNEYS = {
    "README.md": own_model,
    "benchmarks.md": own_benchmark,
    "extend.md": own_policy_figure_and_family,
    "generation-order.md": order_of_generation,
    "own-model.md": own_model,
    "policies.md": own_skip_set,
    "rerun.md": parts_of_a_run,
}


@pytest.mark.journey
@pytest.mark.parametrize("name", JOURNEYS)
def test_a_page_makes_what_it_promises(name, tmp_path):
    page = Path(name) if name == "README.md" else Path("docs", name)
    reader = Reader(tmp_path, page)
    JOURNEYS[name](reader, reader.walk())
