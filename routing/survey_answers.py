"""Whether a message gives a survey's score, and which: taps, numbers, words, keycaps and stars. Pure and cautious.

A number that may be anything else (days, a price, a time, one of two) is no score: the message is then an ordinary one.
"""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from config.surveys import SurveyKind

SCALES: dict[SurveyKind, tuple[int, int]] = {"nps": (0, 10), "csat": (1, 5)}
# Five stars of five are not five of ten.
_MAX_STARS_OF_FIVE = 5

_TAP = re.compile(r"(nps|csat):(\d{1,2})")
_STARS = re.compile(r"[⭐★🌟](?:[⭐★🌟\s]*[⭐★🌟])?[\s☆✩]*")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_NUMBER = re.compile(r"\d+(?:[.,:/'’x×–—-]\d+)*")
_OF_SCALE = re.compile(
    r"(?<![\d.,:/])(\d{1,2})\s*(?:/|\bout of\b|\bvon\b|\bمن\b|\bof\b)\s*(10|5)(?!\d|[.,:/-]\d)(?![^\W\d_])"
)
_SCALE_FIRST = re.compile(
    r"(?<![\d.,:/])(10|5)\s*(?:uzerinden|['’]?\s?(?:da|de|ta|te)\b)\s*(\d{1,2})(?!\d|[.,:/-]\d)(?![^\W\d_])"
)
_SEPARATOR = re.compile(r"[,;.!?\n()\"“”«»…،؛؟]|:(?!\s*\d)|\s[-–—]|[-–—]\s")
# What makes another thing of a number that it touches.
_BAD_BEFORE = frozenset("+-#№@*~=<>/'’_&§")
_BAD_AFTER = frozenset("%‰٪°+*=<>_'’/&")


@dataclass(frozen=True)
class SurveyReading:
    """A score in a message.

    is_bare: nothing else is said. is_certain: it calls itself a score (a tap, "9/10", "9 points", "I give 9", stars), so that
    it can't be the answer to some other question.
    """

    score: int
    is_bare: bool
    is_certain: bool


@dataclass(frozen=True)
class _Words:
    numbers: dict[str, int]
    before: frozenset[str]
    after: frozenset[str]
    polite: frozenset[str]
    because: frozenset[str]
    months: frozenset[str]
    things: frozenset[str]
    before_points_only: frozenset[str]


def tapped(choice_id: str | None) -> tuple[SurveyKind, int] | None:
    """The survey and score that one of our own buttons or rows stands for; None for any other."""
    match = _TAP.fullmatch(choice_id or "")
    if match is None:
        return None
    survey: SurveyKind = "nps" if match[1] == "nps" else "csat"
    low, high = SCALES[survey]
    return (survey, int(match[2])) if low <= int(match[2]) <= high else None


def read_score(text: str, *, survey: SurveyKind) -> SurveyReading | None:
    """The score that these words give on this survey's scale, or None when they don't clearly give one."""
    low, high = SCALES[survey]
    folded, said_scale = _fold(text), False
    if stars := _STARS.findall(folded):
        if re.search(r"\d", folded):
            folded = _STARS.sub(" ", folded)
        else:
            count = sum(star.count(one) for star in stars for one in "⭐★🌟")
            if len(stars) > 1 or (survey == "nps" and count <= _MAX_STARS_OF_FIVE):
                return None
            folded, said_scale = _STARS.sub(f" {count}, ", folded), True
    for pattern, score_group, scale_group in ((_OF_SCALE, 1, 2), (_SCALE_FIRST, 2, 1)):
        match = pattern.search(folded)
        if match:
            if int(match[scale_group]) != high:
                return None
            # "10/10 would recommend" needs no comma; "9 out of 10 parcels" is no score.
            reason = "," if "/" in match[0] else ""
            folded = f"{folded[: match.start()]} {match[score_group]}{reason} {folded[match.end() :]}"
            said_scale = True
            break
    return _read(folded, low=low, high=high, said_scale=said_scale)


def _fold(text: str) -> str:
    """Small letters without accents, digits of any script as ASCII, no variation marks."""
    decomposed = unicodedata.normalize("NFKD", text.replace("🔟", "10"))
    kept = (
        str(unicodedata.digit(char)) if unicodedata.category(char) == "Nd" else char
        for char in decomposed
        if unicodedata.category(char) not in {"Mn", "Me", "Cf"} and char != "ـ"
    )
    return "".join(kept).casefold().replace("ı", "i").replace("ة", "ه").replace("ى", "ي")


