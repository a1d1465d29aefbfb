"""/conversations, to work on: claim, assign, transfer, unassign, snooze, resolve, reopen."""

from collections.abc import Callable
from typing import Literal

from flask import Response

from console.api.answers import Work
from console.api.callers import Caller, caller
from console.api.paths import new_blueprint
from console.api.problems import Problem, not_found
from console.api.requests import Assignee, ConversationPath, Expected, Snooze, Transfer
from console.api.tenant_queues import check_queue
from console.api.writing import do_once
from routing.work_rights import Deed, may
from store.agents import find_colleague, lock_agent
from store.db import Connection
from store.survey_invitations import plan_csat_invite
from store.tenants import get_tenant_config
from store.work_items import (
    WorkItem,
    get_work_item,
    give,
    lock_work_item,
    put_back,
    reopen_item,
    resolve_item,
    snooze_item,
)

blueprint = new_blueprint("conversation_work", __name__, under="/conversations/<conversation_id>", answers=Work)
Change = Callable[[Connection, WorkItem, Caller], None]


def _change(
    path: ConversationPath,
    deed: Deed,
    change: Change,
    *,
    expected: Expected,
    getting: Callable[[Connection, Caller], int | None] = lambda _conn, _who: None,
) -> Response:
    """Lock, check, change, answer. getting: the person whose load grows; held before the conversation, as rounds of assignment do."""
    who = caller()

    def work(conn: Connection) -> Work:
        user_id = getting(conn, who)
        if user_id is not None:
            lock_agent(conn, who.tenant_id, user_id)
        item = lock_work_item(conn, who.tenant_id, str(path.conversation_id))
        if item is None:
            raise not_found("a conversation")
        if expected.version is not None and expected.version != item.version:
            fix = "read the conversation again and decide anew"
            raise Problem(409, "changed_meanwhile", field="version", fix=fix, version=item.version)
        if deed == "claim":
            _refuse_claimed(conn, item, who)
        if not may(who.role, deed, user_id=who.user_id, assignee_id=item.assignee_id):
            fix = "it is a colleague's: ask them to transfer it, or a supervisor to assign it"
            raise Problem(403, "not_yours", fix=fix, assignee_id=item.assignee_id)
        change(conn, item, who)
        return Work.of_item(conn, who.tenant_id, get_work_item(conn, who.tenant_id, item.id))

    return do_once(work)


def _refuse_claimed(conn: Connection, item: WorkItem, who: Caller) -> None:
    if item.assignee_id in {None, who.user_id}:
        return
    assert item.assignee_id is not None
    found = find_colleague(conn, who.tenant_id, user_id=item.assignee_id)
    raise Problem(
        409,
        "already_assigned",
        fix="take another one, or ask for a transfer",
        assignee={"user_id": item.assignee_id, "email": found[1] if found else None},
        since=item.assigned_at.isoformat() if item.assigned_at else None,
    )


def _must_be_open(item: WorkItem) -> None:
    if item.state != "open":
        raise Problem(409, "resolved", fix="reopen it first", resolved_at=item.resolved_at)


def _colleague(conn: Connection, who: Caller, *, user_id: int | None, email: str | None) -> int:
    found = find_colleague(conn, who.tenant_id, user_id=user_id, email=email)
    if found is None or found[2] == "auditor":
        fix = "name a person of this tenant who may answer customers; see GET /agents"
        raise Problem(422, "unknown_person", field="user_id" if user_id is not None else "email", fix=fix)
    return found[0]


@blueprint.post("/claim", summary="Take a conversation")
def claim(path: ConversationPath, body: Expected) -> Response:
    """Of two who claim, one gets it; the other is told who has it and since when. One's own: nothing changes."""

    def change(conn: Connection, item: WorkItem, who: Caller) -> None:
        _must_be_open(item)
        if item.assignee_id != who.user_id:
            give(conn, who.tenant_id, item, user_id=who.person(), because="claimed", actor=who.actor)

    return _change(path, "claim", change, expected=body, getting=lambda _conn, who: who.person())


