"""Runs of digits: told apart by numbering plans, checksums and the words around them; a long one nobody vouches for is cut."""

import re
from collections.abc import Iterator, Sequence

from analysis.pii_checksums import is_card, is_national_id
from analysis.pii_draft import Draft, Finding
from analysis.pii_keepers import PARCEL_CODE, is_counting_up, kept_pieces
from analysis.pii_phones import MIN_DIGITS, PhonePlans
from analysis.pii_runs import (
    LONG_RUN,
    Run,
    digits_of,
    find_broken_runs,
    find_runs,
    groups_of,
    read_run,
    with_digits_for_letters,
)
from analysis.pii_words import (
    business_word_follows,
    kind_of,
    nearest_kind,
    phone_word_follows,
    said_before,
    says_business,
)

DENY_FROM_DIGITS = 9
# A labelled phone may be a short local one: "Tel. 23 45 67".
MIN_LABELLED_DIGITS = 6
# Judging a run costs up to some 50 µs. After this many in one text, and for longer runs, what is long is cut unasked.
MAX_JUDGED_RUNS = 8
MAX_UNJUDGED_RUNS = 40
# Broken runs are rare; a text with more is a list of prices or sizes.
MAX_BROKEN_RUNS = 10
MAX_JUDGED_CHARS = 120

_TO_LAST_DIGIT = re.compile(r"[^\x01\x02]*\d")
_GLUED_SUFFIX = re.compile(r"[^\W\d_]{1,4}")
_LIST_JOINT = re.compile(r"\W{1,3}(?:[^\W\d]{1,4}\W{1,2})?")
# A line that holds a whole number is no part of another.
_TWO_NUMBERS = re.compile(r"\d(?:[ .\-/()]{0,2}\d){8,}")
_NOT_DIGITS = re.compile(r"\D+")
_TRUNK_ZERO = re.compile(r"0[1-9]")
MAX_CARD_GROUP = 6
_EXPIRY = re.compile(r"(?<!\d)(?:0[1-9]|1[0-2])[/\-](?:20)?\d\d(?!\d)")


