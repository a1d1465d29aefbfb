"""/conversations/…: the words with what was read in them, why it stands where it stands, and what a person does about it."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from config.industries import load_industry
from config.tenant import TenantConfig
from config.words import Intent, Sentiment
from console import deeds
from console.api.cursors import read_moment, write_cursor
from console.api.problems import Problem
from console.api.tenant_queues import list_purposes
from console.badges import clock_badge
from console.deeds import Change
from console.pages.inbox import doer_of, is_id
from console.pages.notices import give_notice
from console.replies import find_outlook
from console.visitors import Visitor, database, let_in, tell_viewing, visitor
from routing.person_replies import INSTAGRAM_BYTES, MAX_CHARS, REPLY
from routing.rules import explain
from routing.work_rights import Deed, may
from store.agents import find_colleague, list_agents
from store.conversation_events import add_access, list_conversation_events, list_readers
from store.conversation_page import ReadMessage, has_message, list_conversation_actions, list_conversation_messages
from store.corrections import CorrectionError
from store.customer_card import MOST_COUNTED, read_card
from store.db import Connection
from store.decisions import find_placing_decision
from store.history import PastAnalysis, list_egress, list_history
from store.inbox import read_lines
from store.internal_actions import list_tags
from store.reanalysis import add_reanalyses, find_newest_message
from store.replies import Reply, list_replies
from store.tenants import get_tenant_config
from store.work_items import WorkItem, get_work_item
from worker.correction_step import correct, undo

blueprint = Blueprint("conversation", __name__, url_prefix="/conversations/<uuid:conversation_id>")
blueprint.before_request(let_in)
MESSAGES = 50
SNOOZES = {"1h": timedelta(hours=1), "4h": timedelta(hours=4), "1d": timedelta(days=1), "1w": timedelta(days=7)}
CORRECTABLE = ("sentiment", "intent", "topics")
# An open page looks again once a minute, so that who does not is no longer here.
HERE_S = 90.0


@dataclass(frozen=True)
class _Chosen:
    """The message whose signals the panel shows, with every analysis of it, oldest first."""

    message: ReadMessage
    analyses: list[PastAnalysis]


@blueprint.get("")
def show(conversation_id: object) -> str:
    """The conversation. ?message= chooses the message of the panel, else the customer's newest; ?before= pages back."""
    return render(str(conversation_id))


def render(key: str, *, draft: str | None = None) -> str:
    """The page. draft: an answer that could not be sent."""
    who, now = visitor(), datetime.now(UTC)
    with database().tenant_transaction(who.tenant_id) as conn:
        item = _get(conn, who, key)
        tenant = get_tenant_config(conn, who.tenant_id)
        messages, earlier = _messages(conn, who, key)
        decision = find_placing_decision(conn, who.tenant_id, key)
        chosen = _choose(conn, who, messages)
        page: dict[str, Any] = {
            **_words(conn, who, item, messages, now=now),
            "earlier": earlier,
            "chosen": chosen,
            "outlook": find_outlook(conn, who.tenant_id, key, tenant=tenant, now=now),
            "why": explain(decision.as_decision()) if decision else None,
            "decision": decision,
            "actions": [one for one in list_conversation_actions(conn, who.tenant_id, key) if one.kind != REPLY],
            "events": list_conversation_events(conn, key),
            "queues": list_purposes(tenant),
            "colleagues": list_agents(conn, who.tenant_id),
            "topics": _topics(tenant),
        }
        add_access(conn, who.tenant_id, key, actor=who.actor, messages=len(messages))
    tell_viewing(who.tenant_id, key)
    return render_template(
        "conversation.html",
        **page,
        allowed=_allowed(who, item),
        may_correct=who.place.role != "auditor",
        is_admin=who.place.role == "admin",
        may_reanalyze=who.place.role in {"supervisor", "admin"},
        sentiments=get_args(Sentiment),
        intents=get_args(Intent),
        snoozes=SNOOZES,
        now=now,
        draft=draft,
        once=secrets.token_urlsafe(12),
        most_counted=MOST_COUNTED,
        most_chars=INSTAGRAM_BYTES if item.channel == "instagram" else MAX_CHARS,
    )


