"""When a tenant's people work: checked here, computed with in routing.business_hours."""

import itertools
import re
from datetime import date, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, model_validator

from config.tenant_part import TenantPart

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_A_DAY = 24 * 60
_SPAN = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})")
_ONE_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_EVERY_YEAR = re.compile(r"(\d{2})-(\d{2})")
LONGEST_HOLIDAY_DAYS = 366
# A leap year, so that 02-29 is a day of it.
_SAMPLE_YEAR = 2028


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        message = 'is not a time zone; write one of the IANA names, such as "Europe/Istanbul"'
        raise ValueError(message)
    return name


def _minute(hours: str, minutes: str) -> int:
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > MINUTES_A_DAY:
        message = f'"{hours}:{minutes}" is no time of a day; the latest is 24:00'
        raise ValueError(message)
    return minute


def parse_spans(text: str) -> tuple[tuple[int, int], ...]:
    """(start, end) in minutes from the day's midnight, in order; an end beyond 1,440 lies on the next day.

    Raises: ValueError, which says how spans are written.
    """
    spans: list[tuple[int, int]] = []
    for part in text.split(","):
        match = _SPAN.fullmatch(part.strip())
        if not match:
            message = f'"{part.strip()}" is not written like "09:00-18:00" (several are joined by commas)'
            raise ValueError(message)
        start, end = _minute(match[1], match[2]), _minute(match[3], match[4])
        if start in (end, MINUTES_A_DAY):
            message = f'"{part.strip()}" opens for no minute; the whole day is "00:00-24:00"'
            raise ValueError(message)
        spans.append((start, end if end > start else end + MINUTES_A_DAY))
    spans.sort()
    for (_, end), (start, _) in itertools.pairwise(spans):
        if start < end:
            message = "two of its spans overlap; join them"
            raise ValueError(message)
    return tuple(spans)


def _checked_spans(text: str) -> str:
    parse_spans(text)
    return text


def parse_holiday(text: str) -> tuple[date, date] | tuple[int, int]:
    """First and last day, or (month, day) of a holiday that comes every year. Raises: ValueError."""
    if yearly := _EVERY_YEAR.fullmatch(text):
        month, day = int(yearly[1]), int(yearly[2])
        date(_SAMPLE_YEAR, month, day)
        return month, day
    first, _, last = text.partition("..")
    if not _ONE_DAY.fullmatch(first) or (last and not _ONE_DAY.fullmatch(last)):
        message = "not a holiday"
        raise ValueError(message)
    return date.fromisoformat(first), date.fromisoformat(last or first)


def _checked_holiday(text: str) -> str:
    try:
        first, last = parse_holiday(text)
    except ValueError:
        message = f'"{text}" is not written like "2026-12-25", "2026-12-24..2026-12-26" or "12-25" (every year)'
        raise ValueError(message) from None
    if isinstance(first, date) and isinstance(last, date):
        if last < first:
            message = f'"{text}" ends before it begins'
            raise ValueError(message)
        if (last - first).days >= LONGEST_HOLIDAY_DAYS:
            message = f'"{text}" is longer than a year'
            raise ValueError(message)
    return text


class Hours(TenantPart):
    """When the tenant's people work."""

    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    weekdays: dict[Day, Annotated[str, AfterValidator(_checked_spans)]] = {}
    """`"09:00-18:00"` by day, several spans joined by commas, over midnight as `"22:00-06:00"` on the day it begins. A day that is
    not named is closed. Nothing named: open around the clock."""
    holidays: tuple[Annotated[str, AfterValidator(_checked_holiday)], ...] = ()
    """Days on which no span begins: `"2026-12-25"`, `"2026-12-24..2026-12-26"`, or `"12-25"` every year."""

    @model_validator(mode="after")
    def _open_some_day(self) -> Self:
        yearly = {pair for text in self.holidays if isinstance((pair := parse_holiday(text))[0], int)}
        first = date(_SAMPLE_YEAR, 1, 1)
        days = (first + timedelta(days=number) for number in range(LONGEST_HOLIDAY_DAYS))
        if not any(self.opens_on(DAYS[day.weekday()]) and (day.month, day.day) not in yearly for day in days):
            message = "never opens: every day that is named in weekdays is a holiday; take some of them from holidays"
            raise ValueError(message)
        return self

    def opens_on(self, day: Day) -> bool:
        """Whether people work on this day of the week."""
        return not self.weekdays or day in self.weekdays

    def zone(self) -> ZoneInfo:
        """The tenant's time zone."""
        return ZoneInfo(self.time_zone)
