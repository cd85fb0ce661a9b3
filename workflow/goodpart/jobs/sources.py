"""Which source files a job runs: the modules of this project that its entry point imports, however late.

Snakemake does not look into Python modules. Each job therefore has their digests as a parameter: when the
content of one changes, the job runs again.
"""

from __future__ import annotations

import ast
import hashlib
import subprocess
from collections.abc import Iterable
from contextlib import suppress
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
    found = _imported(file.read_text(encoding="utf-8"))
    return frozenset(m for m in found if m.split(".")[0] in PACKAGES and _file(m))


@cache
def _imported(text: str) -> frozenset[str]:
    """What a source text imports; of `from a import b` both a and a.b, of which one may be no module."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(text)]
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
    return frozenset(found)


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
    meanings = {name: _meaning((ROOT.parent / name).read_text(encoding="utf-8")) for name in known}
    lines = "\n".join(f"{name} {meaning}" for name, meaning in meanings.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def all_files() -> list[Path]:
    """Every source file that a job may run."""
    return [path for package in PACKAGES for path in sorted(ROOT.joinpath(package).rglob("*.py"))]


def read_ahead(path: Path) -> None:
    """Parse a source file now, for the processes that are forked from this one.

    They find what it means by its text, so that a file that has changed meanwhile is parsed again. A file
    that cannot be read or parsed is left to the job that needs it.
    """
    with suppress(OSError, SyntaxError, ValueError):  # the last: neither UTF-8 nor Python
        text = path.read_text(encoding="utf-8")
        _imported(text)
        _meaning(text)


@cache
def _meaning(text: str) -> str:
    """SHA-256 of a source text's code, without comments and docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            body[:] = body[1:] or [ast.Pass()]
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
