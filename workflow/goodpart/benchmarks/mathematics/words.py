"""Numbers, units and bases that answers name in words."""

from __future__ import annotations

import re
from fractions import Fraction

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
SMALL = dict(zip(ONES, range(20), strict=True)) | {word: 10 * i for i, word in enumerate(TENS, 2)}
SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SCALES |= {"lakh": 10**5, "crore": 10**7}
LETTERS = {"k": 10**3, "K": 10**3, "M": 10**6, "mn": 10**6, "B": 10**9, "bn": 10**9}
PARTS = {"tenth": 10, "hundredth": 100, "thousandth": 1000, "millionth": 10**6}
SHARES = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8}
BASES = SMALL | {"binary": 2, "octal": 8, "decimal": 10, "hexadecimal": 16}
SHORT_UNITS = frozenset(
    "cm mm km dm m ft in yd mi kg g mg lb lbs oz t l ml s ms h hr hrs min sec am pm mph kph kmh rpm hz pt "
    "pts usd eur gbp deg yds sq cu day days man men cup cups egg eggs box cat cats dog dogs pie pies way "
    "ways per of a an the".split()
)
# Words after a number that make another answer of it.
NO_UNITS = frozenset(
    "or and nor not no none to than more less least most fewer about approximately around nearly almost over "
    "under above below between plus minus times divided root squared cubed mod modulo choose factorial "
    "negative infinity undefined unknown pi theta alpha beta sqrt sin cos tan cot csc log exp sinh cosh tanh "
    "arcsin arccos arctan frac half halves third thirds quarter quarters mil mille if when where unless "
    "except otherwise wrong false incorrect remainder x y z".split()
)


def number_in_words(text: str) -> Fraction | None:
    """The number that words say, such as `thirty-six`, `two hundred and five` or `one half`; else None."""
    return _spoken(re.findall(r"[a-z]+", text.casefold())) if re.fullmatch(r"[A-Za-z \t,.-]+", text) else None


def _spoken(words: list[str]) -> Fraction | None:
    total, current, seen = 0, 0, False
    for i, word in enumerate(words):
        share = SHARES.get(word.removesuffix("s"), SHARES.get(word))
        if seen and share and i == len(words) - 1:
            return Fraction(total + current, share)
        if word in SMALL:
            if (
                seen
                and current % 100
                and not (current % 10 == 0 and current % 100 >= 20 and SMALL[word] < 10)
            ):
                return None
            current += SMALL[word]
        elif word == "hundred" and seen and 0 < current < 100:
            current *= 100
        elif word in SCALES and seen and current:
            total, current = total + current * SCALES[word], 0
        elif not (word == "and" and seen and i < len(words) - 1):
            return None if not (seen and is_unit(" ".join(words[i:]))) else Fraction(total + current)
        seen = True
    return Fraction(total + current) if seen else None


def is_unit(words: str) -> bool:
    """Whether words after a number only say what it counts or measures, such as `square inches per day`."""
    found = re.findall(r"[A-Za-z]+", words)
    return (
        bool(found)
        and not any(word.casefold() in NO_UNITS or word.casefold() in SCALES for word in found)
        and all(len(word) > 3 or word.casefold() in SHORT_UNITS for word in found)
    )


def hedged(words: str) -> bool:
    """Whether words after a number make another answer of it, such as `or more` and `and up`."""
    found = [word.casefold() for word in re.findall(r"[A-Za-z]+", words)]
    if found[1:] and found[0] in SHARES and found[0] != "half" and found[1] not in ("of", "a", "an", "the"):
        del found[0]  # third graders
    return found[:1] == ["and"] or any(word in NO_UNITS - {"and", "to", "over"} for word in found)


def scaled(words: str) -> tuple[Fraction, str]:
    """The factor that the first words after a number are, and the words that remain: `million dollars`."""
    factor = Fraction(1)
    found = words.lstrip("- ").split()
    if found and found[0] in LETTERS:
        factor *= LETTERS[found.pop(0)]
    while found and (word := found[0].casefold().strip(".,")) in SCALES:
        factor *= SCALES[word]
        found.pop(0)
    first = found[0].casefold().strip(".,") if found else ""
    if not first.endswith("s") and found[1:] and found[1].casefold() not in ("of", "a", "an", "the"):
        return factor, " ".join(found)  # of third graders, twelve are twelve
    if part := SHARES.get(first, PARTS.get(first.removesuffix("s"), SHARES.get(first.removesuffix("s")))):
        factor /= part
        found.pop(0)
    return factor, " ".join(found)


def base(word: str) -> str:
    """A base in digits, whether it is named by digits or by a word."""
    return str(BASES.get(word.casefold(), word))


def plain_words(answer: str) -> str:
    """An answer in words without its article, and without a noun such as `function` after an adjective."""
    return re.sub(
        r"^(?:an?|the|due)\s+(?=.)|(?<=\w)\s+(?:function|curve|direction)s?$", "", answer, flags=re.IGNORECASE
    )
