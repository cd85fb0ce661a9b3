r"""MATH-500: competition problems with a LaTeX answer (Hendrycks et al., 2021; Lightman et al., 2023).

The last `\boxed{}` is compared as a string first; then exactly, where both are numbers, numerals of some
base, words, options or sets; and else by math-verify in a process that can be killed.
"""

from __future__ import annotations

import re
from typing import Any

from goodpart.benchmarks.mathematics.equations import as_point, names, other_brackets, sides
from goodpart.benchmarks.mathematics.equivalence import equivalent
from goodpart.benchmarks.mathematics.latex import (
    PLACEHOLDER,
    boxes,
    cleaned,
    last_box,
    last_boxed,
    lettered,
    normalised,
    numeral,
    same_numeral,
    value,
    word,
)
from goodpart.benchmarks.mathematics.notations import listed, matched, option, residue, vector
from goodpart.benchmarks.mathematics.remarks import BOLD, changed_by_words, unadorned
from goodpart.benchmarks.mathematics.sets import as_set, same_set
from goodpart.benchmarks.mathematics.words import plain_words
from goodpart.benchmarks.scoring import (
    Verdict,
    before_end_markers,
    before_next,
    before_stops,
    without_thinking,
)

SANDBOX = False
HEDGE = r"[0-9}]\s*(?:\\text[a-z]*\s*\{\s*)?(?:or|to|and)\s+(?:more|less|fewer)\b|\bat (?:least|most)\b"
CHANGED = r"[0-9}]\s*\\(?:text[a-z]*|mbox|mathrm)\s*\{[\s~-]*(?:squared|cubed|factorial|per\s*mille|mil)\b"
GLUE = 60  # characters between boxes of one answer
TIGHT = re.compile(r"[\s$.()\[\]\\]*(?:,|;|and|or|,\s*and|,\s*or)[\s$()\[\]\\]*")
RETRACTION = re.compile(
    r"\b(?:wait|actually|no|not|wrong|incorrect|mistake|instead|rather|correct(?:ed|ion)?|check|error|oops|sorry)\b",
    re.IGNORECASE,
)
MOST_VALUES = 8
NO_NUMBER = (  # where one number is asked for
    ("a list", re.compile(r"^[0-9]+(?:,\s+[0-9]+)+$")),
    ("two numbers", re.compile(r"^(?!-?[0-9]{1,3}(?:\s[0-9]{3})+$)-?[0-9]+(?:\s+[0-9]+)+$")),
    (
        "a relation",
        re.compile(r"^(?:[<>\u2264\u2265\u2260]|\\(?:[lg]eq?(?:slant)?|[lg]t|neq?)(?![a-zA-Z]))"),
    ),
    ("primed", re.compile(r"^[^'\\]*(?:'|\\prime)")),
    ("another number", re.compile(HEDGE, re.IGNORECASE)),
    ("another number", re.compile(CHANGED, re.IGNORECASE)),
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]|[\t\n](?=[a-z])")  # \frac, \text, \neq as JSON reads them
LAST_LETTER = re.compile(r"(?<![A-Za-z\\])([A-Za-z])$")
SECONDS = 5.0  # of processor time, for one comparison by math-verify


def cut(completion: str, style: str) -> str:
    """Without the problems that a model adds after its answer to a few-shot prompt."""
    return before_next(completion, "Problem:", _answered) if style == "paper" else completion


def strict_cut(completion: str, style: str) -> str:
    """Up to the stop string of the few-shot style."""
    return before_stops(completion, ("Problem:",)) if style == "paper" else completion


def _answered(before: str) -> bool:
    found = last_boxed(before)
    return found is not None and not PLACEHOLDER.fullmatch(found)


def score(reference: dict[str, Any], completion: str, sandbox: Any = None) -> Verdict:
    """Judge the last boxed answer, or the last boxes where they hold one answer together."""
    gold, text = reference["answer"], before_end_markers(completion)
    after = without_thinking(text)
    text = after if last_box(after) else text
    found = last_boxed(text)
    if found is None:
        return Verdict(False, None, "no boxed answer")
    together, listed_alike = joined(text, gold)
    if together is not None and not listed_alike:
        return Verdict(False, together[:200], "several answers where one is asked for")
    same, reason = compare(gold, found)
    if not same and together is not None:
        found = together
        same, reason = compare(gold, found)
    return Verdict(same, found[:200], reason)


def strict(reference: dict[str, Any], completion: str, sandbox: Any = None) -> bool:
    r"""The last box as it stands: the gold answer as a text (Hendrycks et al., 2021), or the same number."""
    found = boxes(before_end_markers(completion))
    if not found:
        return False
    units = not lettered(reference["answer"])
    gold, answer = cleaned(reference["answer"], units), cleaned(found[-1][2], units)
    wanted = value(gold)
    return normalised(gold) == normalised(answer) or (wanted is not None and wanted == value(answer))


def gold_fault(reference: dict[str, Any]) -> str | None:
    """Why no completion could be right: an answer that does not equal itself."""
    answer = reference["answer"]
    if not answer.strip():
        return "its answer is empty"
    if CONTROL.search(answer):
        return f"its answer {answer!r} holds control characters: backslashes must be doubled in JSON"
    boxed = f"\\boxed{{{answer}}}"
    found = boxes(boxed)
    whole = len(found) == 1 and found[0][1] == len(boxed) - 1
    return None if whole and score(reference, boxed).correct else f"its answer {answer!r} cannot be boxed"


