"""/sla: promises to customers that are open, and how they were kept, by week."""

from datetime import UTC, date, datetime, timedelta

from flask import Response
from pydantic import BaseModel, Field

from console.api.callers import caller
from console.api.insight_answers import OpenClocks
from console.api.paths import new_blueprint
from console.api.requests import Strict
from console.api.writing import answer, database
from store.sla_report import list_open_clocks, list_weeks
from store.tenants import get_tenant_config

blueprint = new_blueprint("sla", __name__, under="/sla")


class OpenClockList(BaseModel):
    """By queue, priority and kind of promise, the most urgent first."""

    clocks: list[OpenClocks]


class WeeksQuery(Strict):
    """weeks: how many, up to now."""

    weeks: int = Field(default=8, ge=1, le=26)


class PromiseWeek(BaseModel):
    """Promises that began in a week (from its Monday in the tenant's time zone). late_open: late, and unanswered still. share: kept of kept
    and missed. median_min, p90_min: minutes until they were kept, also late.
    """

    week: date
    queue: str
    priority: str
    clock: str
    met: int
    missed: int
    late_open: int
    cancelled: int
    share: float | None
    median_min: float | None
    p90_min: float | None


class WeekList(BaseModel):
    """Newest week first."""

    weeks: list[PromiseWeek]


@blueprint.get("", summary="List open promises", responses={200: OpenClockList})
def list_open() -> Response:
    """How many are fine, near their time, late or paused, and when the next is due."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_open_clocks(conn, who.tenant_id)
    body = OpenClockList(clocks=[OpenClocks(**vars(one)) for one in found])
    return answer(body.model_dump(mode="json"))


@blueprint.get("/weeks", summary="Read how promises were kept by week", responses={200: WeekList})
def list_by_week(query: WeeksQuery) -> Response:
    """By week, queue, priority and kind of promise."""
    who = caller()
    since = datetime.now(UTC) - timedelta(weeks=query.weeks)
    with database().tenant_transaction(who.tenant_id) as conn:
        zone = get_tenant_config(conn, who.tenant_id).hours.time_zone
        found = list_weeks(conn, who.tenant_id, since=since, time_zone=zone)
    body = WeekList(weeks=[PromiseWeek(**vars(one)) for one in found])
    return answer(body.model_dump(mode="json"))
