"""Runs of digits in a text, with the separators people type between them and what stands around them."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from analysis.pii_draft import Draft
from analysis.pii_words import Said, said_before

# Starts at the first digit of a group: a scan for digits is quick. What stands before it (a plus, a bracket) is looked at later.
_RUN = re.compile(r"\d(?<!\d\d)\d*(?:[ .\-/()\[\]_*|~]{1,4}\d+)*")
# The same with seven digits or more.
LONG_RUN = re.compile(r"\d(?<!\d\d)(?:[ .\-/()\[\]_*|~]{0,4}\d){6,}")
_GROUP = re.compile(r"\d+")
_NOT_DIGIT = re.compile(r"\D+")
_DIALLING_SIGNS = re.compile(r"(?:[(\[]?\+[ (]?|\()$")
_GLUED_PREFIX = re.compile(r"(?<![^\W_])(\d{0,3}[a-z]{1,6}\d{0,4}[a-z]{0,3})[\-/]?$")
# Groups on lines of their own or with odd signs between them. At least one of the gaps holds what _RUN does not read over.
_ODD_SIGN = re.compile(r"[^\w .\-/()\[\]*|~\x01\x02]")
_ODD_GAP = re.compile(r"\d(?=[ .\-/()*|~]{0,2}[^\w .\-/()\[\]*|~\x01\x02][^\w\x01\x02]{0,3}\d)")
_BROKEN_RUN = re.compile(r"\d(?<!\d\d)\d*(?:[^\w\x01\x02]{1,4}\d+)+")
_LOOKALIKE_GATE = re.compile(r"\d(?:(?<=[oil]\d)|(?=[oil]))")
_LOOKALIKE = re.compile(r"[\doil](?<![^\W_].)(?:(?<=o)\d|\d*[oil])[\doil]*(?![^\W_])")
_LOOKALIKES = str.maketrans("oil", "011")


def digits_of(text: str) -> str:
    """Only the digits."""
    return _NOT_DIGIT.sub("", text)


class Group(NamedTuple):
    """Digits with nothing between them."""

    start: int
    end: int
    digits: str


class Run(NamedTuple):
    """A run of digits or what is left of one.

    written: with its dialling signs. said: the words before it, nearest first. prefix: letters glued to its front ("ord-", "1z999aa"),
    written_prefix: as the customer wrote them.
    """

    start: int
    end: int
    groups: tuple[Group, ...]
    digits: str
    written: str
    said: list[Said]
    prefix: str
    written_prefix: str

    @property
    def plus(self) -> bool:
        """Written with an international prefix."""
        return "+" in self.written

    @property
    def dialled(self) -> bool:
        """Written the way numbers are dialled: a plus, a trunk zero, an area code in brackets."""
        return self.written.startswith(("+", "0", "("))


def find_runs(shadow: str, start: int = 0) -> Iterator[tuple[int, int]]:
    """Start and end of each run long enough for a phone, from left to right."""
    for match in _RUN.finditer(shadow, start):
        if match.end() - match.start() >= 6:
            yield match.span()


def read_run(draft: Draft, start: int, end: int, *, floor: int) -> Run | None:
    """The run between `start` and `end` and its surroundings back to `floor`; None when there are no digits."""
    shadow = draft.shadow
    groups = groups_of(shadow, start, end)
    if not groups:
        return None
    start = groups[0].start
    signs = _DIALLING_SIGNS.search(shadow, max(floor, start - 3), start)
    start = signs.start() if signs else start
    glued = (
        _GLUED_PREFIX.search(shadow, max(floor, start - 18), start) if shadow[start - 1 : start].strip(" #:(") else None
    )
    before = glued.start() if glued else start
    prefix = glued[1] if glued else ""
    return Run(
        start=start,
        end=groups[-1].end,
        groups=groups,
        digits="".join(group.digits for group in groups),
        written=shadow[start : groups[-1].end],
        said=said_before(shadow, before, floor=floor),
        prefix=prefix,
        written_prefix=draft.original(before, before + len(prefix)) if prefix else "",
    )


def find_broken_runs(shadow: str) -> Iterator[re.Match[str]]:
    """Runs whose groups stand on lines of their own or between signs that nobody puts into numbers."""
    if _ODD_GAP.search(shadow):
        yield from (match for match in _BROKEN_RUN.finditer(shadow) if _ODD_SIGN.search(match[0]))


def groups_of(shadow: str, start: int, end: int) -> tuple[Group, ...]:
    """The groups of digits between two positions."""
    return tuple(Group(match.start(), match.end(), match[0]) for match in _GROUP.finditer(shadow, start, end))


def with_digits_for_letters(shadow: str) -> str:
    """The shadow with digits for letters that stand in for them ("O532 1l1"), in words of nothing else. Same length."""
    if not _LOOKALIKE_GATE.search(shadow):
        return shadow
    return _LOOKALIKE.sub(_as_digits, shadow)


def _as_digits(match: re.Match[str]) -> str:
    """The word in digits; "5l" and "10l" are liters: a stand-in needs more digits around it."""
    digits = len(digits_of(match[0]))
    return match[0].translate(_LOOKALIKES) if digits > 2 or (digits and match[0][0] == "o") else match[0]
