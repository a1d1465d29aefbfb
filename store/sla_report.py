"""What the SLA commands show: open clocks by queue, kept and missed targets by week, and the turns that answer times are made of."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from store.db import Connection


@dataclass(frozen=True)
class QueueClocks:
    """Open clocks of one queue (where the conversation stands now), priority and kind. next_due_at: the earliest."""

    queue: str
    priority: str
    clock: str
    fine: int
    soon: int
    late: int
    paused: int
    next_due_at: datetime


def list_open_clocks(conn: Connection, tenant_id: int) -> list[QueueClocks]:
    """Most urgent first. soon: the warning time is over; late: the due time is."""
    rows = conn.execute(
        """
        SELECT coalesce(v.queue, c.queue), c.priority, c.kind,
               count(*) FILTER (WHERE c.state <> 'paused' AND now() < c.warn_at),
               count(*) FILTER (WHERE c.state <> 'paused' AND now() >= c.warn_at AND now() <= c.due_at),
               count(*) FILTER (WHERE c.state <> 'paused' AND now() > c.due_at),
               count(*) FILTER (WHERE c.state = 'paused'), min(c.due_at)
        FROM sla_clock AS c JOIN conversation AS v ON v.id = c.conversation_id
        WHERE c.tenant_id = %s AND c.ended_at IS NULL
        GROUP BY 1, 2, 3
        ORDER BY min(c.due_at), 1, 2, 3
        """,
        (tenant_id,),
    ).fetchall()
    return [QueueClocks(*row) for row in rows]


@dataclass(frozen=True)
class WeekTargets:
    """Clocks that started in a week. late_open: late and unanswered still. share: met of met and missed, None when there are none.

    median_min, p90_min: minutes around the clock until it was met (also late).
    """

    week: date
    queue: str
    priority: str
    clock: str
    met: int
    missed: int
    late_open: int
    cancelled: int
    share: float | None
    median_min: float | None
    p90_min: float | None


def list_weeks(conn: Connection, tenant_id: int, *, since: datetime, time_zone: str) -> list[WeekTargets]:
    """By week (its Monday in the tenant's time zone, newest first), queue, priority and kind."""
    rows = conn.execute(
        """
        SELECT date_trunc('week', started_at AT TIME ZONE %s)::date AS week, queue, priority, kind,
               count(*) FILTER (WHERE state = 'met') AS met, count(*) FILTER (WHERE state = 'breached') AS missed,
               count(*) FILTER (WHERE state = 'breached' AND ended_at IS NULL), count(*) FILTER (WHERE state = 'cancelled'),
               round(count(*) FILTER (WHERE state = 'met') /
                     nullif(count(*) FILTER (WHERE state IN ('met', 'breached')), 0)::numeric, 4)::double precision,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM met_at - started_at)::double precision / 60)
                   FILTER (WHERE met_at IS NOT NULL),
               percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM met_at - started_at)::double precision / 60)
                   FILTER (WHERE met_at IS NOT NULL)
        FROM sla_clock
        WHERE tenant_id = %s AND started_at >= %s
        GROUP BY 1, 2, 3, 4
        HAVING count(*) FILTER (WHERE state IN ('met', 'breached', 'cancelled')) > 0
        ORDER BY week DESC, queue, priority, kind
        """,
        (time_zone, tenant_id, since),
    ).fetchall()
    return [WeekTargets(*row) for row in rows]


@dataclass(frozen=True)
class StoredTurn:
    """A customer's message or a person's answer. sentiment: by the label that counts, None when there is none."""

    conversation_id: str
    at: datetime
    by_customer: bool
    is_history: bool
    text: str | None = field(repr=False)
    sentiment: str | None


def iterate_turns(conn: Connection, tenant_id: int, *, since: datetime, until: datetime) -> Iterator[StoredTurn]:
    """Of all conversations, one after another, each in order of the provider's time; fetched as they are asked for."""
    with conn.cursor(name="sla_turns") as cursor:
        cursor.itersize = 2000
        cursor.execute(
            """
            -- Sorted first, so that labels are looked up as rows are fetched and not all of them before the first.
            SELECT m.conversation_id::text, m.at, m.by_customer, m.is_history, m.text,
                   CASE WHEN m.by_customer THEN (SELECT sentiment FROM effective_label(m.id)) END
            FROM (
                SELECT id, conversation_id, least(sent_at, received_at) AS at, direction = 'inbound' AS by_customer, is_history, text
                FROM message
                WHERE tenant_id = %s AND sent_at >= %s AND sent_at < %s AND conversation_id IS NOT NULL
                  AND (direction = 'inbound' OR author = 'human')
                ORDER BY conversation_id, sent_at, id
                OFFSET 0
            ) AS m
            """,
            (tenant_id, since, until),
        )
        for row in cursor:
            yield StoredTurn(*row)


def find_switched_on(conn: Connection, tenant_id: int) -> datetime | None:
    """When Earshot made its first decision about a live message of the tenant."""
    row = conn.execute(
        "SELECT min(created_at) FROM routing_decision WHERE tenant_id = %s AND NOT provisional", (tenant_id,)
    ).fetchone()
    return row[0] if row else None
