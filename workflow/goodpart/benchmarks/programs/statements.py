"""Python statements of a completion: what parses, what each reads and binds, and which make up the answer.

Only the standard library's parser and symbol tables see model-written code here; nothing of it is executed.
"""

from __future__ import annotations

import ast
import re
import symtable
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

NAME = "<completion>"
MOST_PARSES = 200  # of one stretch of code: each costs about a millisecond at most
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)
START = re.compile(
    r"(?:async[ \t]+def|def|class|import|from|try|if)\b|@\w|[A-Za-z_]\w*[ \t]*(?::[^=\n]+)?=(?!=)"
)
SHOWING = {"print", "input", "help", "pprint", "display", "breakpoint"}
TESTING = {"unittest", "doctest", "pytest", "timeit"}
GUARD = {"__name__"}
ENDING = {"exit", "_exit", "quit", "abort", "kill"}
SETTING = {"setrecursionlimit", "set_int_max_str_digits", "seed", "setcontext"}
DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORT = (ast.Import, ast.ImportFrom)

warnings.filterwarnings("ignore", module=re.escape(NAME))  # what a parser says of a model's escapes


def parsed(source: str) -> ast.Module | None:
    """The syntax tree of a source, or None where it is no Python."""
    try:
        return ast.parse(source, NAME)
    except UNREADABLE:
        return None


def longest(lines: list[str], least: int = 1) -> int:
    """How many of the first lines parse together, trying no fewer than `least`; 0 for none."""
    return _longest(lines, least)[0]


def _longest(lines: list[str], least: int = 1) -> tuple[int, int]:
    """The same, and how often it parsed."""
    end = len(lines)
    for tried in range(MOST_PARSES):
        if end < least:
            return 0, tried
        try:
            ast.parse("\n".join(lines[:end]), NAME)
            return end, tried + 1
        except SyntaxError as error:
            end = min(end, error.lineno or end) - 1
        except UNREADABLE:
            return 0, tried + 1
    return 0, MOST_PARSES


@dataclass(frozen=True)
class Stretch:
    """Consecutive lines that parse; `cut` where the line after them goes on with their last statement."""

    text: str
    cut: bool = False
    tail: str = ""  # what follows, up to the next stretch

    @cached_property
    def statements(self) -> list[Statement]:
        """Its top-level statements, in order."""
        return statements(self.text)


def stretches(text: str) -> list[Stretch]:
    """Code at the left margin of a text, in the longest stretches that parse."""
    lines = text.replace("\r\n", "\n").split("\n")
    found: list[tuple[int, int]] = []
    at = begun = parses = 0
    while at < len(lines) and begun < MOST_PARSES and parses < 5 * MOST_PARSES:
        if not START.match(lines[at]):
            at += 1
            continue
        length, tried = _longest(lines[at:])
        begun += 1
        parses += tried
        if length:
            found.append((at, at + length))
        at += max(1, length)
    ends = [start for start, _ in [*found, (len(lines), 0)]][1:]
    return [
        Stretch(
            "\n".join(lines[start:end]),
            next((line for line in lines[end:until] if line.strip()), "")[:1].isspace(),
            "\n".join(lines[end:until]),
        )
        for (start, end), until in zip(found, ends, strict=True)
    ]


@dataclass(frozen=True)
class Statement:
    """One top-level statement: its source, and the module's names that it reads, binds and changes."""

    node: ast.stmt
    source: str
    reads: frozenset[str]
    binds: frozenset[str]
    changes: frozenset[str] = frozenset()  # by assignment: `x[0] = 1`, `x += 1`
    calls: frozenset[str] = frozenset()  # by a method: `x.append(1)`
    imports: frozenset[str] = frozenset()  # names that only an import binds

    @property
    def defines(self) -> bool:
        """Whether it is a function or a class."""
        return isinstance(self.node, DEFINITION)

    @property
    def everything(self) -> bool:
        """Whether it imports names that it does not list."""
        return isinstance(self.node, ast.ImportFrom) and any(name.name == "*" for name in self.node.names)

    @property
    def future(self) -> bool:
        """Whether it must stand at the top of a module."""
        return isinstance(self.node, ast.ImportFrom) and self.node.module == "__future__"


def statements(source: str) -> list[Statement]:
    """The top-level statements of a source that parses; an empty list for any other."""
    tree = parsed(source)
    if tree is None:
        return []
    lines = source.split("\n")
    made = []
    ends = [0, *(node.end_lineno or 0 for node in tree.body)]
    starts = [*(min([n.lineno, *(d.lineno for d in getattr(n, "decorator_list", []))]) for n in tree.body), 0]
    for i, node in enumerate(tree.body):
        try:
            plain = ast.unparse(node)
            reads, binds, imports = _names(plain)
        except UNREADABLE:
            return []
        alone = ends[i] < starts[i] and starts[i + 1] != ends[i + 1]  # not as in `a; b`
        text = "\n".join(lines[starts[i] - 1 : ends[i + 1]]) if alone else plain
        changes, calls = map(frozenset, _changed(node))
        made.append(Statement(node, text, reads | changes, binds, changes, calls, imports))
    return made


