"""What a customer's new message does to a conversation as work: it wakes what was snoozed and opens what was resolved."""

from datetime import datetime

from store.conversation_events import Actor, add_conversation_event
from store.db import Connection

CUSTOMER_WROTE = Actor(rule="customer_wrote")
# A conversation that was resolved longer ago begins anew, with whoever is free.
KEEPS_PERSON_FOR_H = 24


def note_woken(conn: Connection, tenant_id: int, conversation_id: str, *, assignee_id: int | None) -> None:
    """The customer wrote into a snoozed conversation."""
    add_conversation_event(
        conn, tenant_id, conversation_id, kind="woken", actor=CUSTOMER_WROTE, assignee_id=assignee_id
    )


def note_reopened(
    conn: Connection, tenant_id: int, conversation_id: str, *, resolved_at: datetime, sent_at: datetime
) -> None:
    """The customer wrote into a resolved conversation. Who had it keeps it when they are there and it was resolved within 24 hours
    before the message; else it stands in its queue.
    """
    row = conn.execute(
        """
        UPDATE conversation AS c
        SET reopened = c.reopened + 1, resolved_at = NULL, resolved_by = NULL, skill_wanted = NULL,
            assignee_id = CASE WHEN is_kept THEN c.assignee_id END,
            assigned_at = CASE WHEN is_kept THEN now() END,
            assigned_because = CASE WHEN is_kept THEN c.assigned_because END
        FROM (
            SELECT o.id, %(sent_at)s < %(resolved_at)s + make_interval(hours => %(hours)s) AND EXISTS (
                SELECT
                FROM agent AS a
                JOIN app_user AS u ON u.id = a.user_id AND u.disabled_at IS NULL
                JOIN membership AS m ON m.tenant_id = a.tenant_id AND m.user_id = a.user_id
                WHERE a.tenant_id = %(tenant_id)s AND a.user_id = o.assignee_id AND a.presence = 'available'
            ) AS is_kept
            FROM conversation AS o
            WHERE o.id = %(id)s
        ) AS known
        WHERE c.id = known.id
        RETURNING c.assignee_id, c.queue
        """,
        {
            "id": conversation_id,
            "tenant_id": tenant_id,
            "sent_at": sent_at,
            "resolved_at": resolved_at,
            "hours": KEEPS_PERSON_FOR_H,
        },
    ).fetchone()
    assert row is not None
    add_conversation_event(
        conn, tenant_id, conversation_id, kind="reopened", actor=CUSTOMER_WROTE, assignee_id=row[0], queue=row[1]
    )
