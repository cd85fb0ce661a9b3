"""HumanEval: functions to complete from signature and docstring (Chen et al., 2021)."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from goodpart.benchmarks.programs.blocks import final
from goodpart.benchmarks.programs.code import extract, run_programs
from goodpart.benchmarks.programs.statements import MOST_PARSES, parsed, statements
from goodpart.benchmarks.scoring import Verdict, before_stops, without_thinking

SANDBOX = True
# Where Chen et al. (2021, section 2.1) end a function body after which a model goes on.
STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")

HELPER = re.compile(r"^(?:class|def)[ \t]+(\w+)", re.MULTILINE)


def cut(completion: str, style: str) -> str:
    """A raw function body up to where the function ends; whole functions and fenced ones as they are.

    A stop string inside of a docstring or brackets ends nothing, nor does one with a helper below that the
    body calls, nor a comment with more of the body below.
    """
    if not _is_raw_body(completion, style):
        return completion
    needed = False
    for found in islice(re.finditer("|".join(map(re.escape, STOPS)), completion), MOST_PARSES):
        before, rest = completion[: found.start()], completion[found.start() + 1 :]
        line = next((x for x in rest.split("\n") if x.strip() and not x.lstrip().startswith("#")), "")
        comment = rest.startswith("#") and line[:1].isspace()
        code = [] if comment else statements(f"def f():\n{before}\n")
        missing = {name for s in code for name in s.reads} - {name for s in code for name in s.binds}
        below = not missing.isdisjoint(HELPER.findall(rest))
        if code and not below:
            return before
        needed = needed or below
    if needed or parsed(f"def f():\n{completion}\n") is not None:
        return completion
    return strict_cut(completion, style)


def strict_cut(completion: str, style: str) -> str:
    """A raw function body up to the first stop string."""
    return before_stops(completion, STOPS) if _is_raw_body(completion, style) else completion


def _is_raw_body(completion: str, style: str) -> bool:
    first = next((line for line in completion.split("\n") if line.strip()), "")
    return first[:1].isspace() and "```" not in completion and style in ("bare", "paper")


def score(reference: dict[str, Any], completion: str, sandbox: Any = None) -> Verdict:
    """Run prompt, final answer and tests: the answer as it stands, else without its demo.

    The prompt stays in front, for tests that call its helpers.
    """
    entry, prompt = reference["entry_point"], reference["prompt"]
    text = without_thinking(completion)
    found = final(text, entry, prompt, reference["test"])
    code, fenced = (found.whole, found.fenced) if found else extract(text, entry)
    programs = [(_program(reference, code, fenced), code)]
    if found and found.futures:
        programs.clear()  # these imports must stand in front of the prompt
    if found and found.code.strip() != code.strip():
        start = "" if found.body else f"{prompt}\n"
        program = f"{found.futures}\n{start}{found.code}\n{reference['test']}\ncheck({entry})"
        programs.append((program.lstrip("\n"), found.code))
    return run_programs(programs, sandbox)


def strict(reference: dict[str, Any], completion: str, sandbox: Any = None) -> bool | None:
    """Chen et al.'s (2021) verdict: the text as it stands, or its first fitting block, after the prompt."""
    code, fenced = extract(completion, reference["entry_point"])
    return run_programs([(_program(reference, code, fenced), code)], sandbox).correct


def _program(reference: dict[str, Any], code: str, fenced: bool) -> str:
    prompt = reference["prompt"]
    start = prompt + ("\n" if fenced and not prompt.endswith("\n") else "")
    return f"{start}{code}\n{reference['test']}\ncheck({reference['entry_point']})"


def gold_fault(reference: dict[str, Any]) -> str | None:
    """Why no completion could pass: tests that do not parse or check nothing, a function without a name."""
    if parsed(reference["test"]) is None:
        return "its tests are no Python"
    if "check" not in {name for s in statements(reference["test"]) for name in s.binds}:
        return "its tests define no function `check`"
    entry = reference["entry_point"]
    if not re.search(rf"\b{re.escape(entry)}\b", reference["prompt"]):
        return f"its prompt does not name its entry_point {entry!r}"
    return None
