"""Where an action needs people: one that must be agreed to, and one that somebody waits for and that can't leave any more."""

from collections.abc import Sequence
from datetime import datetime

from store.actions import APPROVE_WITHIN_H, ClaimedAction
from store.agent_tasks import NewTask, add_task
from store.alerts import NewAlert, raise_alert
from store.conversation_events import Actor, add_conversation_event
from store.db import Connection
from store.sla_clocks import mark_clocks_stale

AUTOMATION_GAVE_UP = Actor(rule="automation_gave_up")


def hand_to_person(
    conn: Connection, action: ClaimedAction, *, because: str, now: datetime, auto_queues: Sequence[str]
) -> None:
    """An answer that somebody waits for can't leave any more: the conversation stands open before a person, with an alert and a
    task that is due now. auto_queues: those whose conversations are given to people by themselves.
    """
    row = conn.execute(
        """
        WITH stands AS (
            SELECT id, CASE WHEN coalesce(queue, 'auto') = 'auto' THEN 'support' ELSE queue END AS queue
            FROM conversation
            WHERE id = %(id)s
            FOR UPDATE
        )
        UPDATE conversation AS c
        SET state = 'open', queue = stands.queue, priority = coalesce(c.priority, 'P3'), snoozed_until = NULL,
            resolved_at = NULL, resolved_by = NULL, version = c.version + 1,
            reopened = c.reopened + CASE WHEN c.state = 'resolved' THEN 1 ELSE 0 END,
            wants_agent = c.assignee_id IS NULL AND (c.wants_agent OR stands.queue = ANY(%(auto_queues)s)),
            wants_agent_since = CASE
                WHEN c.assignee_id IS NULL AND (c.wants_agent OR stands.queue = ANY(%(auto_queues)s))
                THEN coalesce(c.wants_agent_since, now())
            END
        FROM stands
        WHERE c.id = stands.id
        RETURNING old.state, old.snoozed_until, new.assignee_id, new.queue
        """,
        {"id": action.conversation_id, "auto_queues": list(auto_queues)},
    ).fetchone()
    if row:
        state, snoozed_until, assignee_id, queue = row
        if state == "resolved" or snoozed_until is not None:
            add_conversation_event(
                conn,
                action.tenant_id,
                action.conversation_id,
                kind="reopened" if state == "resolved" else "woken",
                actor=AUTOMATION_GAVE_UP,
                assignee_id=assignee_id,
                queue=queue,
            )
    raise_alert(
        conn,
        action.tenant_id,
        NewAlert(
            kind="needs_person",
            key=f"needs_person:{action.id}",
            customer_id=action.customer_id,
            conversation_id=action.conversation_id,
            message_id=action.message_id,
            details={"action": action.kind, "because": because},
        ),
    )
    add_task(
        conn,
        action.tenant_id,
        NewTask(
            key=f"answer:{action.id}",
            kind="answer",
            conversation_id=action.conversation_id,
            message_id=action.message_id,
            because=f"{action.kind}: {because}",
            due_at=now,
        ),
    )
    mark_clocks_stale(conn, [action.conversation_id])


def wait_for_approval(conn: Connection, action: ClaimedAction) -> None:
    """A person must agree first: the action goes back to `pending`, and people are told once."""
    conn.execute(
        """
        UPDATE action
        SET state = 'pending', needs_approval = true, error_code = 'needs_approval', lease_until = NULL, tries = tries - 1,
            next_at = created_at + make_interval(hours => %s)
        WHERE id = %s AND state = 'sending'
        """,
        (APPROVE_WITHIN_H, action.id),
    )
    raise_alert(
        conn,
        action.tenant_id,
        NewAlert(
            kind="needs_approval",
            key=f"needs_approval:{action.id}",
            customer_id=action.customer_id,
            conversation_id=action.conversation_id,
            message_id=action.message_id,
            details={"action": action.kind},
        ),
    )