def read_words(key: str) -> dict[str, Any]:
    """The newest messages and where the conversation stands, for a page that is open already."""
    who, now = visitor(), datetime.now(UTC)
    with database().tenant_transaction(who.tenant_id) as conn:
        item = _get(conn, who, key)
        messages = list_conversation_messages(conn, who.tenant_id, key, before=None, limit=MESSAGES)
        words = _words(conn, who, item, messages, now=now)
        add_access(conn, who.tenant_id, key, actor=who.actor, messages=len(messages))
    return {**words, "chosen": None, "allowed": _allowed(who, item)}


def _allowed(who: Visitor, item: WorkItem) -> dict[Deed, bool]:
    rights: tuple[Deed, ...] = ("claim", "assign", "transfer", "unassign", "snooze", "resolve", "reopen", "reply")
    return {
        deed: may(who.place.role, deed, user_id=who.person.user_id, assignee_id=item.assignee_id) for deed in rights
    }


def _words(
    conn: Connection, who: Visitor, item: WorkItem, messages: list[ReadMessage], *, now: datetime
) -> dict[str, Any]:
    line = read_lines(conn, who.tenant_id, [item.id])[item.id]
    replies = list_replies(conn, who.tenant_id, item.id)
    has_it = find_colleague(conn, who.tenant_id, user_id=item.assignee_id) if item.assignee_id else None
    return {
        "work": item,
        "messages": messages,
        "entries": _entries(messages, replies, is_newest_page=request.args.get("before") is None),
        "line": line,
        "badge": clock_badge(
            kind=line.clock_kind, state=line.clock_state, due_at=line.clock_due_at, warn_at=line.clock_warn_at, now=now
        ),
        "tags": list_tags(conn, item.id),
        "assignee": has_it[1] if has_it else None,
        "readers": list_readers(conn, who.tenant_id, item.id, within_s=HERE_S, but=who.person.user_id),
        "card": read_card(conn, who.tenant_id, item.id),
    }


@dataclass(frozen=True)
class _Entry:
    """A message, an answer of ours that stands among the messages, or one that does not (yet)."""

    at: datetime
    message: ReadMessage | None
    reply: Reply | None


def _entries(messages: list[ReadMessage], replies: list[Reply], *, is_newest_page: bool) -> list[_Entry]:
    """In the order of time. Answers that never left stand where they were written, on the page of the newest messages."""
    by_message = {one.message_id: one for one in replies}
    entries = [_Entry(one.sent_at, one, by_message.get(one.id)) for one in messages]
    if is_newest_page:
        entries += [_Entry(one.written_at, None, one) for one in replies if one.message_id is None]
        entries.sort(key=lambda one: one.at)
    return entries


@blueprint.get("/sent/<uuid:message_id>")
def sent(conversation_id: object, message_id: object) -> str:
    """What left the building about one message, exactly."""
    who, key = visitor(), str(message_id)
    with database().tenant_transaction(who.tenant_id) as conn:
        _get_message(conn, who, str(conversation_id), key)
        calls = list_egress(conn, who.tenant_id, message_id=key)
        add_access(conn, who.tenant_id, str(conversation_id), actor=who.actor, messages=1)
    return render_template("sent.html", conversation_id=str(conversation_id), message_id=key, calls=calls)


def _get(conn: Connection, who: Visitor, conversation_id: str) -> WorkItem:
    try:
        return get_work_item(conn, who.tenant_id, conversation_id)
    except LookupError:
        abort(404)


def _get_message(conn: Connection, who: Visitor, conversation_id: str, message_id: str) -> None:
    """404 unless the conversation holds it: the log of who read what goes by conversations."""
    if not is_id(message_id) or not has_message(conn, who.tenant_id, conversation_id, message_id=message_id):
        abort(404)


def _messages(conn: Connection, who: Visitor, conversation_id: str) -> tuple[list[ReadMessage], str | None]:
    """The messages of the page, and the word for the page before them."""
    try:
        before = read_moment(request.args.get("before"))
    except Problem:
        before = None
    found = list_conversation_messages(conn, who.tenant_id, conversation_id, before=before, limit=MESSAGES + 1)
    shown = found[-MESSAGES:]
    return shown, write_cursor((shown[0].sent_at, shown[0].id)) if len(found) > MESSAGES else None


def _choose(conn: Connection, who: Visitor, messages: list[ReadMessage]) -> _Chosen | None:
    theirs = [one for one in messages if one.direction == "inbound"]
    wanted = request.args.get("message")
    message = next((one for one in theirs if one.id == wanted), theirs[-1] if theirs else None)
    if message is None:
        return None
    return _Chosen(message, list_history(conn, who.tenant_id, message_id=message.id))


