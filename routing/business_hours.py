"""Business time: whether a tenant is open, when so many open minutes are over, and how many lie between two instants.

A day's opening is the first instant at which the tenant's wall clock shows its hour or a later one. So an hour that
the clocks skip in spring opens when they jump, an hour they show twice in autumn counts from the first time on, and a
span that covers the change is as long as it really is.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from config.hours import Hours

FURTHEST = timedelta(days=3660)
"""No search looks further: a due time beyond ten years is ten years from its start."""

_DAY = timedelta(days=1)


def is_open(hours: Hours, at: datetime) -> bool:
    """Whether the tenant's people work at that instant; the opening minute counts, the closing minute does not."""
    if hours.always_open:
        return True
    first = next(_openings(hours, at, at + _DAY), None)
    return first is not None and first[0] <= at


def next_opening(hours: Hours, at: datetime) -> datetime:
    """`at` itself while open, else the next instant at which the tenant opens (at most ten years away)."""
    if hours.always_open:
        return at
    for opens, _ in _openings(hours, at, at + FURTHEST):
        return max(opens, at)
    return at + FURTHEST


def add_business_minutes(hours: Hours, start: datetime, minutes: float) -> datetime:
    """The first instant by which so many open minutes have passed since `start`; `start` itself for none."""
    left = timedelta(minutes=minutes)
    if left <= timedelta():
        return start
    if hours.always_open:
        return start + min(left, FURTHEST)
    for opens, closes in _openings(hours, start, start + FURTHEST):
        begin = max(opens, start)
        if closes - begin >= left:
            return begin + left
        left -= closes - begin
    return start + FURTHEST


def business_minutes_between(hours: Hours, start: datetime, end: datetime) -> float:
    """Open minutes from `start` to `end`, fractions included; 0 when `end` is not later. Counts ten years at most."""
    if end <= start:
        return 0.0
    end = min(end, start + FURTHEST)
    if hours.always_open:
        return (end - start).total_seconds() / 60
    spans = _openings(hours, start, end)
    return sum(((min(closes, end) - max(opens, start)).total_seconds() for opens, closes in spans), 0.0) / 60


def _openings(hours: Hours, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Open stretches that end after `start` and begin before `end`, in order, in UTC; touching ones are joined."""
    held: tuple[datetime, datetime] | None = None
    for opens, closes in _day_openings(hours, start, end):
        if held is None:
            held = (opens, closes)
        elif opens <= held[1]:
            held = (held[0], max(held[1], closes))
        else:
            yield held
            held = (opens, closes)
    if held is not None:
        yield held


def _day_openings(hours: Hours, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """As `_openings`, each day by itself. Begins two days early: a night may have begun before, in another offset."""
    day = start.astimezone(hours.zone()).date() - 2 * _DAY
    while True:
        for span in hours.spans_of(day):
            opens, closes = _instant(hours, day, span.start_min), _instant(hours, day, span.end_min)
            if opens >= end:
                return
            if closes > start and closes > opens:
                yield opens, closes
        day += _DAY
        if day > end.date() + 2 * _DAY:
            return


def _instant(hours: Hours, day: date, minute: int) -> datetime:
    """The first instant at which the wall clock shows that minute of the day, or a later one."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    instant = wall.replace(tzinfo=hours.zone()).astimezone(UTC)
    if instant.astimezone(hours.zone()).replace(tzinfo=None) == wall:
        return instant
    # The clocks skip this minute: find the jump, which lies between the two readings of the wall time.
    before = wall.replace(tzinfo=hours.zone(), fold=1).astimezone(UTC)
    while instant - before > timedelta(seconds=1):
        middle = before + (instant - before) // 2
        if middle.astimezone(hours.zone()).replace(tzinfo=None) >= wall:
            instant = middle
        else:
            before = middle
    return instant.replace(microsecond=0)
