"""A text while it is being minimized: what was found so far is masked, so that no later rule reads it again."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import NamedTuple

from analysis.pii_fold import shadow_of

# What stands in the shadow for something cut and for something that must stay. Both are no letters and no spaces, so they end
# every clause and every run; the text itself can't hold them, because control characters fold to spaces.
CUT = "\x01"
KEPT = "\x02"
PLACEHOLDER = re.compile(r"\[[a-z]{2,8}(?:_[a-z]{2,5}){0,2}_\d{1,4}\]")


class Finding(NamedTuple):
    """A piece of the shadow. kind: of the placeholder, None when the piece must stay. value: the same value, the same number."""

    start: int
    end: int
    kind: str | None
    value: str = ""


_by_start = itemgetter(0)


class Draft:
    """shadow: the folded text, masked where something was found."""

    def __init__(self, text: str) -> None:
        self._text = text
        folded = shadow_of(text)
        self.shadow = folded.text
        self._origins = folded.origins
        self._cuts: list[Finding] = []
        if "[" in self.shadow:
            self.shadow = PLACEHOLDER.sub(lambda match: KEPT * len(match[0]), self.shadow)

    @property
    def cut_count(self) -> int:
        """How many pieces are to be cut so far."""
        return len(self._cuts)

    def original(self, start: int, end: int) -> str:
        """What the customer wrote where the shadow has this piece: for rules that go by capitals."""
        return self._text[self._origins[start] : self._origins[end]]

    def apply(self, findings: Iterable[Finding]) -> None:
        """Take findings in, first come first served: one that overlaps an earlier one of the same rule is dropped."""
        parts: list[str] = []
        position = 0
        for finding in sorted(findings, key=_by_start):
            if finding.start < position or finding.end <= finding.start:
                continue
            length = finding.end - finding.start
            parts += [self.shadow[position : finding.start], (KEPT if finding.kind is None else CUT) * length]
            position = finding.end
            if finding.kind is not None:
                self._cuts.append(finding)
        if parts:
            self.shadow = "".join([*parts, self.shadow[position:]])

    def result(self, *, max_chars: int) -> tuple[str, dict[str, int]]:
        """The text with numbered placeholders, at most `max_chars` long and never ending inside one; and the count by kind."""
        numbers: dict[tuple[str, str], int] = {}
        distinct: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        parts: list[str] = []
        position = length = 0
        for cut in sorted(self._cuts, key=_by_start):
            assert cut.kind is not None
            plain = self._text[position : self._origins[cut.start]]
            key = (cut.kind, cut.value)
            if key not in numbers:
                distinct[cut.kind] += 1
                numbers[key] = distinct[cut.kind]
            placeholder = f"[{cut.kind}_{numbers[key]}]"
            if length + len(plain) + len(placeholder) > max_chars:
                return "".join([*parts, plain[: max_chars - length]]), dict(counts)
            parts += [plain, placeholder]
            length += len(plain) + len(placeholder)
            counts[cut.kind.lower()] += 1
            position = self._origins[cut.end]
        return "".join([*parts, self._text[position:][: max_chars - length]]), dict(counts)


_STRETCH = re.compile(r"[^\x01\x02]+")
_TOKEN_END = re.compile(r"[\s\x01\x02]|$")


def cut_all_from(shadow: str, start: int, sign: str, kind: str) -> Iterator[Finding]:
    """Everything from `start` to the last word with `sign` in it: for texts that hold more of a kind than is looked at one by one."""
    for stretch in _STRETCH.finditer(shadow, start):
        last = shadow.rfind(sign, stretch.start(), stretch.end())
        if last >= 0:
            end = _TOKEN_END.search(shadow, last)
            assert end
            yield Finding(stretch.start(), end.start(), kind, str(stretch.start()))
