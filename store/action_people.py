"""Where an action needs people: one that must be agreed to, and one that somebody waits for and that can't leave any more."""

from datetime import datetime

from store.actions import APPROVE_WITHIN_H, ClaimedAction
from store.agent_tasks import NewTask, add_task
from store.alerts import NewAlert, raise_alert
from store.db import Connection
from store.sla_clocks import mark_clocks_stale


def hand_to_person(conn: Connection, action: ClaimedAction, *, because: str, now: datetime) -> None:
    """An answer that somebody waits for can't leave any more: the conversation stands open before a person, with an alert and a
    task that is due now.
    """
    conn.execute(
        """
        UPDATE conversation
        SET state = 'open', queue = CASE WHEN coalesce(queue, 'auto') = 'auto' THEN 'support' ELSE queue END,
            priority = coalesce(priority, 'P3'), snoozed_until = NULL, resolved_at = NULL, resolved_by = NULL,
            version = version + 1
        WHERE id = %s
        """,
        (action.conversation_id,),
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
