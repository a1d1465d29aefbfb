"""Queues as counts, and conversations as lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.db import Connection

# Sorts behind P4: a conversation that nothing has placed yet.
NO_PRIORITY = "P9"


@dataclass(frozen=True)
class QueueCount:
    """Open conversations of one queue and priority that are not snoozed. oldest_waiting_since: of those whose customer waits for
    a person, None when none does.
    """

    queue: str
    priority: str | None
    open: int
    unassigned: int
    waiting: int
    snoozed: int
    oldest_waiting_since: datetime | None


def count_queues(conn: Connection, tenant_id: int) -> list[QueueCount]:
    """By queue, then priority."""
    rows = conn.execute(
        """
        SELECT queue, priority,
               count(*) FILTER (WHERE NOT is_snoozed),
               count(*) FILTER (WHERE NOT is_snoozed AND assignee_id IS NULL),
               count(*) FILTER (WHERE NOT is_snoozed AND waits),
               count(*) FILTER (WHERE is_snoozed),
               min(since) FILTER (WHERE NOT is_snoozed AND waits)
        FROM (
            SELECT queue, priority, assignee_id, coalesce(snoozed_until > now(), false) AS is_snoozed,
                   coalesce(waiting_since, last_inbound_at) AS since,
                   awaits_answer(waiting_since, last_human_answer_at) AS waits
            FROM conversation
            WHERE tenant_id = %s AND state = 'open' AND queue IS NOT NULL
        ) AS one
        GROUP BY queue, priority
        ORDER BY queue, priority
        """,
        (tenant_id,),
    ).fetchall()
    return [QueueCount(*row) for row in rows]


@dataclass(frozen=True)
class ListedConversation:
    """One conversation of a list. since: when its customer began to wait, else when it began. place: where it stands in the list."""

    id: str
    state: str
    queue: str | None
    priority: str | None
    channel: str
    assignee_id: int | None
    assignee_email: str | None
    assigned_at: datetime | None
    skill: str | None
    snoozed_until: datetime | None
    since: datetime
    is_waiting: bool
    last_inbound_at: datetime | None
    resolved_at: datetime | None
    reopened: int
    version: int

    @property
    def place(self) -> tuple[str, datetime, str]:
        """The list is in this order."""
        return self.priority or NO_PRIORITY, self.since, self.id


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to; None: all. assignee: a user's id, 0 for nobody. state: "snoozed" is open and asleep. ids: only these."""

    queue: str | None = None
    priority: str | None = None
    assignee_id: int | None = None
    state: Literal["open", "snoozed", "resolved"] | None = None
    tag: str | None = None
    ids: Sequence[str] | None = None


def list_conversations(
    conn: Connection, tenant_id: int, filters: Filters, *, after: tuple[str, datetime, str] | None, limit: int
) -> list[ListedConversation]:
    """Conversations by priority, then the longest waiting, from behind `after`. New ones never move those that are still to come."""
    rows = conn.execute(
        """
        SELECT c.id::text, c.state, c.queue, c.priority, c.channel, c.assignee_id, u.email, c.assigned_at, c.skill_wanted,
               CASE WHEN c.snoozed_until > now() THEN c.snoozed_until END,
               coalesce(c.waiting_since, c.last_inbound_at, c.created_at),
               c.state = 'open' AND awaits_answer(c.waiting_since, c.last_human_answer_at), c.last_inbound_at,
               c.resolved_at, c.reopened, c.version
        FROM conversation AS c LEFT JOIN app_user AS u ON u.id = c.assignee_id
        WHERE c.tenant_id = %(tenant_id)s
          AND (%(ids)s::uuid[] IS NULL OR c.id = ANY(%(ids)s::uuid[]))
          AND (%(queue)s::text IS NULL OR c.queue = %(queue)s)
          AND (%(priority)s::text IS NULL OR c.priority = %(priority)s)
          AND (%(assignee_id)s::bigint IS NULL OR coalesce(c.assignee_id, 0) = %(assignee_id)s)
          AND (
              %(tag)s::text IS NULL
              OR EXISTS (SELECT FROM conversation_tag AS t WHERE t.conversation_id = c.id AND t.tag = %(tag)s)
          )
          AND CASE %(state)s::text
              WHEN 'open' THEN c.state = 'open' AND coalesce(c.snoozed_until <= now(), true)
              WHEN 'snoozed' THEN c.state = 'open' AND c.snoozed_until > now()
              WHEN 'resolved' THEN c.state = 'resolved'
              ELSE true
          END
          AND (
              %(after_id)s::uuid IS NULL
              OR (coalesce(c.priority, 'P9'), coalesce(c.waiting_since, c.last_inbound_at, c.created_at), c.id)
                 > (%(after_priority)s::text, %(after_since)s::timestamptz, %(after_id)s::uuid)
          )
        ORDER BY coalesce(c.priority, 'P9'), coalesce(c.waiting_since, c.last_inbound_at, c.created_at), c.id
        LIMIT %(limit)s
        """,
        {
            "tenant_id": tenant_id,
            "queue": filters.queue,
            "priority": filters.priority,
            "assignee_id": filters.assignee_id,
            "state": filters.state,
            "tag": filters.tag,
            "ids": None if filters.ids is None else list(filters.ids),
            "after_priority": after[0] if after else None,
            "after_since": after[1] if after else None,
            "after_id": after[2] if after else None,
            "limit": limit,
        },
    ).fetchall()
    return [ListedConversation(*row) for row in rows]


def list_customer_conversations(
    conn: Connection, tenant_id: int, customer_id: str, *, before_id: str | None, limit: int
) -> list[ListedConversation]:
    """A customer's conversations in every state, the one that began last first. before_id: the page before ended there."""
    rows = conn.execute(
        """
        SELECT c.id::text, c.state, c.queue, c.priority, c.channel, c.assignee_id, u.email, c.assigned_at, c.skill_wanted,
               CASE WHEN c.snoozed_until > now() THEN c.snoozed_until END,
               coalesce(c.waiting_since, c.last_inbound_at, c.created_at),
               c.state = 'open' AND awaits_answer(c.waiting_since, c.last_human_answer_at), c.last_inbound_at,
               c.resolved_at, c.reopened, c.version
        FROM conversation AS c LEFT JOIN app_user AS u ON u.id = c.assignee_id
        WHERE c.tenant_id = %(tenant_id)s AND c.customer_id = %(customer_id)s
          AND (%(before_id)s::uuid IS NULL OR c.id < %(before_id)s::uuid)
        ORDER BY c.id DESC
        LIMIT %(limit)s
        """,
        {"tenant_id": tenant_id, "customer_id": customer_id, "before_id": before_id, "limit": limit},
    ).fetchall()
    return [ListedConversation(*row) for row in rows]