def _topics(tenant: TenantConfig) -> list[str]:
    return sorted({**load_industry(tenant.industry).all_topics(), **tenant.topics})


@blueprint.post("/do")
def change(conversation_id: object) -> Response:
    """One deed of a person: claim, unassign, resolve, reopen, snooze, transfer, assign."""
    who, key = visitor(), str(conversation_id)
    doer = doer_of(who)
    deed = request.form.get("deed", "")
    version = request.form.get("version", "")
    try:
        with database().tenant_transaction(who.tenant_id) as conn:
            chosen = _change(conn, who, deed)
            if chosen is None:
                abort(422)
            change_it, gets = chosen
            deeds.carry_out(
                conn,
                doer,
                key,
                deed,  # pyright: ignore[reportArgumentType] -- known to _change
                change_it,
                version=int(version) if version.isascii() and version.isdigit() and len(version) < 10 else None,
                getting=lambda _conn, _one: gets,
            )
        give_notice("done", deed=deed)
    except Problem as problem:
        if problem.code == "not_found":
            abort(404)
        give_notice("refused", code=problem.code)
    return _back(key)


def _change(conn: Connection, who: Visitor, deed: str) -> tuple[Change, int | None] | None:
    """The change that the form asks for, and the person who gets the conversation by it. Raises: Problem."""
    simple: dict[str, Change] = {"unassign": deeds.unassign, "resolve": deeds.resolve, "reopen": deeds.reopen}
    if deed in simple:
        return simple[deed], None
    if deed == "claim":
        return deeds.claim, who.person.user_id
    if deed == "snooze":
        return deeds.snooze_until(datetime.now(UTC) + SNOOZES.get(request.form.get("for", ""), SNOOZES["1h"])), None
    if deed == "transfer":
        return deeds.move_to(request.form.get("queue", "")), None
    if deed == "assign":
        user_id = deeds.find_agent(conn, doer_of(who), user_id=None, email=request.form.get("email", ""))
        return deeds.give_to(user_id, "assigned"), user_id
    return None


@blueprint.post("/correct")
def set_right(conversation_id: object) -> Response:
    """Say what a message's label should be, or take that back."""
    who, key = visitor(), str(conversation_id)
    if who.place.role == "auditor":
        abort(403)
    message_id, field = request.form.get("message", ""), request.form.get("field", "")
    value: str | list[str] = request.form.getlist("value") if field == "topics" else request.form.get("value", "")
    try:
        with database().tenant_transaction(who.tenant_id) as conn:
            _get_message(conn, who, key, message_id)
            tenant = get_tenant_config(conn, who.tenant_id)
            if request.form.get("undo"):
                undo(conn, who.tenant_id, tenant=tenant, message_id=message_id, field=field, by=who.person.user_id)
                give_notice("undone", field=field)
            else:
                correct(
                    conn,
                    who.tenant_id,
                    tenant=tenant,
                    message_id=message_id,
                    field=field,
                    value=value,
                    by=who.person.user_id,
                    reason=request.form.get("reason"),
                )
                give_notice("corrected", field=field, message=message_id)
    except CorrectionError:
        give_notice("not_corrected", field=field if field in CORRECTABLE else "")
    return _back(key, message=message_id)


@blueprint.post("/reanalyze")
def look_again(conversation_id: object) -> Response:
    """Have the conversation's newest message, or one that was chosen, judged again. For supervisors and admins."""
    who, key = visitor(), str(conversation_id)
    if who.place.role not in {"supervisor", "admin"}:
        abort(403)
    chosen = request.form.get("message")
    with database().tenant_transaction(who.tenant_id) as conn:
        _get(conn, who, key)
        if chosen:
            _get_message(conn, who, key, chosen)
        message_id = chosen or find_newest_message(conn, who.tenant_id, key)
        begun, under_way = ([], 0)
        if message_id:
            begun, under_way = add_reanalyses(conn, who.tenant_id, [message_id], until_now=not chosen)
    give_notice("reanalyzing" if begun or under_way else "nothing_to_read")
    return _back(key, message=chosen)


def _back(conversation_id: str, *, message: str | None = None) -> Response:
    return redirect(url_for("conversation.show", conversation_id=conversation_id, message=message or None))
