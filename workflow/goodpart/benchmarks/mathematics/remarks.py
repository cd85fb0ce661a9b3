r"""Words and marks around a LaTeX answer: some say nothing, others change the answer."""

from __future__ import annotations

import re

from goodpart.benchmarks.mathematics.words import hedged, number_in_words

LONGEST = 500  # characters of an answer whose words are read
TEXT = r"\\(?:text|math|mbox)[a-z]*\s*\{([^{}]*)\}"
LISTED = re.compile(r",?\s*\\(?:text|mbox)[a-z]*\s*\{\s*(?:and|or)\s*\}")
TAIL = re.compile(
    r"\\(?:text|mbox|math(?:rm|it|bf))[a-z]*\s*\{.*\}(?:\s*\^\s*\{?\s*[0-9]\s*\}?)?[\s.]*$", re.DOTALL
)
EXPONENT = re.compile(r"\^\s*(?:\{\s*-?[0-9]\s*\}|-?[0-9])")
REMARK = re.compile(r"\(\s*(?:about|approximately|around|roughly|mod)?([^()]*)\)")
UNIT_MARKS = re.compile(r"[\s./$^{}*~-]|\\(?:cdot|times|quad|qquad|[,;: !])(?![a-zA-Z])")
COMPARED = re.compile(r"\btimes\s*$|\b(?:more|fewer|less)\b(?!\s+than)")  # 18 times, 5 more apples
NO_OTHERS = re.compile(r"\band (?:no others?|nothing else)\b")

BOLD = re.compile(r"\s*(\$?)\s*\*\*([^*]+)\*\*\s*(\$?)\s*")
BEFORE = re.compile(
    r"(?:\s|[=:](?![<>=])|\\(?:approx|sim(?:eq)?|therefore|(?:Long)?[Rr]ightarrow|implies|q?quad)(?![a-zA-Z]))+"
)
AFTER = re.compile(
    r"(?:\s|\\(?:checkmark|blacksquare|qed|q?quad)(?![a-zA-Z])|\\(?:tag\*?|label)\s*\{[^{}]*\}|[\u2713\u2714\u25a0])+$"
)
ALIGNED = re.compile(r"\\begin\{(aligned|align\*?|gathered|split|equation\*?)\}(.*)\\end\{\1\}", re.DOTALL)
FUNCTION = re.compile(
    r"\\(?:text|mathrm|operatorname)\s*\{\s*((?:arc)?(?:sin|cos|tan)|cot|sec|csc|log|ln|exp)\s*\}"
)
IN_WORDS = re.compile(r"\\text\{([-+A-Za-z0-9.,/() ]*=[-+A-Za-z0-9.,/() ]*)\}")  # \text{x = 5}
DOLLARS = re.compile(r"(?<![A-Za-z\\])USD?\s*(?:\\?\$)?\s*(?=[0-9])|\\textdollar(?![a-zA-Z])\s*")
CURRENCY = re.compile(
    r"(?:[\u20ac\u00a3\u00a5\u20b9]|\\(?:euro|texteuro|pounds|textsterling|yen)(?![a-zA-Z]))\s*(?=[0-9])"
)
CENTS = re.compile(r"(?<=[0-9])\s*(?:\u00a2|\\(?:text)?cents?(?![a-zA-Z]))")
DOLLARED = re.compile(r"\\text[a-z]*\s*\{\s*\$([^$]+)\$\s*\.?\s*\}")
SAID = re.compile(  # The answer is, Total:, exactly
    r"(?P<open>\\(?:text[a-z]*|mathrm|mbox)\s*\{)\s*(?P<words>[A-Za-z' ]*)"
    r"(?:\b(?:is|are|equals|be|exactly|only)\b|:)"
    r"\s*(?P<close>\})?\s*(?P<rest>.+)",
    re.DOTALL | re.IGNORECASE,
)
DENIED = re.compile(
    r"n't\b|\b(?:not?|never|neither|nor|none|nothing|wrong|false|incorrect|if|unless|whether|or|and|than|least|most"
    r"|about|approximately|between|half|twice|except|but|cannot|without)\b",
    re.IGNORECASE,
)
RESTATED = re.compile(r"(.*[^\s])\s*\\text\{\s*\(\s*(or|=|i\.e\.,?)?\s*([^()]+)\)\s*\}", re.DOTALL)


def unadorned(answer: str, gold: str) -> str:
    """An answer without what stands beside it and says nothing else: `The answer is`, `=`, a tick, a tag."""
    if len(answer) > LONGEST:
        return answer
    text = AFTER.sub("", BEFORE.sub("", answer, count=1) if BEFORE.match(answer) else answer)
    if (found := ALIGNED.fullmatch(text)) and "\\\\" not in found[2]:
        text = found[2].replace("&", " ").strip()
    text = FUNCTION.sub(r"\\\1 ", text)
    text = CENTS.sub(r"\\text{ cents}", DOLLARS.sub(r"\$", text))
    text = text if "$" in gold else CURRENCY.sub("", text)
    if found := IN_WORDS.fullmatch(text):
        text = found[1]
    if (found := SAID.match(text)) and not DENIED.search(found["words"]):
        text = found["rest"] if found["close"] else found["open"] + found["rest"]
    if found := DOLLARED.fullmatch(text):
        text = found[1]
    if found := RESTATED.fullmatch(text):
        spoken = number_in_words(found[3])
        if spoken is not None or (found[2] and re.fullmatch(r"[-0-9./ ]+", found[3])):
            return f"{found[1]} = {found[3] if spoken is None else spoken}"  # both must be right
    return text


def changed_by_words(answer: str) -> bool:
    r"""Whether the words at the end of an answer make another one of it: a second quantity, or `or more`.

    math-verify leaves out all that begins with the first `\text{}` when the answer ends with one, so that
    `5 \text{ hours } 30 \text{ minutes}` would be 5. Units and remarks in brackets may follow a value.
    """
    if len(answer) > LONGEST:
        return "\\text" in answer
    found = TAIL.search(LISTED.sub(",", answer))
    if not found or found.start() == 0:
        return False
    tail = EXPONENT.sub("", found[0])
    words = NO_OTHERS.sub("", " ".join(re.findall(TEXT, tail)))
    if not re.search(r"\b(?:or|and|at|to)\b", words):
        words = COMPARED.sub("", words)
    remarks = " ".join(REMARK.findall(words))
    words = REMARK.sub(" ", words)
    between = UNIT_MARKS.sub("", re.sub(TEXT, " ", tail))
    if between or re.search("[0-9]", words):
        return True
    return hedged(words) or hedged(remarks)
