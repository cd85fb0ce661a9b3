"""GSM8K: word problems with one number as the answer (Cobbe et al., 2021).

Only an anchored answer counts: `Final Answer`, a `####` that a number follows, or a `\\boxed{}`. A line that
begins with `Final Answer:` goes before all boxes, the other anchors before the boxes above them; of several
the last decides. `Final answer` in a sentence and `####` as a heading name no answer. A line that names more
than one number is no answer. Verdicts also hold `last_number`, a separate and more lenient metric: the last
number of the text where nothing is anchored.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from fractions import Fraction
from typing import Any

from goodpart.benchmarks.mathematics.latex import DEGREES, last_box, last_boxed
from goodpart.benchmarks.scoring import (
    Verdict,
    before_end_markers,
    before_next,
    before_stops,
    without_thinking,
)

SANDBOX = False

ANCHOR = re.compile(
    r"(?P<head>^(?:[^\w\n]|[0-9]{1,2}[.)]){0,12})?(?P<label>final[ \t\u00a0_]+answer)"
    r"(?:[ \t]*\([^()\n]{0,80}\))?"
    r"(?:[\s*_]*(?:(?P<colon>(?:is\b[\s*_]*)?[:：=])|(?P<verb>is\b)))?"
    r"|(?<!#)####+",
    re.IGNORECASE | re.MULTILINE,
)
CURRENCY = re.compile(
    r"(?-i:\b[A-Z]{1,3}(?=\$))|[$€£¥₹₩₽¢]"
    r"|\b(?:US|USD|EUR|GBP|AUD|CAD|INR|Rs\.?)(?=\s*[-\u2212$]*[0-9])",
    re.IGNORECASE,
)
NUMBER_FIRST = re.compile(r"(?:\\[a-z]+|[^\w\n])*[0-9]", re.IGNORECASE)
NUMBERED = re.compile(r"[\s*_]*[0-9]+[.)]\s+[*_]*[a-z]", re.IGNORECASE)  # the heading of a step
NAMED = re.compile(r"\A\s*(?:answer\s*[:：=]?|[a-z]\w{0,20}\s*=)", re.IGNORECASE)
THOUSANDS = re.compile(r"(?<=[0-9])(?:\{,\}|,\\!\s?|\\,|[\u00a0\u2009\u202f])(?=[0-9]{3}(?![0-9]))")
FRACTION = re.compile(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
EXPONENT_OF_UNIT = re.compile(r"(?<=[A-Za-z])(\s?\})?\s?(?:[\u00b2\u00b3]|\^\s?(?:[23]|\{\s?[23]\s?\}))")
CHANGING = re.compile(  # what makes of a number another one, or none
    r"\\(?:pi|pm|mp|sqrt|[dtc]?frac|binom|log|ln|exp|sin|cos|tan|infty|neq?|not|[lg]eq?|[lg]t|times|cdot|div"
    r"|over|overline|sum|prod|int|lim|[bp]?mod)(?![a-zA-Z])"
    r"|[\u00b1\u2213\u00d7\u00f7\u221a\u03c0\u221e\u2260]|[0-9)]\s*(?:[+^]|[*/]\s*[nxyz](?![a-zA-Z]))|[0-9][nxyz](?![a-zA-Z])"
)
WORDED = re.compile(  # 18 squared, 18 and a half
    r"[0-9]\s*(?:squared|cubed|factorial)\b"
    r"|\band\s+(?:an?|one|two|three|four|five)[\s-]+(?:half|halves|third|quarter|fourth|fifth|sixth|eighth|tenth)s?\b",
    re.IGNORECASE,
)
CALCULATOR = re.compile(r"<<[^<>\n]*>>")  # of the data set's own solutions: 9*2=<<9*2=18>>18
FENCE = re.compile(r"\s*(?:`{3,}|~{3,})\w*\s*")
BULLET = re.compile(r"^[\s*_]*[-+*\u2022\u2013\u2014]\s+")
RESTATED = re.compile(  # 160 minutes (2 hours 40 minutes)
    r"(?<=[a-z])\s*\((?![^()]*\b(?:or|to|not|and/or)\b)(?=[^()]*[0-9])(?=[^()]*[a-z])[^()]*\)[\s.*$]*$",
    re.IGNORECASE,
)
CALCULATION = re.compile(  # 9 * 2
    r"[\s$]*\(?[-\u2212]?[0-9][0-9.,$]*\s*[-+*/\u00d7\u00f7][-\s0-9.,$()+*/\u00d7\u00f7]*"
)
NEGATIVE = re.compile(r"\b(?:minus|negative)\s+(?=\.?[0-9])", re.IGNORECASE)
SCALES = {"hundred": 100, "k": 10**3, "thousand": 10**3, "million": 10**6, "billion": 10**9}
SCALES |= {
    "lakh": 10**5,
    "crore": 10**7,
    "mm": 10**6,
    "trillion": 10**12,
    "m": 10**6,
    "b": 10**9,
    "mn": 10**6,
    "bn": 10**9,
    "mil": 10**6,
}
SCALE = re.compile(
    r"[\s-]?(k|hundred|thousand|lakh|million|crore|billion|trillion|mil|mn|bn|(?-i:(?<=[0-9])[MB]))(?![a-z0-9])",
    re.IGNORECASE,
)
# A dash that stands where a sign can: at the start, after a currency sign or an opening bracket.
DASH = re.compile(r"(?:^|(?<=[$€£¥(\s]))[\u2010-\u2015\ufe63\uff0d](?=[$€£¥]?\.?[0-9])")
PRICED = re.compile(r"([$€£¥₹]\s?[0-9][0-9.,]*)\s?(MM|M|B|K)(?![A-Za-z0-9])")  # $2 M
DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|(?<![A-Za-z])\.[0-9]+"
POWER = r"[eE][-+]?[0-9]"
NUMBER = re.compile(rf"(?<![A-Za-z0-9.])[-+\u2212]?(?:{DIGITS})(?:{POWER}{{1,3}})?(?!\.?[0-9]|{POWER})")
PRICES = {"MM": "million", "M": "million", "B": "billion", "K": "thousand"}
FULL_WIDTH = re.compile("[\uff05\uff0b-\uff1a\uff04]")
CUT_OFF = re.compile(r"[0-9]\s?\u2026")  # 2… may be the start of any number
MIXED = re.compile(r"\s*(-?)([0-9]{1,9})\s+([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*\.?\s*")
SPACED = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?: [0-9]{3})+(?![0-9])")
RATIO = re.compile(r"\s*([-+\u2212]?[0-9]{1,400})\s*/\s*([0-9]{1,400})\s*\.?\s*")


def cut(completion: str, style: str) -> str:
    """Without the problems that a model adds after its answer to a few-shot prompt."""
    return before_next(completion, "Question:", _answered) if style == "paper" else completion


def strict_cut(completion: str, style: str) -> str:
    """Up to the stop string of the few-shot style."""
    return before_stops(completion, ("Question:",)) if style == "paper" else completion


def _answered(before: str) -> bool:
    found = anchored(before)
    return found is not None and number(found) is not None


def score(reference: dict[str, Any], completion: str, sandbox: Any = None) -> Verdict:
    """Compare the anchored answer with the gold number, exactly."""
    completion = before_end_markers(completion)
    after = without_thinking(completion)
    completion = after if anchored(after) is not None else completion
    gold = number(reference["answer"])
    text = anchored(completion)
    if text is None:
        last = last_number(completion)
        return Verdict(False, None, "no anchored answer", last_number=last is not None and last == gold)
    found = number(text)
    same = found is not None and found == gold
    if found is None:
        return Verdict(False, text.strip()[:80], "the anchored answer is not one number", last_number=False)
    reason = "equal" if same else f"not equal to {reference['answer']}"
    return Verdict(same, str(found)[:80], reason, last_number=same)


def strict(reference: dict[str, Any], completion: str, sandbox: Any = None) -> bool:
    """The documented anchor alone, without any care for thinking or for the problem restated."""
    text = anchored(before_end_markers(completion))
    found = None if text is None else number(text)
    return found is not None and found == number(reference["answer"])


def gold_fault(reference: dict[str, Any]) -> str | None:
    """Why no completion could be right: a gold answer that is not one number."""
    answer = reference["answer"]
    return None if number(answer) is not None else f"its answer {answer!r} is not one number"


def anchored(completion: str) -> str | None:
    """The text that the deciding anchor names as the answer, or None."""
    start, box = last_box(completion) or (-1, None)
    vague = None  # from `The final answer is in dollars, 3 of which ...`, if nothing above names a number
    below = len(completion)
    for anchor in reversed(list(ANCHOR.finditer(completion))):
        line = _named(anchor, completion[anchor.end() : below])
        below = anchor.start()
        if start > anchor.end() and not (anchor["head"] is not None and anchor["colon"]):
            return box
        if not line:
            continue
        inner = last_boxed(line)
        answer = line if inner is None else inner
        if number(answer) is not None:
            if anchor["colon"] or inner is not None or not anchor["label"] or _begins_with_number(line):
                return answer
            vague = vague or answer
        elif anchor["colon"]:
            return vague or (box if start > anchor.end() else answer)
    return box if box is not None and number(box) is not None else vague or box


def _named(anchor: re.Match[str], rest: str) -> str | None:
    """The line after an anchor that may hold its answer: the first that is not only markup."""
    own, _, after = rest.partition("\n")
    if not anchor["label"]:
        own = NAMED.sub("", own, count=1)
        return own if _begins_with_number(own) and not NUMBERED.match(own) else None
    lines = (part for part in rest.split("\n") if not FENCE.fullmatch(part))
    line = next((part for part in lines if part.strip(" \t\r*_:$[]\\")), None)
    if line is None or anchor["colon"] or anchor["verb"]:
        # Below its label, a dash before a space begins an item of a list.
        return line if line is None or own.strip(" \t\r*_:$[]\\") else BULLET.sub("", line, count=1)
    if any(c.isalnum() for c in own):
        line = re.sub(r"^[\s*]*[-\u2013\u2014]\s", " ", own)  # a dash after the label is no sign
    elif anchor["head"] is not None:  # a heading
        line = next((part for part in after.split("\n") if any(c.isalnum() for c in part)), "")
        return BULLET.sub("", line, count=1) if BULLET.match(line) else line or None
    return line if _begins_with_number(line) else None


def _begins_with_number(line: str) -> bool:
    return NUMBER_FIRST.match(CURRENCY.sub("", line)) is not None


def number(text: str) -> Decimal | Fraction | None:
    """The number in an answer, after removing currency, thousands separators, units and markup.

    A fraction of integers counts, so does what follows the last equals sign (or stands before it, where a
    calculation follows: 18 = 9 * 2), and words for the sign and for powers of ten. None when there is no
    number or more than one, when an operator, a function or a variable makes another of it, and for digits of
    other scripts, superscripts and fractions of one character.
    """
    text = unicodedata.normalize("NFKC", text) if FULL_WIDTH.search(text) else text
    text = CALCULATOR.sub("", text)
    result, _, rest = text.partition("=")
    if CALCULATION.fullmatch(rest):
        text = result
    text = DASH.sub("-", EXPONENT_OF_UNIT.sub(r"\1", RESTATED.sub("", text.rsplit("=", 1)[-1])))
    if CUT_OFF.search(text):
        return None
    text = PRICED.sub(lambda found: f"{found[1]} {PRICES[found[2]]}", text)
    if any(c.isnumeric() and not c.isascii() for c in text):
        return None  # 18\u00b2 and 18\u00bd are not 18
    text = FRACTION.sub(r" \1/\2 ", THOUSANDS.sub("", text))
    text = re.sub(r"\\(?:text|math|mbox)[a-z]*\s*\{([^{}]*)\}", r" \1 ", text)
    text = re.sub(r"\*\*|__", " ", DEGREES.sub(" ", CURRENCY.sub("", text.replace("\\$", "$"))))
    if CHANGING.search(text) or WORDED.search(text):
        return None
    text = re.sub(r"\\[a-zA-Z]+|\\[!,;: ]|[{}*_~`%\\\0\ufeff]", " ", text)
    text = NEGATIVE.sub("-", " ".join(text.split()))
    text = re.sub(r"(?<![\w.)])(?<![\w.)] )([-\u2212]) (?=[.0-9])", r" \1", text)
    if mixed := MIXED.fullmatch(text):
        whole, above, below = (int(part) for part in mixed.groups()[1:])
        return (-1 if mixed[1] else 1) * (whole + Fraction(above, below)) if below else None
    text = SPACED.sub(lambda found: found[0].replace(" ", ""), text)
    if ratio := RATIO.fullmatch(text):
        return Fraction(int(_ascii(ratio[1])), int(ratio[2])) if int(ratio[2]) else None
    found = list(NUMBER.finditer(text))
    if len(found) != 1:
        return None
    scale = SCALE.match(text, found[0].end())
    return Decimal(_ascii(found[0][0])) * (SCALES[scale[1].lower()] if scale else 1)


def last_number(text: str) -> Decimal | None:
    """The last number anywhere in a text, or None."""
    found = NUMBER.findall(CURRENCY.sub("", THOUSANDS.sub("", text)))
    return Decimal(_ascii(found[-1])) if found else None


def _ascii(digits: str) -> str:
    return digits.replace("\u2212", "-").replace(",", "")
