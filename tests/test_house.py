"""The house: which room may import which, and how large its parts are."""

import ast
from pathlib import Path

import pytest

from conftest import ROOT

WORKFLOW = ROOT / "workflow"
# A room imports those before it; goodpart_tools and scripts come last.
ROOMS = (
    *("jobs", "models", "decoding", "states", "policies", "benchmarks", "evaluation", "config"),
    "goodpart_tools",
)
TOP = {"__init__", "errors", "paths", "verify"}  # verify: the command of that name, for python -m


def modules():
    files = [f for part in ("goodpart", "goodpart_tools", "scripts") for f in (WORKFLOW / part).rglob("*.py")]
    return {".".join(file.relative_to(WORKFLOW).with_suffix("").parts): file for file in files}


MODULES = modules()


def imported(tree):
    """Modules of the project that a tree imports, at any level."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES or f"{full}.__init__" in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def room(module):
    parts = module.split(".")
    return parts[1] if parts[0] == "goodpart" and len(parts) > 1 else parts[0]


def test_the_rooms():
    folders = {f.name for f in (WORKFLOW / "goodpart").iterdir() if f.is_dir() and f.name != "__pycache__"}
    assert folders == set(ROOMS) - {"goodpart_tools"}
    assert len(folders) <= 8
    assert {f.stem for f in (WORKFLOW / "goodpart").glob("*.py")} == TOP
    for folder in folders:
        assert ast.get_docstring(ast.parse((WORKFLOW / "goodpart" / folder / "__init__.py").read_text()))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_one_way(name):
    own = room(name)
    if own in ("verify", "__init__"):
        return
    if own == "scripts":
        assert "config" not in map(room, imported(ast.parse(MODULES[name].read_text())))
        return
    allowed = {*ROOMS[: ROOMS.index(own) + 1], "errors", "paths"} if own in ROOMS else {"errors", "paths"}
    wrong = [
        target
        for target in imported(ast.parse(MODULES[name].read_text()))
        if target.split(".")[0] in ("goodpart", "goodpart_tools", "scripts") and room(target) not in allowed
    ]
    assert [target for target in wrong if target != "goodpart"] == []


def test_no_module_imports_itself_around_a_corner():
    """Imports at the top of modules make no cycle."""
    graph = {}
    for name, file in MODULES.items():
        tree = ast.parse(file.read_text())
        top = ast.Module([n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))], [])
        graph[name] = {
            target if target in MODULES else f"{target}.__init__"
            for target in imported(top)
            if target in MODULES or f"{target}.__init__" in MODULES
        } - {name}
    done, path = set(), []

    def visit(name):
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return
        path.append(name)
        for target in sorted(graph[name]):
            visit(target)
        path.pop()
        done.add(name)

    for name in graph:
        visit(name)


def functions(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("name", sorted(MODULES))
def test_parts_are_short_enough_to_read(name):
    text = MODULES[name].read_text()
    assert len(text.splitlines()) <= 300
    assert [(f, lines) for f, lines in functions(ast.parse(text)) if lines > 60] == []


@pytest.mark.parametrize("file", sorted((WORKFLOW / "rules").glob("*.smk")), ids=lambda file: file.stem)
def test_rules_stay_thin(file):
    assert len(file.read_text().splitlines()) <= 150


def test_each_script_is_that_of_a_rule():
    rules = "".join(file.read_text() for file in (WORKFLOW / "rules").glob("*.smk"))
    for file in (WORKFLOW / "scripts").glob("[!_]*.py"):
        assert f'"{file.stem}"' in rules, file.stem
        assert "main" in {name for name, _ in functions(ast.parse(file.read_text()))} or "import main" in (
            file.read_text()
        )


def test_no_file_lies_between_the_rooms():
    assert not [f for f in Path(ROOT, "tests").glob("test_*.py") if f.name != "test_house.py"]
