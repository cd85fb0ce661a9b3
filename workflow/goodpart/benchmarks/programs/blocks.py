"""Which part of a completion holds its final answer in code, when several parts could."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from goodpart.benchmarks.programs.code import blocks_of
from goodpart.benchmarks.programs.statements import (
    DEFINITION,
    Statement,
    Stretch,
    answer,
    longest,
    names_read,
    statements,
    stretches,
    without_own_imports,
)

FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOP = (ast.For, ast.AsyncFor, ast.While)
# The line that leads to a block: one that shows what is wrong, or another way to write the same.
WRONG = re.compile(
    r"\b(?:incorrect|wrong|buggy|broken|flawed|mistakes?|bad|naive|slow(?:er)?|inefficient|original|previous"
    r"|for comparison|avoid|(?:do not|don't|never) (?:use|write|do))\b",
    re.IGNORECASE,
)
MENDED = re.compile(
    r"\b(?:correct(?:ed|ion|ly)?|fix(?:ed|es|ing)?|final|updated?|revised?|improved?|better|instead|right"
    r"|rewritten|faster|optimi[sz]ed)\b",
    re.IGNORECASE,
)
ANNOUNCED = re.compile(  # what follows an attempt that was wrong
    r"\btry(?:ing)? (?:\w+ )?again\b|\bto avoid\b|(?<!not )(?<!n't )(?<!never )\buse this\b"
    r"|\bnew (?:version|attempt|solution|code)\b|\bso\W*$"
    r"|\bhere(?:'s| is) (?:the|my|a) (?:solution|code|answer|function)\W*$",
    re.IGNORECASE,
)
ALSO = re.compile(
    r"\b(?:alternative(?:ly)?|another (?:way|approach|solution|version|option|method|implementation)"
    r"|(?:can|could|may|might) also|also be written|equivalently|one-liner|for reference)\b",
    re.IGNORECASE,
)
RETRACTED = re.compile(
    r"\b(?:wrong|incorrect|bugs?|buggy|mistake|errors?|fails?|wait|actually|sorry|oops|hmm"
    r"|(?:does not|doesn't|did not|didn't|won't) work|not correct|instead)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Part:
    """A fenced block, or the text outside of the blocks; `lead` is the prose that leads to it."""

    text: str
    fenced: bool
    lead: str
    closed: bool


@dataclass(frozen=True)
class Final:
    """The part that holds the answer: as it stands, and reduced to the statements that the answer needs."""

    whole: str
    fenced: bool
    code: str
    futures: str = ""  # `from __future__` imports, which belong in front of a program
    body: bool = False  # `code` is a whole program but for the tests: the prompt, completed


def final(completion: str, entry: str | None, prompt: str, tests: str) -> Final | None:
    """The final answer of a completion, or None where no part of it parses as one.

    The last part that defines `entry` whole counts; one that is a stub, cut off, or led to as wrong or as an
    alternative only if there is no other. Without such a part a function's body counts, after `prompt`.
    Names that it lacks come from the other parts.
    """
    if entry is None:
        return None
    parts = [Part(*found) for found in blocks_of(completion, entry)]
    found = [(part, s) for part in parts for s in stretches(part.text)]
    every = [x for _, s in found for x in s.statements]
    own = {name for x in every if x.defines or entry in x.binds for name in x.binds - x.imports}
    completed = _completed(parts, found, own, entry, prompt, tests)
    # An import is the answer only where nothing defines the function.
    places = [(p, s) for p, s in found if _definitions(s, entry)] or [
        (p, s) for p, s in found if any(entry in x.binds for x in s.statements)
    ]
    if completed or not places:
        return completed
    part, chosen = _last(places, entry)
    pool = [x for _, s in found if s is not chosen for x in s.statements if entry not in x.binds]
    pool = without_own_imports(pool, own, entry)
    body = without_own_imports(_body(part, chosen, entry), own, entry)
    kept = answer(body, {entry, *names_read(tests)}, chosen.tail)
    whole = chosen.text if len(kept) == len(chosen.statements) else None
    code, futures = _text(kept, pool, names_bound(prompt), whole)
    return Final(part.text, part.fenced, code, futures)


def names_bound(source: str) -> frozenset[str]:
    """Names that the longest part of a source that parses defines."""
    lines = source.split("\n")
    return frozenset().union(*(s.binds for s in statements("\n".join(lines[: longest(lines)]))))


def _last(places: list[tuple[Part, Stretch]], entry: str) -> tuple[Part, Stretch]:
    """The last place that is the answer, by what it holds and by the words that lead to it."""
    whole = [place for place in places if _counting(*place, entry)] or places
    several = len(whole) > 1
    kept = [(part, s) for i, (part, s) in enumerate(whole) if not several or not _aside(part.lead, i > 0)]
    kept = kept or whole
    last = kept[-1]
    if RETRACTED.search(last[0].lead):
        return last
    # One that returns nothing, after one that does, is an excerpt.
    return next((p for p in reversed(kept) if _gives(_counting(*p, entry))), last)


def _definitions(s: Stretch, entry: str) -> list[Statement]:
    return [x for x in s.statements if entry in x.binds - x.imports]


def _counting(part: Part, s: Stretch, entry: str) -> Statement | None:
    """The definition of a stretch that counts: its last whole one that is no excerpt of one before."""
    whole = [x for x in _definitions(s, entry) if not _partial(part, s, x)]
    return next((x for x in reversed(whole) if _gives(x)), whole[-1] if whole else None)


def _body(part: Part, s: Stretch, entry: str) -> list[Statement]:
    """The statements of a stretch without further definitions after the one that counts."""
    last = _counting(part, s, entry)
    own = [i for i, x in enumerate(s.statements) if x is last]
    return [x for i, x in enumerate(s.statements) if not own or i <= own[0] or entry not in x.binds]


def _gives(s: Statement | None) -> bool:
    """Whether a definition may give a value or raise: not one that can only fall through."""
    if s is None or not isinstance(s.node, FUNCTION):
        return s is not None
    inside: list[ast.AST] = list(s.node.body)
    for x in inside:
        if isinstance(x, (ast.Raise, ast.Yield, ast.YieldFrom)) or (isinstance(x, ast.Return) and x.value):
            return True
        if not isinstance(x, DEFINITION):
            inside += ast.iter_child_nodes(x)
    return False


def _aside(lead: str, later: bool) -> bool:
    """Whether prose leads to code that is not meant as the answer."""
    line = next((x for x in reversed(lead.split("\n")) if x.strip()), "")
    if WRONG.search(line) and not MENDED.search(line) and not (later and ANNOUNCED.search(line)):
        return True
    return later and ALSO.search(line) is not None and not RETRACTED.search(lead)


def _partial(part: Part, s: Stretch, definition: Statement) -> bool:
    """Whether the function is a stub, or the text ends within it."""
    last, node = s.statements[-1] is definition, definition.node
    if not isinstance(node, FUNCTION):
        return last and s.cut
    if last and (s.cut or not (part.closed or s.tail.strip() or _ends(node.body))):
        return True
    return all(
        isinstance(x, ast.Pass)
        or (isinstance(x, ast.Expr) and isinstance(x.value, ast.Constant))
        or (isinstance(x, ast.Raise) and "NotImplemented" in ast.dump(x))
        for x in node.body
    )


def _ends(body: list[ast.stmt]) -> bool:
    """Whether a function ends with these statements, as a whole one does: with `return` or `raise`.

    Behind a loop or a branch that returns at times, a last line is missing.
    """
    last = body[-1]
    if isinstance(last, ast.If):
        return _ends(last.body) and bool(last.orelse) and _ends(last.orelse)
    if isinstance(last, LOOP) and last.orelse:
        return _ends(last.orelse)
    if isinstance(last, (ast.With, ast.AsyncWith)):
        return _ends(last.body)
    if isinstance(last, LOOP) and not isinstance(getattr(last, "test", None), ast.Constant):
        inner = {type(x) for x in ast.walk(last)}
        return ast.Return not in inner and bool(inner & {ast.Raise, ast.Yield, ast.YieldFrom})
    inside = [] if isinstance(last, DEFINITION) else ast.walk(last)
    return any(isinstance(x, (ast.Return, ast.Raise, ast.Yield, ast.YieldFrom)) for x in inside)


def _text(
    kept: list[Statement], pool: list[Statement], known: frozenset[str], whole: str | None
) -> tuple[str, str]:
    """Source of the kept statements, after those of the pool that they need; and the future imports.

    `whole`: their source where all statements of a text are kept.
    """
    have = known.union(*(s.binds for s in kept))
    missing = frozenset().union(*(s.reads for s in kept)) - have
    added: list[Statement] = []
    while wanted := [s for s in pool if s.binds & missing and s not in added and _helps(s)]:
        last = wanted[-1]
        added.append(last)
        have |= last.binds
        missing = (missing | last.reads) - have
    added = [s for s in pool if s in added]
    futures = [s.source for s in kept if s.future]
    if whole is not None and not added and not futures:
        return whole, ""
    return "\n".join(s.source for s in [*added, *kept] if not s.future), "\n".join(futures)


def _helps(s: Statement) -> bool:
    return s.defines or isinstance(s.node, (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Try))


def _completed(
    parts: list[Part],
    found: list[tuple[Part, Stretch]],
    names: set[str],
    entry: str,
    prompt: str,
    tests: str,
) -> Final | None:
    """A function's body after the prompt, without what follows the function.

    Not where the function is defined as well, unless all that follows a whole body as code of the same text.
    `names`: functions that the completion defines.
    """
    again = sum(len(_definitions(s, entry)) for _, s in found)
    for part in parts:
        first = next((line for line in part.text.split("\n") if line.strip()), "")
        if not first[:1].isspace() or not prompt:
            continue
        start = prompt + ("\n" if part.fenced and not prompt.endswith("\n") else "")
        lines = (start + part.text).replace("\r\n", "\n").split("\n")
        count = longest(lines, start.count("\n") + 1)
        every = statements("\n".join(lines[:count]))
        own = [i for i, s in enumerate(every) if entry in s.binds - s.imports]
        if not own or (again and (len(own) <= again or not _gives(every[own[0]]))):
            continue
        # A second definition after the completed one begins another answer.
        body = [s for i, s in enumerate(every) if i <= own[0] or entry not in s.binds]
        body = without_own_imports(body, names | {entry}, entry)
        tail = "\n".join(lines[count:])
        kept = answer(body, {entry, *names_read(tests), *names_bound(prompt)}, tail)
        pool = [s for other, stretch in found if other is not part for s in stretch.statements]
        whole = "\n".join(lines[:count]) if len(kept) == len(every) else None
        code, futures = _text(kept, pool, frozenset(), whole)
        return Final(part.text, part.fenced, code, futures, True)
    return None
