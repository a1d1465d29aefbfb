"""Business time: whether people work at an instant, and how much of their time lies between two.

A span belongs to the day on which it begins, also when it runs over midnight: on a holiday none begins. Where clocks change, a time
that comes twice means its first coming, and one that is skipped the instant at which it would have been.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from config.hours import DAYS, Hours, parse_holiday, parse_spans

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

# Hours open on some day of every year, and a holiday lasts a year at most: beyond this, a clock has no meaning.
HORIZON_DAYS = 3 * 366
_DAY = timedelta(days=1)


class _Calendar:
    """The parsed hours of a tenant."""

    def __init__(self, hours: Hours) -> None:
        self.zone: ZoneInfo = hours.zone()
        self.always = not hours.weekdays and not hours.holidays
        whole_day = ((0, 24 * 60),)
        self._spans = [
            parse_spans(hours.weekdays[day]) if day in hours.weekdays else (() if hours.weekdays else whole_day)
            for day in DAYS
        ]
        self._yearly: set[tuple[int, int]] = set()
        self._ranges: list[tuple[date, date]] = []
        for text in hours.holidays:
            first, last = parse_holiday(text)
            if isinstance(first, date) and isinstance(last, date):
                self._ranges.append((first, last))
            elif isinstance(first, int) and isinstance(last, int):
                self._yearly.add((first, last))
        self._ranges.sort()

    def _is_holiday(self, day: date) -> bool:
        if (day.month, day.day) in self._yearly:
            return True
        number = bisect_right(self._ranges, (day, date.max))
        return any(first <= day <= last for first, last in self._ranges[:number])

    def _instant(self, day: date, minute: int) -> datetime:
        days, rest = divmod(minute, 24 * 60)
        local = datetime.combine(day + days * _DAY, time(rest // 60, rest % 60), tzinfo=self.zone)
        return local.astimezone(UTC)

    def _of_day(self, day: date) -> list[tuple[datetime, datetime]]:
        if self._is_holiday(day):
            return []
        return [(self._instant(day, start), self._instant(day, end)) for start, end in self._spans[day.weekday()]]

    def open_from(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Open stretches (start, end) that end after `at`, in order, none overlapping another; for HORIZON_DAYS."""
        day = at.astimezone(self.zone).date() - 2 * _DAY
        ended = at
        for _ in range(HORIZON_DAYS):
            for start, end in self._of_day(day):
                if end > ended:
                    yield max(start, ended), end
                    ended = end
            day += _DAY


@lru_cache(maxsize=256)
def _calendar(time_zone: str, weekdays: tuple[tuple[str, str], ...], holidays: tuple[str, ...]) -> _Calendar:
    return _Calendar(Hours.model_validate({"time_zone": time_zone, "weekdays": dict(weekdays), "holidays": holidays}))


def _calendar_of(hours: Hours) -> _Calendar:
    return _calendar(hours.time_zone, tuple(sorted(hours.weekdays.items())), hours.holidays)


def is_open(hours: Hours, at: datetime) -> bool:
    """Whether the tenant's people work at this instant. A span's last instant is outside."""
    calendar = _calendar_of(hours)
    if calendar.always:
        return True
    start, _ = next(calendar.open_from(at), (datetime.max.replace(tzinfo=UTC), None))
    return start <= at


def add_business_minutes(hours: Hours, start: datetime, minutes: float) -> datetime:
    """The instant by which `minutes` of business time have passed since `start`; `start` itself for 0.

    Time that lies more than HORIZON_DAYS ahead counts as open, so that a clock always ends.
    """
    calendar = _calendar_of(hours)
    if calendar.always or minutes <= 0:
        return start + timedelta(minutes=max(minutes, 0))
    left = timedelta(minutes=minutes)
    at = start
    for opens, closes in calendar.open_from(start):
        if closes - opens >= left:
            return opens + left
        left -= closes - opens
        at = closes
    return at + left


def business_minutes_between(hours: Hours, start: datetime, end: datetime) -> float:
    """Minutes of business time from `start` to `end`; 0 when the end is not later."""
    if end <= start:
        return 0.0
    calendar = _calendar_of(hours)
    if calendar.always:
        return (end - start) / timedelta(minutes=1)
    total = timedelta()
    for opens, closes in calendar.open_from(start):
        if opens >= end:
            break
        total += min(closes, end) - opens
    return total / timedelta(minutes=1)
