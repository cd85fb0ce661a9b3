"""Which source files a job runs: the modules of this project that its entry point imports, however late.

Snakemake does not look into Python modules. Each job therefore has their digests as a parameter: when the
content of one changes, the job runs again.
"""

from __future__ import annotations

import ast
import hashlib
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from goodpart.jobs.files import sha256

ROOT = Path(__file__).parents[2]
PACKAGES = ("goodpart", "goodpart_tools", "scripts")
UNCOUNTED = ("workflow/goodpart/jobs/", "workflow/goodpart/errors.py")  # without effect on what is computed
DIGESTS = "source files:"  # first line of the parameter that holds them


@cache
def _file(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _imports(module: str) -> frozenset[str]:
    """Modules of this project that one module imports at any level, but for type checking alone."""
    file = _file(module)
    assert file is not None
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))
    return frozenset(m for m in found if m.split(".")[0] in PACKAGES and _file(m))


@cache
def modules(*entries: str) -> frozenset[str]:
    """All modules of this project that the entry modules import, themselves and their packages included."""
    seen: set[str] = set()
    pending = list(entries)
    while pending:
        module = pending.pop()
        if module in seen:
            continue
        if _file(module) is None:
            raise ModuleNotFoundError(f"no module {module} under {ROOT}")
        seen.add(module)
        parts = module.split(".")
        pending.extend(".".join(parts[:i]) for i in range(1, len(parts)))
        pending.extend(_imports(module))
    return frozenset(seen)


def files(*entries: str) -> list[str]:
    """The source files of those modules, relative to the folder that holds `workflow/`, sorted."""
    return list(_files(entries))


@cache
def _files(entries: tuple[str, ...]) -> tuple[str, ...]:
    paths = [_file(module) for module in modules(*entries)]
    return tuple(sorted(path.relative_to(ROOT.parent).as_posix() for path in paths if path))


@cache
def _sha256(name: str) -> str:
    return sha256(ROOT.parent / name)


def digests(*entries: str) -> str:
    """The source files of the entry modules with their SHA-256, one a line, as a rule's parameter."""
    return "\n".join([DIGESTS, *(f"{name} {_sha256(name)}" for name in files(*entries))])


def read_digests(parameter: str) -> dict[str, str]:
    """Source file -> SHA-256 of such a parameter; empty for any other text."""
    first, *lines = parameter.split("\n")
    return dict(line.split(" ") for line in lines) if first == DIGESTS else {}


def digest(entries: Iterable[str]) -> str:
    """SHA-256 of what the entry modules compute with: results made by other code are never taken up again.

    Comments and docstrings do not count, nor does how a job starts, logs and writes its files.
    """
    known = (name for name in files(*entries) if not name.startswith(UNCOUNTED))
    return hashlib.sha256("\n".join(f"{name} {_meaning(name)}" for name in known).encode()).hexdigest()


@cache
def _meaning(name: str) -> str:
    """SHA-256 of a source file's code, without comments and docstrings."""
    tree = ast.parse((ROOT.parent / name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        first = getattr(node, "body", [None])
        if isinstance(first, list) and first and _is_text(first[0]):
            first[0] = ast.Pass()
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


def _is_text(node: ast.AST | None) -> bool:
    """Whether a statement is a text alone, as a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@cache
def commit() -> str | None:
    """The commit of the clone that this package is part of, with a + where its files differ; else None."""
    command = ["git", "-C", str(ROOT.parent)]
    try:
        top, made = (
            subprocess.run([*command, *words], capture_output=True, text=True, check=True).stdout.strip()
            for words in (
                ["rev-parse", "--show-toplevel"],
                ["describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return made if Path(top).resolve() == ROOT.parent.resolve() else None
