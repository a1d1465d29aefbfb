"""The days that a page of figures is about, as its address says: pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Said = Literal["not_understood", "too_long", "in_the_future", "turned_round", "too_old"]

PRESETS = (7, 30, 90)
USUAL_DAYS = 30
MOST_DAYS = 92
# Counts are kept a little longer than a year.
OLDEST = timedelta(days=395)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Period:
    """Whole days of the tenant, both included. preset: 7, 30 or 90 days up to today, None for dates. said: what had to be changed."""

    first: date
    last: date
    preset: int | None = None
    said: tuple[Said, ...] = ()

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    @property
    def in_address(self) -> dict[str, str]:
        """As an address names it: a preset moves on with the days."""
        return {"range": str(self.preset)} if self.preset else self.dates

    @property
    def dates(self) -> dict[str, str]:
        """As an address names exactly these days."""
        return {"from": self.first.isoformat(), "to": self.last.isoformat()}

    def begin(self, zone: ZoneInfo) -> datetime:
        """The instant at which the first day begins, in UTC."""
        return midnight(self.first, zone)

    def end(self, zone: ZoneInfo) -> datetime:
        """The instant at which the last day is over, in UTC."""
        return midnight(self.last + timedelta(days=1), zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a day begins, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def read_day(text: str) -> date | None:
    """None for what is no day like 2026-11-25."""
    if not _DAY.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def read_period(asked: Mapping[str, str], *, today: date) -> Period:
    """?range= 7, 30 or 90, or ?from= and ?to=; what is nonsense or too much becomes what can be shown, and is said."""
    wanted, texts = asked.get("range", ""), (asked.get("from", ""), asked.get("to", ""))
    if wanted in {str(days) for days in PRESETS}:
        return _preset(int(wanted), today=today)
    first, last = (read_day(text) for text in texts)
    if (first is None and last is None) or any(text and read_day(text) is None for text in texts):
        is_blank = wanted in {"", "dates"} and not any(texts)
        return _preset(USUAL_DAYS, today=today, said=() if is_blank else ("not_understood",))
    if last is None:
        last = today
    if first is None:
        first = last - min(timedelta(days=USUAL_DAYS - 1), last - date.min)
    return _clamped(first, last, today=today)


def _preset(days: int, *, today: date, said: tuple[Said, ...] = ()) -> Period:
    return Period(today - timedelta(days=days - 1), today, days, said)


def _clamped(first: date, last: date, *, today: date) -> Period:
    said: list[Said] = []
    if first > last:
        first, last = last, first
        said.append("turned_round")
    if last > today:
        first, last = min(first, today), today
        said.append("in_the_future")
    if last < today - OLDEST:
        return _preset(USUAL_DAYS, today=today, said=(*said, "too_old"))
    if first < today - OLDEST:
        first = today - OLDEST
        said.append("too_old")
    if (last - first).days + 1 > MOST_DAYS:
        first = last - timedelta(days=MOST_DAYS - 1)
        said.append("too_long")
    return Period(first, last, None, tuple(said))
