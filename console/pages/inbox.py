"""/inbox: queues with counts, and the conversations of one of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from console import deeds
from console.api.cursors import read_place, write_cursor
from console.api.problems import Problem
from console.api.requests import ConversationQuery
from console.api.tenant_queues import list_purposes
from console.badges import clock_badge
from console.deeds import Doer
from console.pages.notices import give_notice
from console.queue_counts import QueueCounts
from console.visitors import Visitor, database, let_in, visitor
from store.conversation_lists import Filters, ListedConversation, QueueCount, list_conversations
from store.inbox import InboxLine, read_lines
from store.tenants import get_tenant_config

blueprint = Blueprint("inbox", __name__)
blueprint.before_request(let_in)
PAGE = 50
MAX_BULK = 100
# What a filter may be called in an address; anything else is left out.
FILTERS = ("queue", "priority", "assignee", "state", "tag", "cursor")


@blueprint.get("/inbox")
def show() -> str:
    """The list that the address asks for, else everything that is open."""
    return render_template("inbox.html", **read_page())


def read_page(*, ids: Sequence[str] | None = None) -> dict[str, Any]:
    """What the list's template shows. ids: only these conversations, as far as they stand in the list."""
    who, now = visitor(), datetime.now(UTC)
    query = read_query()
    with database().tenant_transaction(who.tenant_id) as conn:
        counts = queue_counts().read(conn, who.tenant_id)
        purposes = list_purposes(get_tenant_config(conn, who.tenant_id))
        assignee_id = _assignee(query.assignee, who)
        filters = Filters(query.queue, query.priority, assignee_id, query.state or "open", query.tag, ids)
        try:
            after = read_place(query.cursor)
        except Problem:
            after = None
        limit = PAGE if ids is None else len(ids)
        found = list_conversations(conn, who.tenant_id, filters, after=after, limit=limit + 1)
        lines = read_lines(conn, who.tenant_id, [one.id for one in found[:limit]])
    return {
        "queues": _queues(counts, purposes),
        "rows": [_row(one, lines[one.id], now=now) for one in found[:limit] if one.id in lines],
        "query": query,
        "kept": {name: value for name in FILTERS if name != "cursor" and (value := getattr(query, name))},
        "more": write_cursor(found[limit - 1].place) if len(found) > limit else None,
        "is_later_page": query.cursor is not None,
        "now": now,
    }


def queue_counts() -> QueueCounts:
    """The application's last counts."""
    return cast("QueueCounts", current_app.extensions["queue_counts"])


def read_query() -> ConversationQuery:
    """The filters in the address; one that means nothing is left out instead of being an error to the person."""
    given = {name: request.args[name] for name in FILTERS if request.args.get(name)}
    while True:
        try:
            return ConversationQuery.model_validate(given)
        except ValidationError as error:
            for item in error.errors(include_input=False):
                given.pop(str(item["loc"][0]), None)


def _assignee(given: str | None, who: Visitor) -> int | None:
    if given == "me":
        return who.person.user_id
    return 0 if given == "none" else int(given) if given else None


def _queues(counts: list[QueueCount], purposes: dict[str, str]) -> list[dict[str, Any]]:
    names = [*purposes, *sorted({one.queue for one in counts} - set(purposes))]
    return [
        {
            "name": name,
            "purpose": purposes.get(name, ""),
            "open": sum(one.open for one in counts if one.queue == name),
            "urgent": sum(one.waiting for one in counts if one.queue == name and one.priority == "P1"),
        }
        for name in names
    ]


def _row(one: ListedConversation, line: InboxLine, *, now: datetime) -> dict[str, Any]:
    badge = clock_badge(
        kind=line.clock_kind, state=line.clock_state, due_at=line.clock_due_at, warn_at=line.clock_warn_at, now=now
    )
    return {"work": one, "line": line, "badge": badge}


@blueprint.post("/inbox")
def change_many() -> Response:
    """Claim or resolve what was chosen; what may not be done is counted and said."""
    who = visitor()
    chosen = [one for one in request.form.getlist("conversation")[:MAX_BULK] if is_id(one)]
    deed = request.form.get("deed", "")
    changes = {"claim": deeds.claim, "resolve": deeds.resolve, "unassign": deeds.unassign}
    done = refused = 0
    if deed in changes:
        doer = doer_of(who)
        for conversation_id in sorted(set(chosen)):
            try:
                with database().tenant_transaction(who.tenant_id) as conn:
                    deeds.carry_out(
                        conn,
                        doer,
                        conversation_id,
                        deed,  # pyright: ignore[reportArgumentType] -- one of the keys above
                        changes[deed],
                        getting=(lambda _conn, one: one.person()) if deed == "claim" else (lambda _conn, _one: None),
                    )
                done += 1
            except Problem:
                refused += 1
    give_notice("done_many", done=done, refused=refused)
    kept: dict[str, Any] = {name: value for name in FILTERS if (value := request.args.get(name))}
    return redirect(url_for("inbox.show", **kept))


def is_id(given: str) -> bool:
    """Whether it can be the id of anything; what people's programs put into forms need not be."""
    try:
        return str(UUID(given)) == given
    except ValueError:
        return False


def doer_of(who: Visitor) -> Doer:
    """The visitor as somebody who works on conversations."""
    return Doer(who.tenant_id, who.place.role, who.person.user_id, who.actor)
