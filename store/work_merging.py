"""Two conversations that become one, as work: who has it, until when it sleeps, what was done with either."""

from store.db import Connection


def merge_work(conn: Connection, *, moved: str, stays: str) -> None:
    """Carry the moved conversation's work over, before states are merged and it goes. Both must be locked.

    The person of the open one keeps it, of two open ones the one who had it first. It sleeps only while both do, waits since the
    earlier of both, and what was done with either stays on record.
    """
    conn.execute("UPDATE conversation_event SET conversation_id = %s WHERE conversation_id = %s", (stays, moved))
    conn.execute("UPDATE conversation_access SET conversation_id = %s WHERE conversation_id = %s", (stays, moved))
    conn.execute(
        """
        WITH compared AS (
            SELECT g.*, k.state = 'open' AS stays_open, g.state = 'open' AS moved_open,
                   CASE
                       WHEN g.assignee_id IS NULL THEN false
                       WHEN k.assignee_id IS NULL THEN true
                       WHEN k.state <> g.state THEN g.state = 'open'
                       ELSE g.assigned_at < k.assigned_at
                   END AS has_person
            FROM conversation AS g, conversation AS k
            WHERE g.id = %(moved)s AND k.id = %(stays)s
        )
        UPDATE conversation AS k
        SET assignee_id = CASE WHEN g.has_person THEN g.assignee_id ELSE k.assignee_id END,
            assigned_at = CASE WHEN g.has_person THEN g.assigned_at ELSE k.assigned_at END,
            assigned_because = CASE WHEN g.has_person THEN g.assigned_because ELSE k.assigned_because END,
            wants_agent = (k.wants_agent OR g.wants_agent) AND coalesce(k.assignee_id, g.assignee_id) IS NULL,
            wants_agent_since = CASE
                WHEN coalesce(k.assignee_id, g.assignee_id) IS NULL THEN least(k.wants_agent_since, g.wants_agent_since)
            END,
            snoozed_until = CASE
                WHEN g.stays_open AND g.moved_open
                THEN CASE WHEN k.snoozed_until IS NOT NULL AND g.snoozed_until IS NOT NULL
                          THEN least(k.snoozed_until, g.snoozed_until) END
                WHEN g.moved_open THEN g.snoozed_until
                ELSE k.snoozed_until
            END,
            waiting_since = CASE
                WHEN g.stays_open AND g.moved_open THEN CASE
                    WHEN NOT awaits_answer(k.waiting_since, k.last_human_answer_at) THEN g.waiting_since
                    WHEN NOT awaits_answer(g.waiting_since, g.last_human_answer_at) THEN k.waiting_since
                    ELSE least(k.waiting_since, g.waiting_since)
                END
                WHEN g.moved_open THEN g.waiting_since
                ELSE k.waiting_since
            END,
            resolved_at = CASE WHEN NOT (g.stays_open OR g.moved_open) THEN greatest(k.resolved_at, g.resolved_at) END,
            resolved_by = CASE WHEN NOT (g.stays_open OR g.moved_open) THEN coalesce(k.resolved_by, g.resolved_by) END,
            reopened = k.reopened + g.reopened,
            version = greatest(k.version, g.version) + 1
        FROM compared AS g
        WHERE k.id = %(stays)s
        """,
        {"stays": stays, "moved": moved},
    )