def _give_to(
    path: ConversationPath, body: Assignee | Transfer, *, deed: Deed, because: Literal["assigned", "transferred"]
) -> Response:
    target: list[int] = []

    def getting(conn: Connection, who: Caller) -> int:
        target.append(_colleague(conn, who, user_id=body.user_id, email=body.email))
        return target[0]

    def change(conn: Connection, item: WorkItem, who: Caller) -> None:
        _must_be_open(item)
        if item.assignee_id != target[0]:
            give(conn, who.tenant_id, item, user_id=target[0], because=because, actor=who.actor)

    return _change(path, deed, change, expected=body, getting=getting)


@blueprint.post("/assign", summary="Give a conversation to somebody")
def assign(path: ConversationPath, body: Assignee) -> Response:
    """Whoever has it now. For supervisors and admins."""
    return _give_to(path, body, deed="assign", because="assigned")


@blueprint.post("/transfer", summary="Hand a conversation to a colleague or to a queue")
def transfer(path: ConversationPath, body: Transfer) -> Response:
    """In a queue that is assigned by itself the next free person gets it."""
    if body.queue is None:
        return _give_to(path, body, deed="transfer", because="transferred")
    queue = body.queue

    def change(conn: Connection, item: WorkItem, who: Caller) -> None:
        _must_be_open(item)
        check_queue(conn, who.tenant_id, queue, field="queue")
        put_back(conn, who.tenant_id, item, queue=queue, wants_agent=_is_assigned(conn, who, queue), actor=who.actor)

    return _change(path, "transfer", change, expected=body)


def _is_assigned(conn: Connection, who: Caller, queue: str | None) -> bool:
    return queue in get_tenant_config(conn, who.tenant_id).assignment.auto_assign


@blueprint.post("/unassign", summary="Put a conversation back into its queue")
def unassign(path: ConversationPath, body: Expected) -> Response:
    """Nobody has it any more."""

    def change(conn: Connection, item: WorkItem, who: Caller) -> None:
        _must_be_open(item)
        if item.assignee_id is not None:
            wants_agent = _is_assigned(conn, who, item.queue)
            put_back(conn, who.tenant_id, item, queue=None, wants_agent=wants_agent, actor=who.actor)

    return _change(path, "unassign", change, expected=body)


@blueprint.post("/snooze", summary="Put a conversation away until a time")
def snooze(path: ConversationPath, body: Snooze) -> Response:
    """It comes back then, or at once when the customer writes."""

    def change(conn: Connection, item: WorkItem, who: Caller) -> None:
        _must_be_open(item)
        if not snooze_item(conn, who.tenant_id, item, until=body.until, actor=who.actor):
            raise Problem(422, "invalid_time", field="until", fix="give a time in the future, at most a year away")

    return _change(path, "snooze", change, expected=body)


@blueprint.post("/resolve", summary="Resolve a conversation")
def resolve(path: ConversationPath, body: Expected) -> Response:
    """The customer's next message opens it again. When a person resolves it, the customer may be asked how it was."""

    def change(conn: Connection, item: WorkItem, who: Caller) -> None:
        if item.state != "open":
            return
        resolve_item(conn, who.tenant_id, item, actor=who.actor)
        if who.user_id is not None:
            plan_csat_invite(conn, who.tenant_id, item.id, tenant=get_tenant_config(conn, who.tenant_id))

    return _change(path, "resolve", change, expected=body)


@blueprint.post("/reopen", summary="Open a resolved conversation again")
def reopen(path: ConversationPath, body: Expected) -> Response:
    """Whoever had it has it again. One that an automation had goes to people."""

    def change(conn: Connection, item: WorkItem, who: Caller) -> None:
        if item.state == "resolved":
            reopen_item(conn, who.tenant_id, item, actor=who.actor)

    return _change(path, "reopen", change, expected=body)