class _Judge:
    """Decides about the runs of one text, from left to right."""

    def __init__(self, draft: Draft, plans: PhonePlans) -> None:
        self._draft = draft
        self._shadow = draft.shadow
        self._plans = plans
        self._judged = 0
        # End and number of digits of the last number that stayed as the business's own.
        self._last_kept: tuple[int, int] | None = None

    @property
    def exhausted(self) -> bool:
        """Whether the budget is spent: such a text gets no second round."""
        return self._judged >= MAX_JUDGED_RUNS

    def findings(self) -> Iterator[Finding]:
        """Cuts, from left to right. What stays is not told."""
        floor = 0
        for start, end in find_runs(self._shadow):
            if self._judged >= MAX_JUDGED_RUNS:
                yield from self._unjudged(start)
                return
            if end - start > MAX_JUDGED_CHARS:
                yield Finding(start, end, "NUMBER", self._shadow[start:end])
                continue
            if len(digits_of(self._shadow[start:end])) < MIN_LABELLED_DIGITS:
                continue
            self._judged += 1
            for piece_start, piece_end in self._pieces(start, end):
                for finding in self._judge(piece_start, piece_end, floor=floor):
                    floor = finding.end
                    yield finding

    def _unjudged(self, start: int) -> Iterator[Finding]:
        """Numbers beyond the budget: long ones are cut unasked, and after many of those everything to the last digit."""
        for count, match in enumerate(LONG_RUN.finditer(self._shadow, start)):
            if count >= MAX_UNJUDGED_RUNS:
                for stretch in _TO_LAST_DIGIT.finditer(self._shadow, match.start()):
                    yield Finding(stretch.start(), stretch.end(), "NUMBER", stretch[0])
                return
            yield Finding(match.start(), match.end(), "NUMBER", match[0])

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The run without the dates, times and prices in it."""
        for first, last in kept_pieces(self._shadow, start, end):
            if start < first:
                yield start, first
            start = max(start, last)
        if start < end:
            yield start, end

    def _judge(self, start: int, end: int, *, floor: int) -> Iterator[Finding]:
        run = read_run(self._draft, start, end, floor=floor)
        if run is None or len(run.digits) < MIN_LABELLED_DIGITS:
            return
        card = self._card_groups(run)
        if card:
            yield from self._cut_card(run, card, floor=floor)
        elif self._is_business(run):
            self._last_kept = (run.end, len(run.digits))
        else:
            yield from self._cut_phone_or_number(run, floor=floor)

    def _cut_phone_or_number(self, run: Run, *, floor: int) -> Iterator[Finding]:
        kind = nearest_kind(run.said)
        count = len(run.digits)
        short = count < DENY_FROM_DIGITS
        if short and not self._is_short_phone(run, kind):
            if count >= MIN_DIGITS and (run.plus or self._plans.exhausted):
                yield self._whole(run.start, run.end, "NUMBER")
            return
        phone = None if short else self._phone_groups(run)
        if phone:
            yield from self._cut_phone(run, phone, floor=floor)
        elif short:
            yield self._whole(run.start, run.end, "PHONE")
        elif not is_counting_up([group.digits for group in run.groups]):
            yield self._whole(run.start, run.end, self._name_of(run, kind))

    def _cut_phone(self, run: Run, phone: tuple[int, int], *, floor: int) -> Iterator[Finding]:
        """The phone, and what stands before and after it in the same run by its own right; a short rest is a quantity and stays."""
        first, last = phone
        if first:
            yield from self._judge(run.start, run.groups[first - 1].end, floor=floor)
        finding = self._whole(run.groups[first].start if first else run.start, run.groups[last - 1].end, "PHONE")
        yield finding
        rest = run.groups[last:]
        if not rest:
            return
        found = list(self._judge(rest[0].start, run.end, floor=finding.end))
        if not found and sum(len(group.digits) for group in rest) >= MIN_DIGITS:
            found = [self._whole(rest[0].start, run.end, "NUMBER")]
        yield from found

    def _name_of(self, run: Run, kind: str | None) -> str:
        if is_national_id(run.digits):
            return "ID"
        fits_a_phone = MIN_DIGITS <= len(run.digits) <= 15
        return "PHONE" if fits_a_phone and (kind == "phone" or run.written.startswith(("+", "0", "(0"))) else "NUMBER"

    def _whole(self, start: int, end: int, kind: str) -> Finding:
        """A cut with the letters glued to its end: "…33ten", an identity's last letter."""
        suffix = _GLUED_SUFFIX.match(self._shadow, end)
        # Ten digits tell a number from others, with or without its country code or trunk zero.
        return Finding(start, suffix.end() if suffix else end, kind, digits_of(self._shadow[start:end])[-10:])

    def _is_short_phone(self, run: Run, kind: str | None) -> bool:
        """Whether fewer than nine digits are a phone: labelled as one, or written as one and valid, or a bare mobile number."""
        count = len(run.digits)
        nearest = run.said[0].kind if run.said else None
        if kind == "phone":
            return count >= MIN_DIGITS or nearest in {"phone", "number"}
        if count < MIN_DIGITS or kind == "id" or run.prefix:
            return False
        if phone_word_follows(self._shadow, run.end):
            return True
        if run.dialled and (len(run.groups) > 1 or run.plus):
            return True
        if self._plans.exhausted or nearest == "number":
            return False
        if len(run.groups) == 1:
            trunk_zero = _TRUNK_ZERO.match(run.digits) and count > MIN_DIGITS
            return (
                self._plans.check(run.digits, international=False)[0]
                if trunk_zero
                else self._plans.is_mobile(run.digits)
            )
        return (all(len(group.digits) >= 2 for group in run.groups) or len(run.groups) == count) and self._plans.check(
            run.digits, international=False
        )[0]

    def _phone_groups(self, run: Run) -> tuple[int, int] | None:
        """First and last-but-one group of the phone in the run: the longest beginning that is valid, else from a trunk zero on."""
        firsts = [0, *(index for index, group in enumerate(run.groups) if index and group.digits.startswith("0"))][:3]
        for first in firsts:
            last = self._phone_end(run, first)
            if last:
                return first, last
        return None

    def _phone_end(self, run: Run, first: int) -> int | None:
        longer_fits = False
        for last in range(len(run.groups), first, -1):
            # "+47 (0) 21 …": a trunk zero behind the country code is not dialled.
            digits = "".join(group.digits for group in run.groups[first:last] if not (run.plus and group.digits == "0"))
            if len(digits) < MIN_DIGITS or self._plans.exhausted:
                return None
            if len(digits) > 17:
                continue
            valid, possible = self._plans.check(digits, international=run.plus and not first)
            if valid:
                return last + 1 if longer_fits and self._is_tail(run, last) else last
            longer_fits = possible
        return None

    def _is_tail(self, run: Run, last: int) -> bool:
        """Whether the last group of a run still belongs to the valid number before it: "0171 234567 89"."""
        gap = run.groups[last].start - run.groups[last - 1].end
        return last + 1 == len(run.groups) and gap == 1 and len(run.groups[last].digits) <= 3

    def _card_groups(self, run: Run) -> tuple[int, int] | None:
        """First and last-but-one group of a payment card in the run."""
        if len(run.digits) < 13 or run.plus:
            return None
        for first in range(min(3, len(run.groups))):
            digits = ""
            for last in range(first, len(run.groups)):
                digits += run.groups[last].digits
                if len(digits) > 19:
                    break
                if is_card(digits):
                    return first, last + 1
        return None

    def _cut_card(self, run: Run, card: tuple[int, int], *, floor: int) -> Iterator[Finding]:
        first, last = card
        if last - first > 12:
            # Written digit by digit: where it begins and ends nobody can tell.
            yield self._whole(run.start, run.end, "NUMBER" if len(run.groups) > last - first else "CARD")
            return
        solid = last - first == 1
        if solid and (says_business(run.said) or business_word_follows(self._shadow, run.end)):
            self._last_kept = (run.end, len(run.digits))
            return
        if first:
            yield from self._judge(run.start, run.groups[first - 1].end, floor=floor)
        finding = self._whole(run.groups[first].start, run.groups[last - 1].end, "CARD")
        yield finding
        rest = run.groups[last:]
        expiry = _EXPIRY.match(self._shadow, rest[0].start) if rest else None
        if expiry:
            rest = tuple(group for group in rest if group.start >= expiry.end())
        if len(rest) == 1 and len(rest[0].digits) in {3, 4}:
            yield Finding(rest[0].start, rest[0].end, "CARD_CODE", rest[0].digits)
        elif rest:
            yield from self._judge(rest[0].start, run.end, floor=finding.end)

    def _is_business(self, run: Run) -> bool:
        """Whether words or letters vouch for the number, and it is not plainly a phone all the same."""
        said = says_business(run.said)
        vouched = (
            said
            or (
                "#" in self._shadow[max(0, run.start - 2) : run.start] and nearest_kind(run.said) not in {"phone", "id"}
            )
            or self._continues_a_list(run)
            or business_word_follows(self._shadow, run.end)
        )
        if not vouched:
            return bool(run.prefix) and self._is_code(run)
        if said == "plainly" and len(run.groups) == 1 and not run.plus:
            return True  # "order number 05321112233": nobody writes a phone number there without a blank.
        return not self._is_plainly_a_phone(run)

    def _is_plainly_a_phone(self, run: Run) -> bool:
        if run.plus or run.written.startswith("("):
            return True
        grouped = len(run.groups) > 2
        if not (run.digits.startswith("0") or (grouped and nearest_kind(run.said[1:]) == "phone")):
            return False
        if len(run.digits) > 17 or (len(run.groups) == 1 and len(run.digits) < 10):
            return False
        return not self._shadow[run.end : run.end + 1].isalpha() and self._phone_groups(run) is not None

    def _continues_a_list(self, run: Run) -> bool:
        """Whether it is as long as the kept one before it, with a joint between: "orders 8812345670, 8812345671 and 8812345672"."""
        if self._last_kept is None:
            return False
        end, length = self._last_kept
        return length == len(run.digits) and bool(_LIST_JOINT.fullmatch(self._shadow, end, run.start))

    def _is_code(self, run: Run) -> bool:
        """Letters glued to a number make it a code of some business: "CS-0004412", "TR-2024-99817"; not "TEL-0532…"."""
        if PARCEL_CODE.search(self._shadow, max(0, run.start - 18), run.end + 4):
            return True
        kind = kind_of(run.prefix)
        if kind in {"phone", "id", "number", "glue"}:
            return False
        if len(run.digits) < DENY_FROM_DIGITS:
            return True
        like_a_phone = _TRUNK_ZERO.match(run.digits) and len(run.digits) in range(9, 13)
        shaped = run.written_prefix.isupper() or len(run.groups) > 1
        if (like_a_phone and kind != "business") or not shaped or self._plans.exhausted:
            return False
        return not self._plans.check(run.digits, international=False)[0]

    def broken(self) -> Iterator[Finding]:
        """Phones and cards whose groups stand on lines of their own, or between signs nobody puts into numbers."""
        looked_at = 0
        for match in find_broken_runs(self._shadow):
            if match.end() - match.start() > MAX_JUDGED_CHARS:
                continue
            digits = digits_of(match[0])
            if len(digits) <= MIN_DIGITS:
                continue
            looked_at += 1
            if looked_at > MAX_BROKEN_RUNS:
                return
            if not ("\n" in match[0] and _TWO_NUMBERS.search(match[0])):
                yield from self._broken_card(match, digits) or self._broken_phone(match, digits)

    def _broken_card(self, match: re.Match[str], digits: str) -> list[Finding]:
        if len(digits) < 13:
            return []
        digits = ""
        for group in groups_of(self._shadow, *match.span()):
            digits += group.digits
            # Nobody writes a card in groups of more than six: two numbers of a list that together pass the checksum.
            if len(digits) > 19 or len(group.digits) > MAX_CARD_GROUP:
                break
            if is_card(digits):
                return [Finding(match.start(), group.end, "CARD", digits)]
        return []

    def _broken_phone(self, match: re.Match[str], digits: str) -> Iterator[Finding]:
        start, end = match.span()
        if len(digits) > 17 or max(map(len, _NOT_DIGITS.split(match[0]))) >= DENY_FROM_DIGITS:
            return
        # Beyond the budget what is written like a phone is cut unasked.
        spent = self._plans.exhausted or self._judged >= MAX_JUDGED_RUNS
        self._judged += 1
        if not spent and kept_pieces(self._shadow, start, end):
            return
        before = self._shadow[start - 1 : start]
        dialled = len(digits) > DENY_FROM_DIGITS and (before in {"+", "("} or digits.startswith("0"))
        # Groups behind a comma and a blank are a list, unless they begin like a phone.
        labelled = ", " not in match[0] and nearest_kind(said_before(self._shadow, start)) == "phone"
        if not (dialled or labelled):
            return
        if spent or any(self._plans.check(digits, international=before == "+")):
            yield Finding(start - (before == "+"), end, "PHONE", digits[-10:])


def find_numbers(draft: Draft, regions: Sequence[str]) -> None:
    """Cut cards, phones, identities and other long numbers out of the draft, from left to right."""
    draft.shadow = with_digits_for_letters(draft.shadow)
    # What was cut can leave a neighbour that stands differently now. Two rounds make a second minimizing change nothing.
    plans = PhonePlans(regions)
    for _ in range(2):
        found = draft.cut_count
        draft.apply(_Judge(draft, plans).broken())
        judge = _Judge(draft, plans)
        draft.apply(judge.findings())
        if draft.cut_count == found or judge.exhausted:
            return
