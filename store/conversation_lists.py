"""Queues as counts, and conversations as lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString

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


_COLUMNS: LiteralString = """
    SELECT c.id::text, c.state, c.queue, c.priority, c.channel, c.assignee_id, u.email, c.assigned_at, c.skill_wanted,
           CASE WHEN c.snoozed_until > now() THEN c.snoozed_until END,
           coalesce(c.waiting_since, c.last_inbound_at, c.created_at),
           c.state = 'open' AND awaits_answer(c.waiting_since, c.last_human_answer_at), c.last_inbound_at,
           c.resolved_at, c.reopened, c.version
    FROM conversation AS c LEFT JOIN app_user AS u ON u.id = c.assignee_id
    WHERE c.tenant_id = %(tenant_id)s
"""
# The index conversation_order is in this order.
_ORDER: LiteralString = """
    ORDER BY coalesce(c.priority, 'P9'), coalesce(c.waiting_since, c.last_inbound_at, c.created_at), c.id
    LIMIT %(limit)s
"""
_AFTER: LiteralString = """
    AND (coalesce(c.priority, 'P9'), coalesce(c.waiting_since, c.last_inbound_at, c.created_at), c.id)
        > (%(after_priority)s::text, %(after_since)s::timestamptz, %(after_id)s::uuid)
"""
_TAGGED: LiteralString = """
    AND c.id IN (SELECT t.conversation_id FROM conversation_tag AS t WHERE t.tenant_id = %(tenant_id)s AND t.tag = %(tag)s)
"""
_STATES: dict[str | None, LiteralString] = {
    None: "",
    "open": " AND c.state = 'open' AND coalesce(c.snoozed_until <= now(), true)",
    "snoozed": " AND c.state = 'open' AND c.snoozed_until > now()",
    "resolved": " AND c.state = 'resolved'",
}
_EITHER_STATE: tuple[LiteralString, ...] = (" AND c.state = 'open'", " AND c.state = 'resolved'")


def list_conversations(
    conn: Connection, tenant_id: int, filters: Filters, *, after: tuple[str, datetime, str] | None, limit: int
) -> list[ListedConversation]:
    """Conversations by priority, then the longest waiting, from behind `after`. New ones never move those that are still to come."""
    if filters.state is None and filters.ids is None:
        # The index holds the order by state: two short lists are put together instead of sorting all there ever were.
        both = [
            one
            for condition in _EITHER_STATE
            for one in _list_in_state(conn, tenant_id, filters, condition=condition, after=after, limit=limit)
        ]
        return sorted(both, key=lambda one: one.place)[:limit]
    return _list_in_state(conn, tenant_id, filters, condition=_STATES[filters.state], after=after, limit=limit)


def _list_in_state(
    conn: Connection,
    tenant_id: int,
    filters: Filters,
    *,
    condition: LiteralString,
    after: tuple[str, datetime, str] | None,
    limit: int,
) -> list[ListedConversation]:
    # Only what is asked for stands in the query: of conditions that might be there, no index can be chosen.
    query = _COLUMNS + condition
    if filters.ids is not None:
        query += " AND c.id = ANY(%(ids)s::uuid[])"
    if filters.queue is not None:
        query += " AND c.queue = %(queue)s"
    if filters.priority is not None:
        # As the index has it.
        query += " AND coalesce(c.priority, 'P9') = %(priority)s"
    if filters.assignee_id is not None:
        query += " AND c.assignee_id = %(assignee_id)s" if filters.assignee_id else " AND c.assignee_id IS NULL"
    if filters.tag is not None:
        query += _TAGGED
    if after is not None:
        query += _AFTER
    rows = conn.execute(
        query + _ORDER,
        {
            "tenant_id": tenant_id,
            "queue": filters.queue,
            "priority": filters.priority,
            "assignee_id": filters.assignee_id,
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
