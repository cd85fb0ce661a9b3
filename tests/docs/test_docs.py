"""What the documentation shows exists and works: links, files, modules, configurations, code, error messages.

Its commands are checked by test_docs_commands.py.
"""

import ast
import copy
import importlib.util
import re
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from conftest import ROOT
from documentation import OTHER, PAGES, SHELL, blocks, blocks_in, saved_files
from goodpart import benchmarks, policies
from goodpart.config import check, load
from goodpart_tools import estimate
from test_house import ROOMS

RULE = re.compile(r"^ *(?:rule|use rule \w+ as) (\w+)", re.M)
WORKFLOW = ROOT / "workflow"
OWN = {"goodpart.benchmarks": benchmarks, "goodpart.policies": policies}  # packages that a reader adds to


def literals():
    """Every string of the code, with … where an f-string has a value; neighbouring literals are one."""
    for file in WORKFLOW.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(v.value if isinstance(v, ast.Constant) else "…" for v in node.values)


def quoted():
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    return [m.group(2).strip() for m in re.finditer(r"^\*\*(`+)(.+?)\1\*\*$", text, re.M)]


def test_every_quoted_message_is_in_the_code():
    known = list(literals())
    messages = quoted()
    assert len(messages) >= 25
    missing = [message for message in messages if not any(message in text for text in known)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text()), target


def anchors(text):
    """The anchors that a page's headings get; lines of code blocks are no headings."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_page_can_be_reached_from_the_readme():
    reached, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        reached.add(page)
        names = re.findall(r"\]\((?!http)([^)#\s]+\.md)", page.read_text())
        left += [file for name in names if (file := (page.parent / name).resolve()) not in reached]
    assert set(PAGES) <= reached


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_modules_and_files_exist(page):
    text = page.read_text()
    for module in re.findall(r"\b(?:goodpart|goodpart_tools|scripts)(?:\.[a-z]\w*)+", text):
        assert is_there(module), module
    saved = {Path(name).name for page in PAGES for name in saved_files(page)}
    for path in re.findall(r"`((?:workflow|tests|envs|profiles|docs)/[\w./-]+)`", text):
        if "NAME" not in path and Path(path).name not in saved:
            assert (ROOT / path).exists(), path
    for profile in re.findall(r"--workflow-profile ([\w-]+)", text):
        assert (ROOT / "profiles" / profile / "config.yaml").exists(), profile


# Modules that a page tells its reader to save.
SAVED = {".".join(Path(name).with_suffix("").parts[1:]) for page in PAGES for name in saved_files(page)}


def is_there(name):
    """Whether a dotted name is a module, or a name in one; those that a page lets its reader save are."""
    if name in SAVED or name.rpartition(".")[0] in SAVED:
        return True
    module, _, last = name.rpartition(".")
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # what is before the last dot is no package
        spec = None
    return bool(spec) or hasattr(importlib.import_module(module), last)


def test_the_rooms_are_those_of_the_package_in_the_order_of_imports():
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert tuple(re.findall(r"^\| `(\w+)` \|", text, re.M)) == ROOMS[:-1]


def test_files_named_by_room_exist():
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w/]+\.py)`", text)
    assert len(named) > 10
    assert [name for name in named if not (WORKFLOW / "goodpart" / name).exists()] == []


def test_rules_and_rooms_of_the_diagram_exist():
    [diagram] = blocks_in(ROOT / "docs" / "architecture.md", "mermaid")
    rules = {name for file in (WORKFLOW / "rules").glob("*.smk") for name in RULE.findall(file.read_text())}
    boxes = re.findall(r'\(\["(.*?)<br><i>(.*?)</i>"\]\)', diagram)
    shown = {name for names, _ in boxes for name in names.split(", ")}
    assert len(shown) > 10
    assert shown - rules == {"figures 3 to 7 and 9 to 14"}
    assert {room for _, rooms in boxes for room in rooms.split(", ")} <= set(ROOMS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_are_of_a_language_that_is_checked(page):
    assert {language for language, _ in blocks(page)} <= {*SHELL, *OTHER}


def paper_catalogue():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, yaml.safe_load((ROOT / "workflow" / "configs" / "paper.yaml").read_text()))
    return config


# One for a family of the page's own is walked by test_recipes.py: families are known at the start.
ELSEWHERE = ("family: leftmost", "# profiles/")  # one of a profile: by test_slurm.py
CONFIGURATIONS = [
    (page, text)
    for page in PAGES
    for text in blocks_in(page, "yaml")
    if not any(words in text for words in ELSEWHERE)
]
DEFAULT, PAPER = yaml.safe_load((ROOT / "config.yaml").read_text()), paper_catalogue()


@pytest.mark.parametrize(("page", "text"), CONFIGURATIONS, ids=lambda value: getattr(value, "name", ""))
def test_configurations_shown_are_valid(page, text, monkeypatch, tmp_path):
    """Each is merged into config.yaml, or into paper.yaml if it names a benchmark of that.

    Files that only the reader has are written, or replaced by a name on the hub.
    """
    shown = yaml.safe_load(text)
    named = set(shown.get("benchmarks", {}))
    published = named & set(PAPER["benchmarks"]) - set(DEFAULT["benchmarks"])
    config = copy.deepcopy(PAPER if published else DEFAULT)
    update_config(config, shown)
    for entry in config["models"].values():
        if entry.get("path", "").startswith("/"):
            entry["hub"] = "owner/name"
            del entry["path"]
    for name in ("workflow", "envs", "config.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in named:
        for split in config["benchmarks"][name].values():
            if isinstance(split, dict) and "path" in split:
                write(tmp_path / split["path"], '{"id": 0}\n')
    write(tmp_path / "my-sets" / "qwen2.5-tiny-k4.json", '{"layers": [3, 9]}')
    for name, module in saved_files(page).items():
        package = ".".join(Path(name).parts[1:-1])
        if package in OWN:
            write(tmp_path / "own" / name, module)
            folder = str((tmp_path / "own" / name).parent)
            monkeypatch.setattr(OWN[package], "__path__", [*OWN[package].__path__, folder])
            monkeypatch.delitem(sys.modules, f"{package}.{Path(name).stem}", raising=False)
    monkeypatch.chdir(tmp_path)
    check(config)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_shown_compiles_and_imports_what_exists(page):
    """test_readme.py and test_parquet_docs.py run the examples that need no results."""
    for text in blocks_in(page, "python"):
        tree = ast.parse(text)
        compile(tree, page.name, "exec")
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert all(importlib.util.find_spec(name.name) for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name.name}" for name in node.names]
                assert all(map(is_there, names)), ast.unparse(node)


def test_the_benchmark_shown_scores():
    space = {}
    [code] = blocks_in(ROOT / "docs" / "benchmarks.md", "python")
    exec(code, space)
    item = {"a": 2, "b": 3}
    assert space["prompt"](item, "bare") == "What is 2 + 3?"
    assert space["score"](space["reference"](item), "It is 5").correct
    assert not space["score"](space["reference"](item), "It is 6").correct


def test_the_cost_page_shows_what_the_estimate_prints(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv(estimate.downloads.FOLDER, raising=False)
    config = load([ROOT / "workflow" / "configs" / "paper.yaml"])
    monkeypatch.setattr(estimate, "left_to_make", whole_cell)
    printed = estimate.report(config, estimate.costs(config))
    assert printed in (ROOT / "docs" / "cost.md").read_text()


def whole_cell(config, cell, root):
    """All completions of a cell, whatever is in this folder."""
    benchmark = config.benchmarks[cell[1]]
    return benchmark.item_count * benchmark.samples
