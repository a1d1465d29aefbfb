"""What calls about the insights may ask for. Days are the tenant's own."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from console.api.problems import Problem
from console.api.requests import Strict
from console.insight_query import InsightQuery, read_insight_query
from console.periods import MOST_DAYS, OLDEST

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _only_days(given: object) -> object:
    # A number of seconds would be a day too.
    if isinstance(given, str) and not _DAY.fullmatch(given):
        message = "give a day like 2026-11-25"
        raise ValueError(message)
    return given


Day = Annotated[date, BeforeValidator(_only_days)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")]


class DaysQuery(Strict):
    """Which days: the last 7, 30 or 90, or from and to, both included, at most 92. Left out: the last 30."""

    range: Literal["7", "30", "90"] | None = None
    from_: Day | None = Field(default=None, alias="from")
    to: Day | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.range and (self.from_ or self.to):
            message = "give range, or from and to, not both"
            raise ValueError(message)
        return self


class InsightFilter(DaysQuery):
    """surface, language, channel: only messages of these."""

    surface: Code | None = None
    language: Code | None = None
    channel: Code | None = None


class CountedMessagesQuery(InsightFilter):
    """topic: a topic's name, "-" for messages without one. sentiment: of all when left out."""

    topic: Annotated[str, StringConstraints(pattern=r"^(-|[A-Za-z][A-Za-z0-9_-]{0,39})$")] | None = None
    sentiment: Literal["negative", "neutral", "positive"] | None = None
    cursor: str | None = Field(default=None, max_length=400)
    limit: int = Field(default=50, ge=1, le=100)


class SplitQuery(Strict):
    """since: the day that parts before and after; left out: the tenant's first decision."""

    since: Day | None = None


class Split(Strict):
    """since: a day of the last three years."""

    since: Day


def read_filter(query: DaysQuery, *, now: datetime, zone: ZoneInfo) -> InsightQuery:
    """As the counts take it. Raises: Problem when the days cannot be shown."""
    given: dict[str, Any] = query.model_dump(mode="json", by_alias=True, exclude_none=True)
    found = read_insight_query(given, today=now.astimezone(zone).date())
    if found.period.said:
        fix = f"give at most {MOST_DAYS} days, in order, none in the future, none older than {OLDEST.days} days"
        raise Problem(422, "invalid_days", field="from", fix=fix)
    return found
