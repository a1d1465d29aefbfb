"""Whether rules leave anything of a region to the one behind them: the same regions as numbers, because it is asked often."""

from collections.abc import Sequence
from dataclasses import dataclass

from routing.rule_regions import Conditions, Region

# Parts looked at for one rule before it is taken for reachable: a wrong "unreachable" would lock a good file out.
MAX_PARTS = 20_000


@dataclass(frozen=True)
class Packed:
    """Conditions as bits. values: (dimension, allowed values). marks: of each at least one bit."""

    values: tuple[tuple[int, int], ...]
    marks: tuple[int, ...]


_Part = tuple[tuple[int, ...], int]
"""Allowed values by dimension, and the marks that are missing."""


class Packing:
    """Numbers for the values and marks of one world."""

    def __init__(self, whole: Region) -> None:
        self._names = list(whole.values)
        self._bits = [
            {value: 1 << number for number, value in enumerate(sorted(values, key=repr))}
            for values in whole.values.values()
        ]
        self._marks: dict[str, int] = {}

    def pack(self, conditions: Conditions) -> Packed:
        """The same conditions as bits."""
        values = tuple(
            (number, sum(self._bits[number][value] for value in conditions.values[name]))
            for number, name in enumerate(self._names)
            if name in conditions.values
        )
        return Packed(values, tuple(sum(self._mark(mark) for mark in group) for group in conditions.marks))

    def _mark(self, mark: str) -> int:
        return self._marks.setdefault(mark, 1 << len(self._marks))

    def _part(self, packed: Packed) -> _Part:
        values = [sum(bits.values()) for bits in self._bits]
        for number, allowed in packed.values:
            values[number] &= allowed
        return tuple(values), 0

    def leaves(self, rule: Packed, taken: Sequence[Packed]) -> bool:
        """Whether a message of the rule is left when the others have taken theirs; also when that takes too long to tell."""
        start = self._part(rule)
        others = [other for other in taken if self._meets(start, other)]
        waiting = [(start, 0)]
        seen: set[tuple[_Part, int]] = set()
        for _ in range(MAX_PARTS):
            if not waiting:
                return False
            part, number = waiting.pop()
            while number < len(others) and not self._meets(part, others[number]):
                number += 1
            if number == len(others):
                return True
            if (part, number) not in seen:
                seen.add((part, number))
                waiting += [(rest, number + 1) for rest in _cut(part, others[number], marks=rule.marks)]
        return True

    def meets(self, rule: Packed, other: Packed) -> bool:
        """Whether a message may fulfil both."""
        return self._meets(self._part(rule), other)

    @staticmethod
    def _meets(part: _Part, other: Packed) -> bool:
        values, missing = part
        for number, allowed in other.values:
            if not values[number] & allowed:
                return False
        return all(group & ~missing for group in other.marks)


def _cut(part: _Part, other: Packed, *, marks: tuple[int, ...]) -> list[_Part]:
    """What of the part does not fulfil the other's conditions. marks: what must be there in every message of the part."""
    values, missing = part
    rests: list[_Part] = []
    for group in other.marks:
        without = missing | group
        if all(needed & ~without for needed in marks):
            rests.append((values, without))
    for number, allowed in other.values:
        rest = values[number] & ~allowed
        if rest:
            rests.append(((*values[:number], rest, *values[number + 1 :]), missing))
    return rests
