"""What people do with a conversation, the same for pages and programs: rights, who was faster, what they had seen."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from console.api.problems import Problem, not_found
from console.api.tenant_queues import check_queue
from routing.work_rights import Deed, Role, may
from store.agents import find_colleague, lock_agent
from store.conversation_events import Actor
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

# The header in which a program names the person it acts for.
ACTS_FOR = "X-Earshot-User"


@dataclass(frozen=True)
class Doer:
    """Who does it: a person, or a program that acts for one (user_id) or as itself (None)."""

    tenant_id: int
    role: Role
    user_id: int | None
    actor: Actor

    def person(self) -> int:
        """The user. Raises: Problem for a program that acts as itself: only a person can have a conversation."""
        if self.user_id is None:
            fix = (
                f"only a person can have a conversation: name one in {ACTS_FOR} (with a supervisor's or admin's key), or use a "
                "key made with earshot apikey create --user"
            )
            raise Problem(422, "no_person", field=ACTS_FOR, fix=fix)
        return self.user_id


Change = Callable[[Connection, WorkItem, Doer], None]


def carry_out(
    conn: Connection,
    who: Doer,
    conversation_id: str,
    deed: Deed,
    change: Change,
    *,
    version: int | None = None,
    getting: Callable[[Connection, Doer], int | None] = lambda _conn, _who: None,
) -> WorkItem:
    """Lock, check, change; returns the conversation as it stands then.

    version: what they had seen; None: whatever it is. getting: the person whose load grows; held before the conversation, as
    rounds of assignment do. Raises: Problem when it may not be done.
    """
    user_id = getting(conn, who)
    if user_id is not None:
        lock_agent(conn, who.tenant_id, user_id)
    item = lock_work_item(conn, who.tenant_id, conversation_id)
    if item is None:
        raise not_found("a conversation")
    if version is not None and version != item.version:
        fix = "read the conversation again and decide anew"
        raise Problem(409, "changed_meanwhile", field="version", fix=fix, version=item.version)
    if deed == "claim":
        _refuse_claimed(conn, item, who)
    if not may(who.role, deed, user_id=who.user_id, assignee_id=item.assignee_id):
        fix = "it is a colleague's: ask them to transfer it, or a supervisor to assign it"
        raise Problem(403, "not_yours", fix=fix, assignee_id=item.assignee_id)
    change(conn, item, who)
    return get_work_item(conn, who.tenant_id, item.id)


def claim(conn: Connection, item: WorkItem, who: Doer) -> None:
    """Of two who claim, one gets it. One's own: nothing changes."""
    _must_be_open(item)
    if item.assignee_id != who.user_id:
        give(conn, who.tenant_id, item, user_id=who.person(), because="claimed", actor=who.actor)


def give_to(user_id: int, because: Literal["assigned", "transferred"]) -> Change:
    """To a colleague, whoever has it now."""

    def change(conn: Connection, item: WorkItem, who: Doer) -> None:
        _must_be_open(item)
        if item.assignee_id != user_id:
            give(conn, who.tenant_id, item, user_id=user_id, because=because, actor=who.actor)

    return change


def move_to(queue: str) -> Change:
    """Into another queue; where that is assigned by itself the next free person gets it."""

    def change(conn: Connection, item: WorkItem, who: Doer) -> None:
        _must_be_open(item)
        check_queue(conn, who.tenant_id, queue, field="queue")
        put_back(conn, who.tenant_id, item, queue=queue, wants_agent=_is_assigned(conn, who, queue), actor=who.actor)

    return change


def unassign(conn: Connection, item: WorkItem, who: Doer) -> None:
    """Nobody has it any more."""
    _must_be_open(item)
    if item.assignee_id is not None:
        wants_agent = _is_assigned(conn, who, item.queue)
        put_back(conn, who.tenant_id, item, queue=None, wants_agent=wants_agent, actor=who.actor)


def snooze_until(until: datetime) -> Change:
    """It comes back then, or at once when the customer writes."""

    def change(conn: Connection, item: WorkItem, who: Doer) -> None:
        _must_be_open(item)
        if not snooze_item(conn, who.tenant_id, item, until=until, actor=who.actor):
            raise Problem(422, "invalid_time", field="until", fix="give a time in the future, at most a year away")

    return change


def resolve(conn: Connection, item: WorkItem, who: Doer) -> None:
    """The customer's next message opens it again. When a person resolves it, the customer may be asked how it was."""
    if item.state != "open":
        return
    resolve_item(conn, who.tenant_id, item, actor=who.actor)
    if who.user_id is not None:
        plan_csat_invite(conn, who.tenant_id, item.id, tenant=get_tenant_config(conn, who.tenant_id))


def reopen(conn: Connection, item: WorkItem, who: Doer) -> None:
    """Whoever had it has it again. One that an automation had goes to people."""
    if item.state == "resolved":
        reopen_item(conn, who.tenant_id, item, actor=who.actor)


def find_agent(conn: Connection, who: Doer, *, user_id: int | None, email: str | None) -> int:
    """A colleague who may answer customers. Raises: Problem."""
    found = find_colleague(conn, who.tenant_id, user_id=user_id, email=email)
    if found is None or found[2] == "auditor":
        fix = "name a person of this tenant who may answer customers; see GET /agents"
        raise Problem(422, "unknown_person", field="user_id" if user_id is not None else "email", fix=fix)
    return found[0]


def _refuse_claimed(conn: Connection, item: WorkItem, who: Doer) -> None:
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


def _is_assigned(conn: Connection, who: Doer, queue: str | None) -> bool:
    return queue in get_tenant_config(conn, who.tenant_id).assignment.auto_assign
