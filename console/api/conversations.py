"""/conversations, to read: lists, and one with its words."""

from datetime import UTC, datetime

import structlog
from flask import Response

from console.api.answers import (
    ClockAnswer,
    ConversationAnswer,
    DecisionAnswer,
    EventAnswer,
    LabelAnswer,
    MessageAnswer,
    Work,
    WorkPage,
)
from console.api.callers import Caller, caller
from console.api.cursors import read_moment, read_place, write_cursor
from console.api.paths import new_blueprint
from console.api.problems import not_found
from console.api.requests import ConversationPath, ConversationQuery, MessagesQuery
from console.api.tenant_queues import check_queue
from console.api.writing import answer, database
from console.metrics import API_READS
from store.conversation_events import Actor, ConversationEvent, add_access, list_conversation_events
from store.conversation_lists import Filters, list_conversations
from store.conversation_page import (
    ReadMessage,
    get_customer_id,
    list_conversation_actions,
    list_conversation_messages,
)
from store.decisions import find_placing_decision
from store.inbox import read_lines
from store.internal_actions import list_tags
from store.work_items import get_work_item

log = structlog.get_logger()

blueprint = new_blueprint("conversations", __name__)


@blueprint.get("/conversations", summary="List conversations", responses={200: WorkPage})
def list_all(query: ConversationQuery) -> Response:
    """By priority, then the longest waiting. No customer text. What is added meanwhile never moves what is still to come."""
    who = caller()
    filters = Filters(query.queue, query.priority, assignee_id(query.assignee, who), query.state, query.tag)
    after = read_place(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        if query.queue:
            check_queue(conn, who.tenant_id, query.queue, field="queue")
        found = list_conversations(conn, who.tenant_id, filters, after=after, limit=query.limit + 1)
    page = found[: query.limit]
    more = write_cursor(page[-1].place) if len(found) > query.limit else None
    body = WorkPage(conversations=[Work.of_listed(one) for one in page], next_cursor=more)
    return answer(body.model_dump(mode="json"))


def assignee_id(given: str | None, who: Caller) -> int | None:
    """The user whom a filter names; 0 for nobody. Raises: Problem."""
    if given == "me":
        return who.person()
    return 0 if given == "none" else int(given) if given else None


@blueprint.get("/conversations/<conversation_id>", summary="Read a conversation", responses={200: ConversationAnswer})
def read_one(path: ConversationPath, query: MessagesQuery) -> Response:
    """Its messages with the labels that count, why it stands where it stands, its automations and what was done with it. That it was
    read, and by whom, is kept.
    """
    who, conversation_id = caller(), str(path.conversation_id)
    before = read_moment(query.cursor)
    with database().tenant_transaction(who.tenant_id) as conn:
        try:
            item = get_work_item(conn, who.tenant_id, conversation_id)
        except LookupError:
            raise not_found("a conversation") from None
        messages = list_conversation_messages(
            conn, who.tenant_id, conversation_id, before=before, limit=query.limit + 1
        )
        shown = messages[-query.limit :]
        decision = find_placing_decision(conn, who.tenant_id, conversation_id)
        line = read_lines(conn, who.tenant_id, [conversation_id])[conversation_id]
        body = ConversationAnswer(
            conversation=Work.of_item(conn, who.tenant_id, item),
            customer_id=get_customer_id(conn, who.tenant_id, conversation_id),
            clock=ClockAnswer.of(line, now=datetime.now(UTC)),
            tags=list_tags(conn, conversation_id),
            decision=DecisionAnswer.of(decision) if decision else None,
            messages=[_message(one) for one in shown],
            earlier_cursor=write_cursor((shown[0].sent_at, shown[0].id)) if len(messages) > query.limit else None,
            actions=list_conversation_actions(conn, who.tenant_id, conversation_id),
            events=[_event(one) for one in list_conversation_events(conn, conversation_id)],
        )
        add_access(conn, who.tenant_id, conversation_id, actor=who.actor, messages=len(shown))
    API_READS.inc()
    log.info(
        "conversation_read",
        tenant_id=who.tenant_id,
        conversation_id=conversation_id,
        key_id=who.key_id,
        user_id=who.user_id,
    )
    return answer(body.model_dump(mode="json"))


def _message(one: ReadMessage) -> MessageAnswer:
    label = None
    if one.sentiment is not None and one.score is not None and one.intent is not None:
        label = LabelAnswer(
            sentiment=one.sentiment,
            score=one.score,
            intent=one.intent,
            topics=one.topics or [],
            summary=one.summary,
            corrected=one.corrected or [],
        )
    known = {name: value for name, value in vars(one).items() if name in MessageAnswer.model_fields}
    return MessageAnswer(**known, label=label)


def _event(one: ConversationEvent) -> EventAnswer:
    people = str(Actor(user_id=one.by_user_id)) if one.by_user_id is not None else ""
    program = f"key:{one.by_key_id}" if one.by_key_id is not None else ""
    by = f"rule:{one.by_rule}" if one.by_rule else "+".join(part for part in (people, program) if part)
    return EventAnswer(kind=one.kind, by=by, assignee_id=one.assignee_id, queue=one.queue, until=one.until, at=one.at)