def joined(text: str, gold: str) -> tuple[str | None, bool]:
    """The content of the last boxes where they stand close together, and whether the gold answer has as many.

    Boxes with nothing but commas and `and` between them are one answer. Ones with a few words between are one
    answer only to a gold answer of as many values.
    """
    wanted = [part for part in listed(cleaned(gold).strip("()")) if part]
    group = close = [box for box in boxes(text) if not PLACEHOLDER.fullmatch(box[2])][-1:]
    every = [box for box in boxes(text) if not PLACEHOLDER.fullmatch(box[2])]
    for box in reversed(every[:-1]):
        between = text[box[1] + 1 : group[0][0]]
        between = between[: between.rfind("\\")]
        if len(between) > GLUE or RETRACTION.search(between):
            break
        close = [box, *close] if close is group and TIGHT.fullmatch(between) else close
        group = [box, *group]
        close = group if len(close) == len(group) else close
    for boxed, tight in ((close, True), (group, False)):
        values = list(dict.fromkeys(cleaned(content) for *_, content in boxed))
        if len(values) == len(wanted) > 1:
            one = ",".join(values)
            return (f"({one})" if re.match(r"\s*(?:\\left\s*)?\(", gold) else one), True
        if tight and len(values) > 1 and len(wanted) == 1:
            alike = all(compare(gold, content)[0] for content in values)  # 1/2 or 0.5: one answer
            return (None if alike else ",".join(values)), False
    return None, False


def compare(gold: str, found: str) -> tuple[bool, str]:
    """Whether an answer in LaTeX equals the gold one, and how that was decided."""
    if gold.strip() == found.strip() != "":
        return True, "equal as text"
    units = not lettered(gold)
    gold, found = cleaned(gold, units), cleaned(BOLD.sub(r"\1\2\3", found), units)
    if "\\ldots" in gold + found:
        return normalised(gold) == normalised(found), "an ellipsis, compared as text"
    if (chosen := option(gold, found)) is not None:
        return chosen, "compared as options"
    if (point := as_point(gold, cleaned(unadorned(found, gold), units))) is None:
        return False, "roots, not a point"
    found = point
    if (same := _as_sets(gold, found)) is not None:
        return same
    residues = residue(gold), residue(found)
    if any(residues):
        return _as_residues(gold, found, *residues)
    *left, right = sides(found) if "=" not in gold else [found]
    if len(left) == 1 and not names(left[0], right) and names(right, left[0]):
        left, right = [right], left[0]  # 5 = x
    if all(names(side, right) or _equal(gold, side)[0] or same_numeral(gold, side) for side in left):
        return _equal(gold, right)
    return False, "an equation, not what is asked for"


def _alike(gold: str, found: str) -> bool:
    return _equal(gold, found)[0]


def _as_sets(gold: str, found: str) -> tuple[bool, str] | None:
    """A verdict on sets of real numbers, however they are written; None for other answers."""
    answer = as_set(found)
    if answer is None or not answer[1]:
        return None
    wanted = as_set(gold)
    if wanted is None:
        return (
            (False, "an interval for a list of numbers")
            if len(listed(gold)) > 1 and "(" not in gold
            else None
        )
    return (True, "compared as sets") if same_set(wanted[0], answer[0], _alike) else None


def _as_residues(
    gold: str, found: str, wanted: tuple[str, str] | None, answer: tuple[str, str] | None
) -> tuple[bool, str]:
    same = not (wanted and answer) or wanted[1] == answer[1]
    return same and _alike(
        wanted[0] if wanted else gold, answer[0] if answer else found
    ), "compared as residues"


def _as_lists(gold: str, found: str) -> bool:
    r"""Whether `\pm` hides that two lists hold the same values, or two vectors are written differently."""
    a, b = vector(gold), vector(found)
    if a and b and a[0] != b[0] and {"matrix", "angled"} & {a[0], b[0]}:
        return len(a[1]) == len(b[1]) and all(map(_alike, a[1], b[1]))
    if not re.search(r"\\(?:pm|mp)(?![a-zA-Z])", gold + found):
        return False
    golds, answers = listed(gold), listed(found)
    return 1 < len(golds) <= MOST_VALUES and matched(golds, answers, _alike)


def _equal(gold: str, found: str) -> tuple[bool, str]:
    wanted, answer = value(gold), value(found)
    if wanted is not None and answer is not None:
        # For a gold such as 0.15, 0.15 % is another number; for 15, it is the 15 of 15 %.
        percent = "%" in found and "%" not in gold
        readings = ([answer] if not percent or abs(wanted) >= 1 else []) + [answer / 100] * percent
        return wanted in readings, "compared as numbers"
    a, b = numeral(gold), numeral(found)
    if a is not None and a[1] is not None:
        return b in (a, (a[0], None)), "compared as numerals of a base"
    if b is not None and b[1] is not None:
        return a == (b[0], None) and b[1] == "10", "compared as numerals of a base"
    if "\\text" in gold and (letters := word(gold)) is not None:
        said = word(found)
        same = said is not None and (said == letters or plain_words(said) == plain_words(letters))
        return same, "compared as words"
    if wanted is not None and (reason := next((why for why, no in NO_NUMBER if no.search(found)), None)):
        return False, reason
    if other_brackets(gold, found):
        return (True, "compared as vectors") if _as_lists(gold, found) else (False, "other brackets")
    if not (b_text := normalised(found)):
        return False, "the box is empty"
    a_text = normalised(gold)
    if a_text == b_text:
        return True, "equal as text"
    if a_text.casefold() == b_text.casefold():
        return False, "other letters"
    if _as_lists(gold, found):
        return True, "compared value by value"
    if changed_by_words(found) and not changed_by_words(gold):
        return False, "words that change the answer"
    if lettered(gold):  # 3m: no unit, which math-verify would leave out
        gold, found = (LAST_LETTER.sub(r"{\1}", text) for text in (gold, found))
    return equivalent(gold, found, SECONDS)
