"""One conversation as work: who has it, and the changes people make to that. Each change is logged and counted."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.conversation_events import Actor, EventKind, add_conversation_event
from store.db import Connection


@dataclass(frozen=True)
class WorkItem:
    """A conversation as people work on it. waiting_since: the customer's first message that no person has answered, None when
    none waits. version: counts every change.
    """

    id: str
    state: str
    queue: str | None
    priority: str | None
    channel: str
    assignee_id: int | None
    assigned_at: datetime | None
    assigned_because: str | None
    skill: str | None
    snoozed_until: datetime | None
    waiting_since: datetime | None
    last_inbound_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    reopened: int
    version: int


def lock_work_item(conn: Connection, tenant_id: int, conversation_id: str) -> WorkItem | None:
    """The conversation, locked until the transaction ends; None when the tenant has no such one."""
    row = conn.execute(
        """
        SELECT id::text, state, queue, priority, channel, assignee_id, assigned_at, assigned_because, skill_wanted, snoozed_until,
               CASE WHEN awaits_answer(waiting_since, last_human_answer_at) THEN waiting_since END, last_inbound_at,
               resolved_at, resolved_by, reopened, version
        FROM conversation
        WHERE tenant_id = %s AND id = %s
        FOR UPDATE
        """,
        (tenant_id, conversation_id),
    ).fetchone()
    return WorkItem(*row) if row else None


def get_work_item(conn: Connection, tenant_id: int, conversation_id: str) -> WorkItem:
    """The conversation as it stands. Raises: LookupError when the tenant has no such one."""
    row = conn.execute(
        """
        SELECT id::text, state, queue, priority, channel, assignee_id, assigned_at, assigned_because, skill_wanted, snoozed_until,
               CASE WHEN awaits_answer(waiting_since, last_human_answer_at) THEN waiting_since END, last_inbound_at,
               resolved_at, resolved_by, reopened, version
        FROM conversation
        WHERE tenant_id = %s AND id = %s
        """,
        (tenant_id, conversation_id),
    ).fetchone()
    if row is None:
        raise LookupError(conversation_id)
    return WorkItem(*row)


def claim_next(conn: Connection, tenant_id: int, *, queue: str, user_id: int, actor: Actor) -> str | None:
    """Take the next conversation that nobody has: by priority, then the one whose clock is due first, then the one that waits
    longest. None when none is left.

    Those who claim at the same moment get different ones.
    """
    row = conn.execute(
        """
        UPDATE conversation
        SET assignee_id = %(user_id)s, assigned_at = now(), assigned_because = 'claimed', snoozed_until = NULL,
            version = version + 1
        WHERE id = (
            SELECT c.id
            FROM conversation AS c
            WHERE c.tenant_id = %(tenant_id)s AND c.state = 'open' AND c.queue = %(queue)s AND c.assignee_id IS NULL
              AND (c.snoozed_until IS NULL OR c.snoozed_until <= now())
            ORDER BY coalesce(c.priority, 'P9'), next_due_at(c.id),
                     coalesce(c.waiting_since, c.last_inbound_at, c.created_at), c.id
            LIMIT 1
            FOR UPDATE SKIP LOCKED
        )
        RETURNING id::text
        """,
        {"tenant_id": tenant_id, "queue": queue, "user_id": user_id},
    ).fetchone()
    if row is None:
        return None
    _note_assigned(conn, tenant_id, user_id)
    add_conversation_event(conn, tenant_id, row[0], kind="claimed", actor=actor, assignee_id=user_id, queue=queue)
    return str(row[0])


def give(
    conn: Connection,
    tenant_id: int,
    item: WorkItem,
    *,
    user_id: int,
    because: Literal["claimed", "assigned", "transferred", "auto"],
    actor: Actor,
) -> None:
    """The conversation is this person's now. It must be locked."""
    conn.execute(
        """
        UPDATE conversation
        SET assignee_id = %s, assigned_at = now(), assigned_because = %s, wants_agent = false, wants_agent_since = NULL,
            assignee_hint = NULL,
            snoozed_until = CASE WHEN %s = 'auto' THEN snoozed_until END, version = version + 1
        WHERE id = %s
        """,
        (user_id, because, because, item.id),
    )
    _note_assigned(conn, tenant_id, user_id)
    kind: EventKind = "assigned" if because == "auto" else because
    add_conversation_event(conn, tenant_id, item.id, kind=kind, actor=actor, assignee_id=user_id, queue=item.queue)


def _note_assigned(conn: Connection, tenant_id: int, user_id: int) -> None:
    conn.execute(
        "UPDATE agent SET last_assigned_at = now() WHERE tenant_id = %s AND user_id = %s", (tenant_id, user_id)
    )


def put_back(
    conn: Connection, tenant_id: int, item: WorkItem, *, queue: str | None, wants_agent: bool, actor: Actor
) -> None:
    """Nobody has the conversation any more. queue: move it there. wants_agent: somebody shall be given it."""
    conn.execute(
        """
        UPDATE conversation
        SET assignee_id = NULL, assigned_at = NULL, assigned_because = NULL, queue = coalesce(%s, queue), wants_agent = %s,
            wants_agent_since = CASE WHEN %s THEN now() END, assignee_hint = NULL, snoozed_until = NULL,
            version = version + 1
        WHERE id = %s
        """,
        (queue, wants_agent, wants_agent, item.id),
    )
    kind: EventKind = "transferred" if queue else "unassigned"
    add_conversation_event(conn, tenant_id, item.id, kind=kind, actor=actor, queue=queue or item.queue)


def snooze_item(conn: Connection, tenant_id: int, item: WorkItem, *, until: datetime, actor: Actor) -> bool:
    """Out of sight until then, or until the customer writes. False when the time is past, or more than a year away."""
    done = conn.execute(
        """
        UPDATE conversation
        SET snoozed_until = %(until)s, version = version + 1
        WHERE id = %(id)s AND %(until)s > now() AND %(until)s < now() + interval '366 days'
        """,
        {"until": until, "id": item.id},
    ).rowcount
    if not done:
        return False
    add_conversation_event(
        conn,
        tenant_id,
        item.id,
        kind="snoozed",
        actor=actor,
        assignee_id=item.assignee_id,
        queue=item.queue,
        until=until,
    )
    return True


def resolve_item(conn: Connection, tenant_id: int, item: WorkItem, *, actor: Actor) -> None:
    """Done; the customer's next message opens it again. Who had it is kept for that."""
    conn.execute(
        """
        UPDATE conversation
        SET state = 'resolved', resolved_at = now(), resolved_by = %s, snoozed_until = NULL, wants_agent = false,
            wants_agent_since = NULL, version = version + 1
        WHERE id = %s
        """,
        (str(actor), item.id),
    )
    add_conversation_event(
        conn, tenant_id, item.id, kind="resolved", actor=actor, assignee_id=item.assignee_id, queue=item.queue
    )


def reopen_item(conn: Connection, tenant_id: int, item: WorkItem, *, actor: Actor) -> None:
    """A person opens it again; a conversation that stood with an automation goes to people."""
    conn.execute(
        """
        UPDATE conversation
        SET state = 'open', resolved_at = NULL, resolved_by = NULL, reopened = reopened + 1, version = version + 1,
            queue = CASE WHEN coalesce(queue, 'auto') = 'auto' THEN 'support' ELSE queue END,
            priority = coalesce(priority, 'P3')
        WHERE id = %s
        """,
        (item.id,),
    )
    add_conversation_event(
        conn, tenant_id, item.id, kind="reopened", actor=actor, assignee_id=item.assignee_id, queue=item.queue
    )
