"""/accounting: what became of every message, how long work stands in each stage, and the tenant's test messages."""

from datetime import UTC, datetime, timedelta

from flask import Response
from pydantic import BaseModel, Field

from console.api.callers import caller
from console.api.paths import new_blueprint
from console.api.requests import Strict
from console.api.writing import answer, database
from store.accounting import list_hours, list_unbalanced
from store.canaries import list_canaries
from store.stage_ages import list_stage_ages

blueprint = new_blueprint("accounting", __name__, under="/accounting")


class AccountingQuery(Strict):
    """hours: how far back, up to five weeks."""

    hours: int = Field(default=48, ge=1, le=840)


class AccountedHour(BaseModel):
    """Messages by the hour (UTC) in which they came. received is all that was acknowledged, and equals the sum of the rest. unanalyzed:
    the model refused or failed. without_text: decided without a reading. joined: read with a later one. ignored: echoes and history,
    kept as context. expired: dropped by retention. What ends in _missing, and unaccounted, their sum, should be 0. counted_at: as of when.
    """

    hour: datetime
    received: int
    analyzed: int
    unanalyzed: int
    without_text: int
    joined: int
    ignored: int
    dead: int
    in_flight: int
    erased: int
    expired: int
    message_missing: int
    run_missing: int
    analysis_missing: int
    decision_missing: int
    unaccounted: int
    counted_at: datetime


class StageBacklog(BaseModel):
    """Messages that wait for a stage. late: those that wait longer than limit_s; because: why, as far as they know."""

    stage: str
    waiting: int
    oldest_s: float
    late: int
    limit_s: int
    because: str | None


class TestMessage(BaseModel):
    """A message of Earshot's own. stage: how far it has come, done at the end. latency_s: None until then."""

    sent_at: datetime
    channel: str
    via: str
    stage: str
    asks_model: bool
    error_code: str | None
    latency_s: float | None


class AccountingAnswer(BaseModel):
    """balanced: whether every message is accounted for. hours: oldest first, with older ones that do not balance. test_messages: newest
    first.
    """

    balanced: bool
    hours: list[AccountedHour]
    stages: list[StageBacklog]
    test_messages: list[TestMessage]


@blueprint.get("", summary="Read what became of every message", responses={200: AccountingAnswer})
def read(query: AccountingQuery) -> Response:
    """Counted every minute. For supervisors, admins and auditors."""
    who = caller()
    until = datetime.now(UTC) + timedelta(hours=1)
    with database().tenant_transaction(who.tenant_id) as conn:
        unbalanced = list_unbalanced(conn, who.tenant_id)
        recent = list_hours(conn, who.tenant_id, since=until - timedelta(hours=query.hours + 1), until=until)
        stages = list_stage_ages(conn, who.tenant_id)
        canaries = list_canaries(conn, who.tenant_id)
    hours = {one.hour: one for one in (*unbalanced, *recent)}
    body = AccountingAnswer(
        balanced=not unbalanced,
        hours=[
            AccountedHour.model_validate({**vars(hours[hour]), "unaccounted": hours[hour].unaccounted})
            for hour in sorted(hours)
        ],
        stages=[StageBacklog(**vars(one)) for one in stages],
        test_messages=[TestMessage(**vars(one)) for one in canaries],
    )
    return answer(body.model_dump(mode="json"))