def without_own_imports(body: list[Statement], own: set[str], entry: str) -> list[Statement]:
    """Statements without the imports of functions that are defined here: `from solution import f`.

    `own`: their names. The standard library may have some of them as well, but not the answer.
    """
    made = next((i for i, s in enumerate(body) if entry in s.binds - s.imports), len(body))
    return [
        s
        for i, s in enumerate(body)
        if not (s.binds == s.imports == {entry} and entry in own)
        and not (
            isinstance(s.node, IMPORT)
            and not _is_standard(s.node)
            and (s.imports & own or (s.everything and i > made))
        )
    ]


def names_read(source: str) -> frozenset[str]:
    """The module's names that a source reads; empty where it does not parse."""
    try:
        return _names(source)[0]
    except UNREADABLE:
        return frozenset()


def _names(source: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The module's names that a source reads, those that it binds, and those that only an import binds."""
    top = symtable.symtable(source, NAME, "exec")
    reads, binds, imports = set(), set(), set()
    for symbol in top.get_symbols():
        if symbol.is_referenced():
            reads.add(symbol.get_name())
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            binds.add(symbol.get_name())
        if symbol.is_imported() and not (symbol.is_assigned() or symbol.is_namespace()):
            imports.add(symbol.get_name())
    inner = list(top.get_children())
    while inner:
        table = inner.pop()
        inner += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_global():
                reads.add(symbol.get_name())
    return frozenset(reads), frozenset(binds), frozenset(imports)


def _changed(node: ast.stmt) -> tuple[set[str], set[str]]:
    """Names whose values a statement changes in place: by assignment, and perhaps by a method."""
    changes: set[str] = set()
    calls: set[str] = set()
    if isinstance(node, (*DEFINITION, *IMPORT)):
        return changes, calls
    for part in ast.walk(node):
        if isinstance(part, (ast.Subscript, ast.Attribute)) and isinstance(part.ctx, (ast.Store, ast.Del)):
            changes.add(root(part))
        elif isinstance(part, ast.AugAssign):
            changes.add(root(part.target))
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            calls.add(root(part.func))
    return changes - {""}, calls - {""}


def root(node: ast.AST) -> str:
    """The name that a chain of attributes, items and calls begins with; empty for another beginning."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def answer(body: list[Statement], wanted: Iterable[str], tail: str = "") -> list[Statement]:
    """The statements that an answer consists of: what `wanted` names need, without a demo of it.

    A definition, an import or an assignment stays if something that stays reads it; a statement that changes
    such a value stays too. Of the rest, what shows or tests the answer goes: assertions, whatever reads a
    function of the answer or prints, other calls, and the values made for these. A statement that ends the
    program, such as `sys.exit()`, or changes the standard library stays and takes effect. `tail`: text after
    the statements that did not parse.
    """
    own = {name for s in body if s.defines for name in s.binds}
    imported = {name for s in body if isinstance(s.node, IMPORT) for name in s.binds}
    needed, kept = set(wanted), set[int]()

    def close() -> None:
        """Take in what the needed names depend on, until nothing is added."""
        more = True
        while more:
            more = False
            for i, s in enumerate(body):
                if i not in kept and (s.everything or s.future or _makes(s, needed, imported, own)):
                    kept.add(i)
                    needed.update(s.reads)
                    more = True

    close()
    left = [i for i in range(len(body)) if i not in kept]
    words = set(re.findall(r"\w+", tail))
    patched = {name for s in body for name in s.binds if isinstance(s.node, IMPORT) and _is_standard(s.node)}
    dropped = {i for i in left if _drops(body[i], own) and not body[i].changes & patched}
    for i in dropped:
        words |= body[i].reads
    for i in left:
        if i not in dropped and not (isinstance(body[i].node, ast.Assign) and body[i].binds & words):
            kept.add(i)
            needed.update(body[i].reads)
    close()
    return [s for i, s in enumerate(body) if i in kept]


def _makes(s: Statement, needed: set[str], imported: set[str], own: set[str]) -> bool:
    """Whether a statement makes or changes what is needed."""
    if (s.binds | s.changes) & needed or s.calls & needed - imported - own:
        return True
    return bool(s.calls & needed & imported) and bool(_called(s) & SETTING)


def _is_standard(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import is from the standard library, which the tests use as well."""
    modules = [name.name for name in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    return any(module.split(".")[0] in sys.stdlib_module_names for module in modules)


def _called(s: Statement) -> set[str]:
    """Names of the functions and methods that a statement calls."""
    functions = [part.func for part in ast.walk(s.node) if isinstance(part, ast.Call)]
    return {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in functions}


def _drops(s: Statement, own: set[str]) -> bool:
    """Whether a statement that nothing needs is a definition, or shows or tests the answer."""
    if isinstance(s.node, (*DEFINITION, *IMPORT, ast.Assert)) or s.reads & (own | SHOWING | TESTING | GUARD):
        # A pause, whose line nobody reads, holds up the tests as well.
        call = s.node.value if isinstance(s.node, ast.Assign) else None
        return not (
            isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "input"
        )
    if isinstance(s.node, (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return not _called(s) & ENDING
    return False
