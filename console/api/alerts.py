"""/alerts: what people should know of, and who is on it."""

from datetime import datetime

from flask import Response
from pydantic import BaseModel

from console.api.answers import AlertAnswer, AlertPage
from console.api.callers import caller
from console.api.cursors import read_moment, write_cursor
from console.api.paths import new_blueprint
from console.api.problems import not_found
from console.api.requests import AlertPath, AlertQuery, AlertSnooze, Body
from console.api.writing import answer, database, do_once
from store.alert_deliveries import list_deliveries
from store.alerts import acknowledge_alert, find_alert, list_alerts, snooze_alert
from store.db import Connection

blueprint = new_blueprint("alerts", __name__)


class AlertDelivery(BaseModel):
    """An announcement of an alert to one target. announcement: 1 for the first; more when it was told again."""

    target: str
    service: str
    announcement: int
    state: str
    tries: int
    error_code: str | None
    created_at: datetime
    settled_at: datetime | None


class AlertDetails(BaseModel):
    """An alert and its deliveries, oldest first."""

    alert: AlertAnswer
    deliveries: list[AlertDelivery]


@blueprint.get("/alerts", summary="List alerts", responses={200: AlertPage})
def list_all(query: AlertQuery) -> Response:
    """Newest first."""
    who = caller()
    before = read_moment(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_alerts(
            conn,
            who.tenant_id,
            include_closed=query.state == "all",
            kind=query.kind,
            limit=query.limit + 1,
            before_id=before[1] if before else None,
        )
    page = found[: query.limit]
    more = write_cursor((page[-1].created_at, page[-1].id)) if len(found) > query.limit else None
    body = AlertPage(alerts=[AlertAnswer.of(one) for one in page], next_cursor=more)
    return answer(body.model_dump(mode="json"))


@blueprint.get("/alerts/<alert_id>", summary="Read an alert", responses={200: AlertDetails})
def read_one(path: AlertPath) -> Response:
    """With where it was sent and what became of that."""
    who, alert_id = caller(), str(path.alert_id)
    with database().tenant_transaction(who.tenant_id) as conn:
        found = find_alert(conn, who.tenant_id, alert_id)
        if found is None:
            raise not_found("an alert")
        deliveries = list_deliveries(conn, alert_id)
    body = AlertDetails(alert=AlertAnswer.of(found), deliveries=[AlertDelivery(**vars(one)) for one in deliveries])
    return answer(body.model_dump(mode="json"))


@blueprint.post("/alerts/<alert_id>/acknowledge", summary="Say that somebody is on it", responses={200: AlertAnswer})
def acknowledge(path: AlertPath, body: Body) -> Response:
    """The first one is kept; doing it again changes nothing."""
    del body
    who, alert_id = caller(), str(path.alert_id)

    def work(conn: Connection) -> AlertAnswer:
        if find_alert(conn, who.tenant_id, alert_id) is None:
            raise not_found("an alert")
        acknowledge_alert(conn, alert_id, by=who.user_id)
        found = find_alert(conn, who.tenant_id, alert_id)
        assert found is not None
        return AlertAnswer.of(found)

    return do_once(work)


@blueprint.post("/alerts/<alert_id>/snooze", summary="Put an alert away for some hours", responses={200: AlertAnswer})
def snooze(path: AlertPath, body: AlertSnooze) -> Response:
    """Then it is told again, unless somebody is on it or it is over."""
    who, alert_id = caller(), str(path.alert_id)

    def work(conn: Connection) -> AlertAnswer:
        if find_alert(conn, who.tenant_id, alert_id) is None:
            raise not_found("an alert")
        snooze_alert(conn, alert_id, hours=body.hours)
        found = find_alert(conn, who.tenant_id, alert_id)
        assert found is not None
        return AlertAnswer.of(found)

    return do_once(work)
