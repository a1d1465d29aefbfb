"""A second look at messages that were judged before: a fresh pass, appended to the history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from config.crash_points import crash_point
from store.db import Connection
from store.runs import RunRef


def add_reanalyses(
    conn: Connection, tenant_id: int, message_ids: Sequence[str], *, until_now: bool = False
) -> tuple[list[RunRef], int]:
    """(runs that begin now, how many messages have one under way already). Messages without words, erased ones, those of the
    business and those of other tenants are left out.

    Pressing twice is one run. until_now: each sees its conversation up to now. The transaction must act for `tenant_id`.
    """
    rows = conn.execute(
        "SELECT DISTINCT coalesce(joined_to, id)::text FROM message WHERE id = ANY(%s::uuid[])", (list(message_ids),)
    ).fetchall()
    # A part of a burst is judged with the message it was joined to.
    message_ids = [row[0] for row in rows]
    # Locked in order, so that two who press at once wait for each other.
    conn.execute("SELECT FROM message WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE", (list(message_ids),))
    rows = conn.execute(
        """
        WITH wanted AS (
            SELECT m.id, EXISTS (
                SELECT FROM run AS r WHERE r.message_id = m.id AND r.kind IN ('initial', 'reanalyze') AND r.state <> 'dead'
            ) AS under_way
            FROM message AS m
            WHERE m.id = ANY(%s::uuid[]) AND m.tenant_id = %s AND m.direction = 'inbound' AND m.state <> 'erased'
              AND m.text IS NOT NULL
        ), begun AS (
            INSERT INTO run (tenant_id, message_id, kind, until_now, next_at)
            SELECT %s, id, 'reanalyze', %s, now() FROM wanted WHERE NOT under_way ORDER BY id
            RETURNING message_id, id
        )
        SELECT w.under_way, b.message_id::text, b.id::text FROM wanted AS w LEFT JOIN begun AS b ON b.message_id = w.id
        """,
        (list(message_ids), tenant_id, tenant_id, until_now),
    ).fetchall()
    begun = [RunRef(tenant_id, message_id, run_id) for _, message_id, run_id in rows if run_id]
    crash_point("reanalyze.before_commit")
    return begun, sum(under_way for under_way, _, _ in rows)


def find_newest_message(conn: Connection, tenant_id: int, conversation_id: str) -> str | None:
    """The customer's newest message with words, by provider time: the one a second look at the conversation judges."""
    row = conn.execute(
        """
        SELECT id::text
        FROM message
        WHERE tenant_id = %s AND conversation_id = %s AND direction = 'inbound' AND text IS NOT NULL AND state <> 'erased'
        ORDER BY sent_at DESC, message.id DESC
        LIMIT 1
        """,
        (tenant_id, conversation_id),
    ).fetchone()
    return row[0] if row else None


def count_open_passes(conn: Connection, message_ids: Sequence[str]) -> int:
    """How many of the messages still have a pass under way: progress is what is left of them."""
    row = conn.execute(
        "SELECT count(DISTINCT message_id) FROM run WHERE message_id = ANY(%s::uuid[]) AND state <> 'dead'",
        (list(message_ids),),
    ).fetchone()
    return row[0] if row else 0


@dataclass(frozen=True)
class PassState:
    """A message and its readings. is_open: one is under way. error_code: why its last one came to nothing, None when it did not."""

    message_id: str
    is_open: bool
    analyses: int
    last_analysis_at: datetime | None
    error_code: str | None


def list_passes(conn: Connection, tenant_id: int, message_ids: Sequence[str]) -> list[PassState]:
    """How far messages of the tenant are, by id. A part of a burst stands for itself."""
    rows = conn.execute(
        """
        SELECT m.id::text,
               EXISTS (SELECT FROM run AS r WHERE r.message_id = m.id AND r.state <> 'dead'),
               a.readings, a.newest,
               (SELECT r.error_code FROM run AS r WHERE r.message_id = m.id AND r.state = 'dead' ORDER BY r.id DESC LIMIT 1)
        FROM message AS m
        CROSS JOIN LATERAL (
            SELECT count(*) AS readings, max(n.created_at) AS newest
            FROM message_analysis AS n
            WHERE n.message_id = m.id AND n.id > m.id AND NOT n.provisional
        ) AS a
        WHERE m.tenant_id = %s AND m.id = ANY(%s::uuid[])
        ORDER BY m.id
        """,
        (tenant_id, list(message_ids)),
    ).fetchall()
    return [PassState(*row) for row in rows]
