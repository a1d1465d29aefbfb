"""Bank accounts in the international form (IBAN), also with a slip of the finger in them."""

import re
from collections.abc import Iterator

from analysis.pii_checksums import IBAN_LENGTHS, is_iban
from analysis.pii_draft import Finding

# From the first check digit, with the two letters of the country before it.
_START = re.compile(
    r"\d(?:(?<=[a-z]{2}\d)(?:(?<![a-z0-9][a-z]{2}\d)|(?<=iban[a-z]{2}\d))|(?<=[a-z]{2}[ \-.]\d)(?<![a-z0-9][a-z]{2}.\d))"
    r"\d(?=[ \-.\n]{0,3}[a-z0-9])"
)
_ONE_BY_ONE = re.compile(r" (?<=[a-z] [a-z] )(?<![a-z0-9]... )\d \d(?: [a-z0-9](?![^\W_])){11,30}")
_GROUPS = re.compile(r"[ \-.\n]{0,3}([a-z0-9]+)")
_SHORTEST = 15
_LEAST_DIGITS = 10
_TYPO_ROOM = 3
# A message holds one or two. What begins like one after this many is left to the rule for long numbers.
MAX_WALKED = 8


def _walk(shadow: str, start: int) -> tuple[str, list[int]]:
    """Letters and digits from `start` on, over blanks and dashes, and where each of them ends."""
    compact: list[str] = []
    ends: list[int] = []
    position = start
    while len(compact) < 34 + _TYPO_ROOM:
        group = _GROUPS.match(shadow, position)
        if not group or "\n\n" in group[0]:
            break
        if len(compact) > 4 and group[1].isalpha():
            break  # Letters of a bank stand right behind the check digits; later ones of their own are words.
        compact += group[1]
        ends += range(group.start(1) + 1, group.end(1) + 1)
        position = group.end()
    return "".join(compact), ends


def _mistyped_length(compact: str, ends: list[int], expected: int) -> int:
    """How many characters belong to a wrong IBAN: to the last digit of the groups that hold some, near the expected length."""
    length = 0
    for index, character in enumerate(compact[: expected + _TYPO_ROOM]):
        if character.isdigit():
            if length and index - length > 6:
                break
            length = index + 1
    # What comes after a gap once the length is reached is another number.
    for index in range(expected, length):
        if ends[index] - ends[index - 1] > 1:
            return index
    return length


def find_ibans(shadow: str) -> Iterator[Finding]:
    """IBANs by country, length and checksum; and what has the shape of one but a wrong checksum."""
    for match in _ONE_BY_ONE.finditer(shadow):
        start = match.start() - 3
        if shadow[start] + shadow[start + 2] in IBAN_LENGTHS:
            yield Finding(start, match.end(), "IBAN", shadow[start : match.end()])
    floor = walked = 0
    for match in _START.finditer(shadow):
        spaced = not shadow[match.start() - 1].isalpha()
        start = match.start() - (3 if spaced else 2)
        expected = IBAN_LENGTHS.get(shadow[start : start + 2])
        if expected is None or start < floor:
            continue
        if walked == MAX_WALKED:
            return
        walked += 1
        compact, ends = _walk(shadow, start)
        whole = compact[:expected]
        if len(whole) == expected and is_iban(whole):
            length = expected
        elif spaced:
            continue  # "is 15 …", "no 12 …": two letters and a blank are a word unless the checksum says otherwise.
        else:
            length = _mistyped_length(compact, ends, expected)
            if length < min(_SHORTEST, expected - 1) or sum(map(str.isdigit, compact[:length])) < _LEAST_DIGITS:
                continue
        while length < len(ends) and ends[length] == ends[length - 1] + 1:
            length += 1  # A slip of the finger: what is glued to the end belongs to it.
        floor = ends[length - 1]
        yield Finding(start, floor, "IBAN", compact[:length])
