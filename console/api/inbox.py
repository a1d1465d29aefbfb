"""/inbox: what an agent's list shows, how many wait, and one deed for many conversations."""

from datetime import UTC, datetime
from typing import Any, Literal, Self
from uuid import UUID

from flask import Response
from pydantic import BaseModel, Field

from console import deeds
from console.api.answers import ClockAnswer, Work
from console.api.callers import Caller, caller
from console.api.conversations import assignee_id
from console.api.cursors import read_place, write_cursor
from console.api.paths import new_blueprint
from console.api.problems import Problem
from console.api.requests import ConversationQuery, Strict
from console.api.tenant_queues import check_queue
from console.api.writing import answer, database, do_once
from console.deeds import Change, Doer
from store.conversation_lists import Filters, ListedConversation, list_conversations
from store.db import Connection
from store.inbox import InboxLine, count_inbox, read_lines
from store.sla_report import list_open_clocks

blueprint = new_blueprint("agent_inbox", __name__)
MAX_BULK = 100
CHANGES: dict[str, Change] = {"claim": deeds.claim, "resolve": deeds.resolve, "unassign": deeds.unassign}


class InboxRow(BaseModel):
    """A conversation with its customer's newest message: how it begins and how it was read; None where there is none."""

    conversation: Work
    customer_name: str | None
    text: str | None
    message_type: str | None
    surface: str | None
    sent_at: datetime | None
    sentiment: str | None
    score: float | None
    intent: str | None
    clock: ClockAnswer | None

    @classmethod
    def of(cls, listed: ListedConversation, line: InboxLine, *, now: datetime) -> Self:
        """From the stored rows."""
        known: dict[str, Any] = {name: value for name, value in vars(line).items() if name in cls.model_fields}
        return cls(conversation=Work.of_listed(listed), clock=ClockAnswer.of(line, now=now), **known)


class InboxPage(BaseModel):
    """A page of the inbox. next_cursor: None on the last one."""

    rows: list[InboxRow]
    next_cursor: str | None


class InboxCountsAnswer(BaseModel):
    """Open conversations that are not snoozed. mine: of the person that the key acts for. urgent: of priority P1 and waiting. clocks_soon,
    clocks_late: promises past their warning, and past their due time.
    """

    open: int
    mine: int
    unassigned: int
    waiting: int
    urgent: int
    snoozed: int
    clocks_soon: int
    clocks_late: int


class BulkChange(Strict):
    """One deed for up to 100 conversations."""

    deed: Literal["claim", "resolve", "unassign"]
    conversation_ids: list[UUID] = Field(min_length=1, max_length=MAX_BULK)


class Refusal(BaseModel):
    """What could not be done, and why."""

    conversation_id: str
    code: str
    fix: str


class BulkAnswer(BaseModel):
    """done: conversations that stand as asked for."""

    done: list[str]
    refused: list[Refusal]


@blueprint.get("/inbox", summary="List conversations as agents see them", responses={200: InboxPage})
def list_rows(query: ConversationQuery) -> Response:
    """Like GET /conversations, open ones unless state says otherwise, each with the customer's name, how the newest message begins, its
    label and the promise that is due first.
    """
    who, now = caller(), datetime.now(UTC)
    assignee = assignee_id(query.assignee, who)
    filters = Filters(query.queue, query.priority, assignee, query.state or "open", query.tag)
    after = read_place(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        if query.queue:
            check_queue(conn, who.tenant_id, query.queue, field="queue")
        found = list_conversations(conn, who.tenant_id, filters, after=after, limit=query.limit + 1)
        page = found[: query.limit]
        lines = read_lines(conn, who.tenant_id, [one.id for one in page])
    body = InboxPage(
        rows=[InboxRow.of(one, lines[one.id], now=now) for one in page if one.id in lines],
        next_cursor=write_cursor(page[-1].place) if len(found) > query.limit else None,
    )
    return answer(body.model_dump(mode="json"))


@blueprint.get("/inbox/counts", summary="Count what waits in the inbox", responses={200: InboxCountsAnswer})
def count() -> Response:
    """Over all queues; GET /queues has them by queue and priority."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        counts = count_inbox(conn, who.tenant_id, user_id=who.user_id)
        clocks = list_open_clocks(conn, who.tenant_id)
    body = InboxCountsAnswer(
        **vars(counts), clocks_soon=sum(one.soon for one in clocks), clocks_late=sum(one.late for one in clocks)
    )
    return answer(body.model_dump(mode="json"))


@blueprint.post("/conversations/bulk", summary="Do one deed to many conversations", responses={200: BulkAnswer})
def change_many(body: BulkChange) -> Response:
    """Each as if it had been asked for alone; what may not be done is named with its reason, and the rest is done."""
    who = caller()
    if body.deed == "claim":
        who.person()

    def work(conn: Connection) -> BulkAnswer:
        found = BulkAnswer(done=[], refused=[])
        # In the order of ids, so that two such calls never wait for each other.
        for conversation_id in sorted({str(one) for one in body.conversation_ids}):
            try:
                _change(conn, who, conversation_id, body.deed)
            except Problem as problem:
                refusal = Refusal(conversation_id=conversation_id, code=problem.code, fix=problem.fix)
                found.refused.append(refusal)
            else:
                found.done.append(conversation_id)
        return found

    return do_once(work)


def _change(conn: Connection, who: Caller, conversation_id: str, deed: Literal["claim", "resolve", "unassign"]) -> None:
    def getting(_conn: Connection, one: Doer) -> int | None:
        return one.person() if deed == "claim" else None

    with conn.transaction():
        deeds.carry_out(conn, who.doer, conversation_id, deed, CHANGES[deed], getting=getting)
