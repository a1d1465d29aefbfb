"""When a tenant's people work: spans by weekday, holidays, a time zone; checked until it is sure that they ever open."""

import itertools
import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache, cached_property
from typing import Annotated, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, model_validator

from config.tenant_part import TenantPart

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

MINUTES_A_DAY = 24 * 60

_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_HOLIDAY = re.compile(r"((?:\d{4}-)?\d\d-\d\d)(?:\.\.((?:\d{4}-)?\d\d-\d\d))?")
_LEAP_YEAR = 2024
_LONGEST_HOLIDAY_DAYS = 366
_FEWEST_OF_A_WEEKDAY = 52
"""A year has each weekday at least so often: fewer holidays can't close one wholly."""


class Span(NamedTuple):
    """Minutes after the day's midnight; an end past 1440 lies in the next day's small hours."""

    start_min: int
    end_min: int


class Holiday(NamedTuple):
    """Closed from the first to the last day, both included; of every year when `yearly` (then the year is 2024)."""

    first: date
    last: date
    yearly: bool

    def covers(self, day: date) -> bool:
        """Whether the tenant is closed on that day because of this holiday."""
        if not self.yearly:
            return self.first <= day <= self.last
        first, last, asked = ((each.month, each.day) for each in (self.first, self.last, day))
        return first <= asked <= last if first <= last else asked >= first or asked <= last


def parse_spans(text: str) -> tuple[Span, ...]:
    """`"09:00-12:00,13:00-18:00"`, in order; `""` is a closed day; `"22:00-06:00"` ends on the next.

    Raises:
        ValueError: not of that form, no such time, no length, or overlapping.
    """
    spans = tuple(sorted(_parse_span(part.strip()) for part in text.split(","))) if text.strip() else ()
    for earlier, later in itertools.pairwise(spans):
        if later.start_min < earlier.end_min:
            raise ValueError("has spans that overlap; join them")
    return spans


def _parse_span(text: str) -> Span:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError('is no span of a day; write "09:00-18:00", several with a comma between them, or ""')
    start_hour, start_minute, end_hour, end_minute = map(int, match.groups())
    start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
    if max(start_minute, end_minute) > 59 or start >= MINUTES_A_DAY or end > MINUTES_A_DAY:
        raise ValueError('names a time that no clock shows; from "00:00" to "24:00"')
    if start == end:
        raise ValueError('opens and closes at the same minute; the whole day is "00:00-24:00", a closed day is ""')
    return Span(start, end if end > start else end + MINUTES_A_DAY)


def parse_holiday(text: str) -> Holiday:
    """`"2026-12-24"`, `"2026-12-24..2026-12-26"`, and of every year `"12-25"`, `"12-24..01-01"`.

    Raises:
        ValueError: no such date, two kinds in one range, or a range that runs backwards or over a year.
    """
    match = _HOLIDAY.fullmatch(text.strip())
    if match is None:
        raise ValueError('has no date; write "2026-12-24", "2026-12-24..2026-12-26", or every year: "12-25"')
    first_text, last_text = match[1], match[2] or match[1]
    if len(first_text) != len(last_text):
        raise ValueError("has a range with a year on one side only; give both a year, or none")
    yearly = len(first_text) == len("12-25")
    try:
        first, last = (
            date.fromisoformat(f"{_LEAP_YEAR}-{each}" if yearly else each) for each in (first_text, last_text)
        )
    except ValueError:
        raise ValueError("has a date that is in no calendar") from None
    if not yearly and not timedelta() <= last - first < timedelta(days=_LONGEST_HOLIDAY_DAYS):
        raise ValueError("has a range that ends before it begins or is longer than a year")
    return Holiday(first, last, yearly)


@cache
def _zone_names() -> frozenset[str]:
    # Reads a thousand files each time; a tenant's settings are read with every page and every message.
    return frozenset(available_timezones())


def _known_zone(name: str) -> str:
    if name not in _zone_names():
        raise ValueError('is no time zone of the IANA list; write one like "Europe/Berlin" or "UTC"')
    return name


def _checked_spans(text: str) -> str:
    parse_spans(text)
    return text


def _checked_holiday(text: str) -> str:
    parse_holiday(text)
    return text


class Hours(TenantPart):
    """When the tenant's people work."""

    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    weekdays: dict[Day, Annotated[str, AfterValidator(_checked_spans)]] = {}
    """`"09:00-18:00"` by day; a day that is not named is closed. Nothing named: open around the clock.

    A span over midnight belongs to the day on which it begins."""
    holidays: tuple[Annotated[str, AfterValidator(_checked_holiday)], ...] = Field(default=(), max_length=400)
    """Days on which no span begins. A night that began the evening before is worked to its end."""

    def zone(self) -> ZoneInfo:
        """The rules of the time zone."""
        return ZoneInfo(self.time_zone)

    @cached_property
    def always_open(self) -> bool:
        """No weekday and no holiday is named."""
        return not self.weekdays and not self.holidays

    @cached_property
    def _spans(self) -> tuple[tuple[Span, ...], ...]:
        if not self.weekdays:
            return ((Span(0, MINUTES_A_DAY),),) * 7
        return tuple(parse_spans(self.weekdays.get(day, "")) for day in DAYS)

    @cached_property
    def _holidays(self) -> tuple[Holiday, ...]:
        return tuple(parse_holiday(text) for text in self.holidays)

    def spans_of(self, day: date) -> tuple[Span, ...]:
        """The spans that begin on that day of the tenant's calendar, in order; none on a holiday."""
        spans = self._spans[day.weekday()]
        if spans and any(holiday.covers(day) for holiday in self._holidays):
            return ()
        return spans

    @model_validator(mode="after")
    def _opens(self) -> Self:
        if not any(self._spans):
            raise ValueError(
                'hours.weekdays never open: every named day is empty; give one a span like mon = "09:00-18:00",'
                " or leave [hours.weekdays] out to be open around the clock"
            )
        for year in self._years_to_doubt():
            if not any(self.spans_of(day) for day in _days_of(year)):
                raise ValueError(
                    f"hours.holidays leave no open day in {year}: the hours never open;"
                    " take holidays out, or close days of the week in hours.weekdays instead"
                )
        return self

    def _years_to_doubt(self) -> Iterator[int]:
        """Years in which the holidays are so many that they may close every open day."""
        yearly = [holiday for holiday in self._holidays if holiday.yearly]
        closed_yearly = (
            sum(1 for day in _days_of(_LEAP_YEAR) if any(each.covers(day) for each in yearly)) if yearly else 0
        )
        dated = [holiday for holiday in self._holidays if not holiday.yearly]
        if closed_yearly >= _FEWEST_OF_A_WEEKDAY:
            yield from range(_LEAP_YEAR, _LEAP_YEAR + 28)  # after 28 years the weekdays repeat
        for year in sorted({day.year for holiday in dated for day in (holiday.first, holiday.last)}):
            closed = sum((holiday.last - holiday.first).days + 1 for holiday in dated if _touches(holiday, year))
            if closed + closed_yearly >= _FEWEST_OF_A_WEEKDAY:
                yield year


def _touches(holiday: Holiday, year: int) -> bool:
    return holiday.first.year <= year <= holiday.last.year


def _days_of(year: int) -> Iterator[date]:
    first = date(year, 1, 1)
    days = (date(year, 12, 31) - first).days + 1
    return (first + timedelta(days=each) for each in range(days))
