"""/conversations/…/replies: whether and how a person may answer now, and the answer itself."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from flask import Response, request
from pydantic import BaseModel, Field, StringConstraints, model_validator

from console.api.callers import caller
from console.api.paths import new_blueprint
from console.api.problems import Problem, not_found
from console.api.requests import Body, ConversationPath, ReplyPath, Settlement, Strict
from console.api.writing import IDEMPOTENCY_KEY, answer, database, do_once
from console.deeds import Doer
from console.replies import Draft, find_outlook, ring
from console.replies import answer as plan_answer
from routing.person_replies import INSTAGRAM_BYTES, MAX_CHARS
from routing.work_rights import may
from store.action_desk import cancel_action, settle_uncertain
from store.conversation_events import add_access
from store.db import Connection
from store.replies import Reply, is_reply_of, list_replies
from store.tenants import get_tenant_config
from store.work_items import get_work_item, lock_work_item

blueprint = new_blueprint("replies", __name__, under="/conversations/<conversation_id>/replies")


class NewReply(Strict):
    """kind: "text" with the words, or "template" for the tenant's own when the channel's window is over."""

    kind: Literal["text", "template"] = "text"
    text: Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")] | None = Field(
        default=None, max_length=MAX_CHARS, json_schema_extra={"example": "We are looking for it now."}
    )

    @model_validator(mode="after")
    def _has_words(self) -> Self:
        if (self.kind == "text") != (self.text is not None):
            message = "give text with the kind text, and none with a template"
            raise ValueError(message)
        return self


class ReplyAnswer(BaseModel):
    """An answer that a person wrote. state: pending, sending, sent, failed, uncertain, expired or cancelled. message_id: where it stands
    among the messages, None while it does not. written_by: an e-mail.
    """

    id: str
    state: str
    error_code: str | None
    text: str
    form: str
    written_at: datetime
    written_by: str | None
    message_id: str | None

    @classmethod
    def of(cls, reply: Reply) -> Self:
        """From the stored row."""
        return cls(**vars(reply))


class WindowAnswer(BaseModel):
    """form: how free words may leave now (text, human_agent, private_reply), None when they may not. until: when that ends."""

    form: str | None
    until: datetime | None


class TemplateAnswer(BaseModel):
    """What a template says, with … where it is filled in when it leaves."""

    name: str
    text: str


class ReplyDesk(BaseModel):
    """may_reply: whether the caller may. window: None where the customer has never written. template: that may be sent instead of free
    words. max_chars, max_bytes: what the channel takes whole. replies: the newest ones, oldest first.
    """

    may_reply: bool
    window: WindowAnswer | None
    template: TemplateAnswer | None
    max_chars: int
    max_bytes: int | None
    replies: list[ReplyAnswer]


def _desk(conn: Connection, who: Doer, conversation_id: str) -> ReplyDesk:
    try:
        item = get_work_item(conn, who.tenant_id, conversation_id)
    except LookupError:
        raise not_found("a conversation") from None
    tenant = get_tenant_config(conn, who.tenant_id)
    outlook = find_outlook(conn, who.tenant_id, conversation_id, tenant=tenant, now=datetime.now(UTC))
    replies = list_replies(conn, who.tenant_id, conversation_id)
    add_access(conn, who.tenant_id, conversation_id, actor=who.actor, messages=len(replies))
    can_reply = who.user_id is not None and item.state == "open"
    return ReplyDesk(
        may_reply=can_reply and may(who.role, "reply", user_id=who.user_id, assignee_id=item.assignee_id),
        window=WindowAnswer(**vars(outlook.window)) if outlook else None,
        template=TemplateAnswer(name=outlook.template[0], text=outlook.template[1])
        if outlook and outlook.template
        else None,
        max_chars=MAX_CHARS,
        max_bytes=INSTAGRAM_BYTES if item.channel == "instagram" else None,
        replies=[ReplyAnswer.of(one) for one in replies],
    )


@blueprint.get("", summary="Read whether and how to answer", responses={200: ReplyDesk})
def read_desk(path: ConversationPath) -> Response:
    """The channel's window, the template for when it is over, and what became of earlier answers. That it was read is kept."""
    who = caller().doer
    with database().tenant_transaction(who.tenant_id) as conn:
        desk = _desk(conn, who, str(path.conversation_id))
    return answer(desk.model_dump(mode="json"))


def _find(conn: Connection, who: Doer, conversation_id: str, reply_id: str) -> ReplyAnswer:
    for one in list_replies(conn, who.tenant_id, conversation_id):
        if one.id == reply_id:
            return ReplyAnswer.of(one)
    raise not_found("an answer of this conversation")


@blueprint.post("", summary="Answer the customer", responses={200: ReplyAnswer})
def send(path: ConversationPath, body: NewReply) -> Response:
    """It leaves within seconds, once, in the name of the person that the key acts for; automations then keep quiet there. A conversation
    that nobody has is theirs from then on. Give an Idempotency-Key: without one the same words twice are two answers.
    """
    who, conversation_id = caller().doer, str(path.conversation_id)
    planned: list[str] = []

    def work(conn: Connection) -> ReplyAnswer:
        once = request.headers.get(IDEMPOTENCY_KEY) or secrets.token_urlsafe(12)
        draft = Draft(body.kind, body.text or "", once)
        action_id = plan_answer(conn, who, conversation_id, draft, now=datetime.now(UTC))
        if action_id is None:
            raise Problem(409, "replied_before", fix="these words were planned under this key before: use a new key")
        planned.append(action_id)
        return _find(conn, who, conversation_id, action_id)

    response = do_once(work)
    for action_id in planned:
        ring(who.tenant_id, action_id)
    return response


def _rule(path: ReplyPath, *, became: Literal["cancelled", "sent", "failed"]) -> Response:
    who, conversation_id, reply_id = caller().doer, str(path.conversation_id), str(path.reply_id)

    def work(conn: Connection) -> ReplyAnswer:
        item = lock_work_item(conn, who.tenant_id, conversation_id)
        if item is None or not is_reply_of(conn, who.tenant_id, conversation_id, reply_id):
            raise not_found("an answer of this conversation")
        if not may(who.role, "reply", user_id=who.user_id, assignee_id=item.assignee_id):
            fix = "the conversation is a colleague's: ask them, or a supervisor"
            raise Problem(403, "not_yours", fix=fix, assignee_id=item.assignee_id)
        if became == "cancelled":
            done = cancel_action(conn, who.tenant_id, reply_id, actor=who.actor)
        else:
            done = settle_uncertain(conn, who.tenant_id, reply_id, became=became, actor=who.actor)
        found = _find(conn, who, conversation_id, reply_id)
        if not done:
            code = "not_pending" if became == "cancelled" else "not_uncertain"
            raise Problem(409, code, fix="read how it stands", state=found.state)
        return found

    return do_once(work)


@blueprint.post("/<reply_id>/cancel", summary="Call off an answer that has not left", responses={200: ReplyAnswer})
def cancel(path: ReplyPath, body: Body) -> Response:
    """While it still waits."""
    del body
    return _rule(path, became="cancelled")


@blueprint.post("/<reply_id>/settle", summary="Say whether an uncertain answer arrived", responses={200: ReplyAnswer})
def settle(path: ReplyPath, body: Settlement) -> Response:
    """Nothing is sent again."""
    return _rule(path, became="sent" if body.arrived else "failed")
