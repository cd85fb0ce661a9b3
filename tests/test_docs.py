"""What the documentation says exists: links, files, modules, commands, and every quoted error message."""

import ast
import importlib.util
import re

import pytest
import yaml

from conftest import ROOT
from goodpart import estimate
from goodpart.config import check, load

DOCS = sorted((ROOT / "docs").glob("*.md"))
PACKAGE = ROOT / "workflow" / "goodpart"


def literals():
    """Every string of the package, with … where an f-string has a value; neighbouring literals are one."""
    for file in PACKAGE.rglob("*.py"):
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


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", file.read_text(), re.M)
            slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, target


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_named_modules_and_files_exist(page):
    text = page.read_text()
    for module in re.findall(r"python -m (goodpart[\w.]*)", text):
        assert importlib.util.find_spec(module), module
    for path in re.findall(r"`((?:workflow|tests|envs|profiles|docs)/[\w./-]+)`", text):
        if "NAME" not in path:
            assert (ROOT / path).exists(), path
    for profile in re.findall(r"--workflow-profile ([\w-]+)", text):
        assert (ROOT / "profiles" / profile / "config.yaml").exists(), profile


@pytest.mark.parametrize("name", ["rerun", "own-model", "cost"])
def test_configurations_shown_are_valid(name, monkeypatch):
    """Each YAML example, merged into config.yaml, but for paths of models that only their reader has."""
    from snakemake.utils import update_config

    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / f"{name}.md").read_text(), re.S)
    assert blocks
    for block in blocks:
        config = yaml.safe_load((ROOT / "config.yaml").read_text())
        update_config(config, yaml.safe_load(block))
        for entry in config["models"].values():
            if entry.get("path", "").startswith("/"):
                entry["hub"] = "owner/name"
                del entry["path"]
        check(config)


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
