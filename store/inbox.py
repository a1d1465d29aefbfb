"""What an agent sees of each conversation in a list, beside how it stands as work."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from store.db import Connection

SNIPPET_CHARS = 160


@dataclass(frozen=True)
class InboxLine:
    """The newest message of a customer in a conversation and what was read in it; None where there is none.

    clock_*: the promise that is due first and has not been kept, or the last one that was: kind, state (running, met, breached,
    paused), when it is due and when it becomes urgent.
    """

    conversation_id: str
    customer_name: str | None = field(repr=False)
    text: str | None = field(repr=False)
    message_type: str | None
    surface: str | None
    sent_at: datetime | None
    sentiment: str | None
    score: float | None
    intent: str | None
    clock_kind: str | None
    clock_state: str | None
    clock_due_at: datetime | None
    clock_warn_at: datetime | None


def read_lines(conn: Connection, tenant_id: int, conversation_ids: Sequence[str]) -> dict[str, InboxLine]:
    """By conversation."""
    rows = conn.execute(
        """
        SELECT c.id::text, u.display_name, left(m.text, %(chars)s), m.message_type, m.surface, m.sent_at,
               e.sentiment, e.score, e.intent, k.kind, k.state, k.due_at, k.warn_at
        FROM conversation AS c
        JOIN customer AS u ON u.id = c.customer_id
        LEFT JOIN LATERAL (
            SELECT id, text, message_type, surface, sent_at
            FROM message
            WHERE tenant_id = %(tenant)s AND conversation_id = c.id AND direction = 'inbound'
            ORDER BY sent_at DESC, id DESC
            LIMIT 1
        ) AS m ON true
        LEFT JOIN LATERAL effective_label(m.id) AS e ON true
        LEFT JOIN LATERAL (
            -- What is due first, or else what began last: of a long conversation each is the first of an index.
            (
                SELECT kind, state, due_at, warn_at, false AS has_ended
                FROM sla_clock
                WHERE conversation_id = c.id AND state <> 'cancelled' AND ended_at IS NULL
                ORDER BY due_at, started_at DESC
                LIMIT 1
            )
            UNION ALL
            (
                SELECT last.kind, last.state, last.due_at, last.warn_at, true
                FROM unnest(ARRAY['first_answer', 'next_answer', 'resolution']) AS of (kind) CROSS JOIN LATERAL (
                    SELECT kind, state, due_at, warn_at, started_at
                    FROM sla_clock
                    WHERE conversation_id = c.id AND kind = of.kind AND state <> 'cancelled' AND ended_at IS NOT NULL
                    ORDER BY started_at DESC
                    LIMIT 1
                ) AS last
                ORDER BY last.started_at DESC
                LIMIT 1
            )
            ORDER BY has_ended
            LIMIT 1
        ) AS k ON true
        WHERE c.tenant_id = %(tenant)s AND c.id = ANY(%(ids)s::uuid[])
        """,
        {"tenant": tenant_id, "ids": list(conversation_ids), "chars": SNIPPET_CHARS},
    ).fetchall()
    return {row[0]: InboxLine(*row) for row in rows}


@dataclass(frozen=True)
class InboxCounts:
    """Open conversations that are not snoozed. mine: the person's. waiting: their customer waits for a person."""

    open: int
    mine: int
    unassigned: int
    waiting: int
    urgent: int
    snoozed: int


def count_inbox(conn: Connection, tenant_id: int, *, user_id: int | None) -> InboxCounts:
    """Of this moment. user_id: whose are "mine"; None: nobody's are. urgent: of priority P1 and waiting."""
    row = conn.execute(
        """
        SELECT count(*) FILTER (WHERE NOT is_snoozed),
               count(*) FILTER (WHERE NOT is_snoozed AND assignee_id = %s),
               count(*) FILTER (WHERE NOT is_snoozed AND assignee_id IS NULL),
               count(*) FILTER (WHERE NOT is_snoozed AND waits),
               count(*) FILTER (WHERE NOT is_snoozed AND waits AND priority = 'P1'),
               count(*) FILTER (WHERE is_snoozed)
        FROM (
            SELECT priority, assignee_id, coalesce(snoozed_until > now(), false) AS is_snoozed,
                   awaits_answer(waiting_since, last_human_answer_at) AS waits
            FROM conversation
            WHERE tenant_id = %s AND state = 'open' AND queue IS NOT NULL
        ) AS one
        """,
        (user_id, tenant_id),
    ).fetchone()
    assert row is not None
    return InboxCounts(*row)