@cache
def _words() -> _Words:
    document = tomllib.loads((files("routing") / "survey_words.toml").read_text(encoding="utf-8"))

    def folded(table: str) -> frozenset[str]:
        return frozenset(_key(word) for line in document[table].values() for word in line.split())

    numbers = {_key(word): value for line in document["numbers"].values() for value, word in enumerate(line)}
    tables = ("before", "after", "polite", "because", "months", "things", "before_points_only")
    return _Words(numbers, *(folded(table) for table in tables))


def _key(word: str) -> str:
    return _fold(word).replace("'", "").replace("’", "")


def _read(folded: str, *, low: int, high: int, said_scale: bool) -> SurveyReading | None:
    digits = _NUMBER.findall(folded)
    if len(set(digits)) > 1 or any(_is_odd(match, folded) for match in _NUMBER.finditer(folded)):
        return None
    found: dict[int, SurveyReading] = {}
    segments = _split(folded)
    for number, (segment, end) in enumerate(segments):
        following = segments[number + 1][0] if number + 1 < len(segments) else ""
        one = _read_segment(segment, numbers_in_words=not digits)
        if one is None or (end in "?؟" and end):
            continue
        if end == "." and _first_word(following) in _words().months:
            return None
        if number and _last_word(segments[number - 1][0]) in _words().things:
            return None
        rest = [other for other, _ in segments[:number] + segments[number + 1 :]]
        is_bare = one.is_bare and not any(_says_something(other) for other in rest)
        found.setdefault(one.score, SurveyReading(one.score, is_bare, one.is_certain or said_scale))
    if len(found) != 1:
        return None
    (reading,) = found.values()
    return reading if low <= reading.score <= high else None


def _is_odd(match: re.Match[str], text: str) -> bool:
    """Whether a number is more, or something else, than a small whole number: a time, a price, an order, a size."""
    before = text[match.start() - 1] if match.start() else " "
    after = text[match.end()] if match.end() < len(text) else " "
    beyond = text[match.end() + 1] if match.end() + 1 < len(text) else " "
    return (
        re.fullmatch(r"0|[1-9]|10", match[0]) is None
        or before in _BAD_BEFORE
        or after in _BAD_AFTER
        or before.isalpha()
        or after.isalpha()
        or (after in "-–—" and not beyond.isspace())
        or "Sc" in {unicodedata.category(before), unicodedata.category(after)}
    )


def _split(text: str) -> list[tuple[str, str]]:
    """(words, the mark that ends them), in order."""
    segments: list[tuple[str, str]] = []
    start = 0
    for match in _SEPARATOR.finditer(text):
        segments.append((text[start : match.start()], match[0].strip()))
        start = match.end()
    return [*segments, (text[start:], "")]


def _tokens(segment: str) -> list[str]:
    return [
        match[0].replace("'", "").replace("’", "")
        for match in re.finditer(rf"{_NUMBER.pattern}|{_WORD.pattern}", segment)
    ]


def _first_word(segment: str) -> str:
    return next(iter(_tokens(segment)), "")


def _last_word(segment: str) -> str:
    return next(reversed(_tokens(segment)), "")


def _says_something(segment: str) -> bool:
    words = _words()
    return any(not token.isdecimal() and token not in words.polite for token in _tokens(segment))


def _read_segment(segment: str, *, numbers_in_words: bool) -> SurveyReading | None:
    """[I give] NUMBER [points] [because …]: any other word beside the number makes something else of it."""
    words, tokens = _words(), _tokens(segment)
    if any(unicodedata.category(char) == "Sc" for char in segment):
        return None
    at = next(
        (n for n, token in enumerate(tokens) if _value(token, numbers_in_words=numbers_in_words) is not None), None
    )
    if at is None:
        return None
    score = _value(tokens[at], numbers_in_words=numbers_in_words)
    assert score is not None
    frame, rest = tokens[:at], tokens[at + 1 :]
    if any(token not in words.before and token not in words.polite for token in frame):
        return None
    if words.before_points_only.intersection(frame) and not words.after.intersection(rest):
        return None
    certain = any(token in words.before and token not in words.polite for token in frame)
    for place, token in enumerate(rest):
        if token in words.because:
            return SurveyReading(score, is_bare=place + 1 == len(rest), is_certain=certain)
        if token not in words.after and token not in words.polite and token != tokens[at]:
            return None
        certain = certain or (token in words.after and token not in words.polite)
    return SurveyReading(score, is_bare=True, is_certain=certain)


def _value(token: str, *, numbers_in_words: bool) -> int | None:
    if token.isdecimal():
        return int(token)
    return _words().numbers.get(token) if numbers_in_words else None
