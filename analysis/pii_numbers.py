"""Runs of digits: told apart by numbering plans, checksums and the words around them; a long one nobody vouches for is cut."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.pii_checksums import is_card, is_national_id
from analysis.pii_draft import Draft, Finding
from analysis.pii_keepers import PARCEL_CODE, is_counting_up, kept_pieces
from analysis.pii_phones import MIN_DIGITS, PhonePlans
from analysis.pii_words import business_word_follows, kind_of, nearest_kind, says_business, words_before

DENY_FROM_DIGITS = 9
# A labelled phone may be a short local one: "Tel. 23 45 67".
MIN_LABELLED_DIGITS = 6
# Judging a run costs up to some 30 µs. After this many in one text, and for longer runs, what is long is cut unasked.
MAX_JUDGED_RUNS = 32
MAX_JUDGED_DIGITS = 80

_RUN = re.compile(r"\(?\+?[ (]?\d+(?:[ .\-/()_*|~]{1,4}\d+)*")
_GROUP = re.compile(r"\d+")
_NOT_DIGIT = re.compile(r"\D+")
_GLUED_PREFIX = re.compile(r"(?<![^\W_])(\d{0,3}[a-z]{1,6}\d{0,4}[a-z]{0,3})-?$")
_GLUED_SUFFIX = re.compile(r"[^\W\d_]{1,4}")
_BROKEN_RUN = re.compile(r"\+?\d+(?:[^\w\x01\x02]{1,4}\d+)+")
_LOOKALIKE_GATE = re.compile(r"\d[oil]|[oil]\d")
_LOOKALIKE = re.compile(
    r"(?<![^\W_])(?=[oil]{0,9}\d)(?:[oil]{0,3}\d){2,12}[oil]{0,3}(?![^\W_])|(?<![^\W_])o\d{1,12}(?![^\W_])"
)
_LOOKALIKES = str.maketrans("oil", "011")
_EXPIRY = re.compile(r"(?<!\d)(?:0[1-9]|1[0-2])[/\-](?:20)?\d\d(?!\d)")


def digits_of(text: str) -> str:
    """Only the digits."""
    return _NOT_DIGIT.sub("", text)


@dataclass(frozen=True)
class _Group:
    start: int
    end: int
    digits: str


@dataclass(frozen=True)
class _Run:
    """A run of digits or what is left of one: groups of digits, and what stands around them."""

    start: int
    groups: tuple[_Group, ...]
    words: list[str]
    """The words before it, nearest first."""
    prefix: str
    """Letters glued to its front: "ord-", "1z999aa"."""
    written_prefix: str
    written: str

    @property
    def end(self) -> int:
        return self.groups[-1].end

    @property
    def digits(self) -> str:
        return "".join(group.digits for group in self.groups)

    @property
    def plus(self) -> bool:
        return "+" in self.written

    @property
    def dialled(self) -> bool:
        """Written the way numbers are dialled: a plus, a trunk zero, an area code in brackets."""
        return self.written.lstrip(" ").startswith(("+", "0", "("))


class _Judge:
    """Decides about the runs of one text, from left to right."""

    def __init__(self, draft: Draft, regions: Sequence[str]) -> None:
        self._draft = draft
        self._shadow = draft.shadow
        self._plans = PhonePlans(regions)
        self._judged = 0
        self._last_kept: tuple[int, int] | None = None
        """End and number of digits of the last number that stayed as the business's own."""

    def findings(self) -> Iterator[Finding]:
        position = 0
        for match in _RUN.finditer(self._shadow):
            count = len(digits_of(match[0]))
            if count < MIN_LABELLED_DIGITS:
                continue
            start = match.start() + len(match[0]) - len(match[0].lstrip(" "))
            if self._judged >= MAX_JUDGED_RUNS or count > MAX_JUDGED_DIGITS:
                if count >= MIN_DIGITS:
                    yield Finding(start, match.end(), "NUMBER", digits_of(match[0]))
                continue
            self._judged += 1
            for piece_start, piece_end in self._pieces(start, match.end()):
                for finding in self._judge(piece_start, piece_end, floor=position):
                    position = finding.end
                    yield finding

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The run without the dates, times and prices in it."""
        for first, last in kept_pieces(self._shadow, start, end):
            if start < first:
                yield start, first
            start = max(start, last)
        if start < end:
            yield start, end

    def _run(self, start: int, end: int, *, floor: int) -> _Run | None:
        groups = tuple(
            _Group(match.start(), match.end(), match[0]) for match in _GROUP.finditer(self._shadow, start, end)
        )
        if not groups:
            return None
        start = (
            self._shadow.find("+", start, groups[0].start) if "+" in self._shadow[start : groups[0].start] else start
        )
        first = groups[0].start
        if "+" not in self._shadow[start:first]:
            start = first - 1 if first > start and self._shadow[first - 1] == "(" else first
        glued = _GLUED_PREFIX.search(self._shadow, max(floor, start - 18), start)
        prefix = glued[1] if glued else ""
        before = start - len(glued[0]) if glued else start
        return _Run(
            start=start,
            groups=groups,
            words=words_before(self._shadow[floor:before], before - floor),
            prefix=prefix,
            written_prefix=self._draft.original(before, before + len(prefix)),
            written=self._shadow[start : groups[-1].end],
        )

    def _judge(self, start: int, end: int, *, floor: int) -> Iterator[Finding]:
        run = self._run(start, end, floor=floor)
        if run is None or len(run.digits) < MIN_LABELLED_DIGITS:
            return
        card = self._card_groups(run)
        if card:
            yield from self._cut_card(run, card, floor=floor)
        elif self._is_business(run):
            self._last_kept = (run.end, len(run.digits))
        else:
            yield from self._cut_phone_or_number(run, floor=floor)

    def _cut_phone_or_number(self, run: _Run, *, floor: int) -> Iterator[Finding]:
        kind = nearest_kind(run.words)
        phone = self._phone_groups(run)
        if phone and (len(run.digits) >= DENY_FROM_DIGITS or self._short_phone(run, kind)):
            first, last = phone
            lead = run.groups[:first]
            if lead:
                yield from self._judge(run.start, lead[-1].end, floor=floor)
            start = run.start if not first else run.groups[first].start
            finding = self._whole(start, run.groups[last - 1].end, "PHONE")
            yield finding
            yield from self._cut_rest(run, last, floor=finding.end)
            return
        count = len(run.digits)
        if count >= DENY_FROM_DIGITS:
            if is_counting_up([group.digits for group in run.groups]):
                return
            yield self._whole(run.start, run.end, self._name_of(run, kind))
        elif self._short_phone(run, kind) and kind == "phone":
            yield self._whole(run.start, run.end, "PHONE")
        elif count >= MIN_DIGITS and (run.plus or self._plans.exhausted):
            yield self._whole(run.start, run.end, "NUMBER")

    def _cut_rest(self, run: _Run, last: int, *, floor: int) -> Iterator[Finding]:
        """What follows a phone in the same run: another phone or number; a short rest is a quantity and stays."""
        if last == len(run.groups):
            return
        found = list(self._judge(run.groups[last].start, run.end, floor=floor))
        if not found and len(run.digits) - sum(len(group.digits) for group in run.groups[:last]) >= MIN_DIGITS:
            found = [self._whole(run.groups[last].start, run.end, "NUMBER")]
        yield from found

    def _name_of(self, run: _Run, kind: str | None) -> str:
        if is_national_id(run.digits):
            return "ID"
        fits_a_phone = MIN_DIGITS <= len(run.digits) <= 15
        return "PHONE" if fits_a_phone and (kind == "phone" or run.written.startswith(("+", "0", "(0"))) else "NUMBER"

    def _whole(self, start: int, end: int, kind: str) -> Finding:
        """A cut with the letters glued to its end: "…33ten", an identity's last letter."""
        suffix = _GLUED_SUFFIX.match(self._shadow, end)
        # Ten digits tell a number from others, with or without its country code or trunk zero.
        return Finding(start, suffix.end() if suffix else end, kind, digits_of(self._shadow[start:end])[-10:])

    def _short_phone(self, run: _Run, kind: str | None) -> bool:
        """Whether fewer than nine digits are a phone: labelled as one, or written as one and valid, or a bare mobile number."""
        count = len(run.digits)
        if kind == "phone":
            return count >= MIN_DIGITS or bool(run.words and kind_of(run.words[0]) in {"phone", "number"})
        if count < MIN_DIGITS or kind is not None or run.prefix:
            return False
        if run.dialled and (len(run.groups) > 1 or run.plus):
            return True
        if self._plans.exhausted or (run.words and kind_of(run.words[0]) == "number"):
            return False
        if len(run.groups) == 1:
            return self._plans.is_mobile(run.digits)
        return (
            all(len(group.digits) >= 2 for group in run.groups)
            and self._plans.check(run.digits, international=False)[0]
        )

    def _phone_groups(self, run: _Run) -> tuple[int, int] | None:
        """First and last-but-one group of the phone in the run: the longest beginning that is valid, else from a trunk zero on."""
        firsts = [0, *(index for index, group in enumerate(run.groups) if index and group.digits.startswith("0"))][:3]
        for first in firsts:
            last = self._phone_end(run, first)
            if last:
                return first, last
        return None

    def _phone_end(self, run: _Run, first: int) -> int | None:
        longer_fits = False
        for last in range(len(run.groups), first, -1):
            digits = "".join(group.digits for group in run.groups[first:last])
            if len(digits) < MIN_DIGITS or self._plans.exhausted:
                return None
            if len(digits) > 17:
                continue
            valid, possible = self._plans.check(digits, international=run.plus and not first)
            if valid:
                return last + 1 if longer_fits and self._is_tail(run, last) else last
            longer_fits = possible
        return None

    def _is_tail(self, run: _Run, last: int) -> bool:
        """Whether the last group of a run still belongs to the valid number before it: "0171 234567 89"."""
        gap = run.groups[last].start - run.groups[last - 1].end
        return last + 1 == len(run.groups) and gap == 1 and len(run.groups[last].digits) <= 3

    def _card_groups(self, run: _Run) -> tuple[int, int] | None:
        """First and last-but-one group of a payment card in the run."""
        if len(run.digits) < 13 or run.plus:
            return None
        for first in range(min(3, len(run.groups))):
            digits = ""
            for last in range(first, len(run.groups)):
                digits += run.groups[last].digits
                if is_card(digits):
                    return first, last + 1
                if len(digits) > 19:
                    break
        return None

    def _cut_card(self, run: _Run, card: tuple[int, int], *, floor: int) -> Iterator[Finding]:
        first, last = card
        solid = last - first == 1
        if solid and (says_business(run.words) or business_word_follows(self._shadow, run.end)):
            self._last_kept = (run.end, len(run.digits))
            return
        if first:
            yield from self._judge(run.start, run.groups[first - 1].end, floor=floor)
        finding = self._whole(run.groups[first].start, run.groups[last - 1].end, "CARD")
        yield finding
        rest = run.groups[last:]
        if not rest:
            return
        expiry = _EXPIRY.match(self._shadow, rest[0].start)
        if expiry:
            rest = tuple(group for group in rest if group.start >= expiry.end())
        if len(rest) == 1 and len(rest[0].digits) in {3, 4}:
            yield Finding(rest[0].start, rest[0].end, "CARD_CODE", rest[0].digits)
        elif rest:
            yield from self._judge(rest[0].start, run.end, floor=finding.end)

    def _is_business(self, run: _Run) -> bool:
        """Whether words or letters vouch for the number, and it is not plainly a phone all the same."""
        vouched = (
            says_business(run.words)
            or self._shadow[: run.start].endswith("#")
            or self._continues_a_list(run)
            or business_word_follows(self._shadow, run.end)
        )
        if vouched:
            return not self._plainly_a_phone(run)
        return bool(run.prefix) and self._is_code(run)

    def _plainly_a_phone(self, run: _Run) -> bool:
        if run.plus or run.written.startswith("("):
            return True
        grouped = len(run.groups) > 2
        if not (run.digits.startswith("0") or (grouped and nearest_kind(run.words[1:]) == "phone")):
            return False
        if len(run.digits) > 17 or (len(run.groups) == 1 and len(run.digits) < 10):
            return False
        if self._shadow[run.end : run.end + 1].isalpha():
            return False
        return self._phone_groups(run) is not None

    def _continues_a_list(self, run: _Run) -> bool:
        """ "orders 8812345670, 8812345671 and 8812345672": as long as the one before it, and only a joint between them."""
        if self._last_kept is None:
            return False
        end, length = self._last_kept
        return length == len(run.digits) and bool(
            re.fullmatch(r"\W{1,3}(?:[^\W\d]{1,4}\W{1,2})?", self._shadow[end : run.start])
        )

    def _is_code(self, run: _Run) -> bool:
        """Letters glued to a number make it a code of some business: "CS-0004412", "TR-2024-99817"; not "TEL-0532…"."""
        if PARCEL_CODE.search(self._shadow, max(0, run.start - 18), run.end + 4):
            return True
        if kind_of(run.prefix) in {"phone", "id", "number"}:
            return False
        if len(run.digits) < DENY_FROM_DIGITS:
            return True
        capitals = run.written_prefix.isupper()
        valid, _ = self._plans.check(run.digits, international=False)
        return not valid and (capitals or len(run.groups) > 1)

    def broken(self) -> Iterator[Finding]:
        """Phones and cards whose groups stand on lines of their own, or between signs nobody puts into numbers."""
        for match in _BROKEN_RUN.finditer(self._draft.shadow):
            groups = _GROUP.findall(match[0])
            digits = "".join(groups)
            if self._judged >= MAX_JUDGED_RUNS or not DENY_FROM_DIGITS < len(digits) < 20 or max(map(len, groups)) > 8:
                continue
            self._judged += 1
            if kept_pieces(self._draft.shadow, match.start(), match.end()):
                continue
            dialled = match[0].startswith(("+", "0"))
            phone = (
                dialled and not self._plans.exhausted and any(self._plans.check(digits, international="+" in match[0]))
            )
            if phone or is_card(digits):
                yield Finding(match.start(), match.end(), "PHONE" if phone else "CARD", digits[-10:])


def find_numbers(draft: Draft, regions: Sequence[str]) -> None:
    """Cut cards, phones, identities and other long numbers out of the draft, from left to right."""
    draft.shadow = _with_digits_for_letters(draft.shadow)
    judge = _Judge(draft, regions)
    draft.apply(judge.findings())
    draft.apply(judge.broken())


def _with_digits_for_letters(shadow: str) -> str:
    """ "O532 lll 22 33": letters that stand in for digits, where nothing but them and digits makes up a word."""
    if not _LOOKALIKE_GATE.search(shadow):
        return shadow
    return _LOOKALIKE.sub(lambda match: match[0].translate(_LOOKALIKES), shadow)
