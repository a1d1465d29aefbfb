"""Which days of a tenant must be counted again: those on which something was read, corrected, approved or taken back since."""

from dataclasses import dataclass
from datetime import date, datetime

from store.db import Connection


def lock_days(conn: Connection, tenant_id: int) -> bool:
    """Take the tenant's turn until the transaction ends; False when another worker has it."""
    row = conn.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('days:' || %s, 0))", (tenant_id,)).fetchone()
    return bool(row and row[0])


@dataclass(frozen=True)
class DayWatch:
    """Until when changes have been looked for, and in which time zone the days were cut."""

    time_zone: str
    looked_at: datetime


def find_day_watch(conn: Connection, tenant_id: int) -> DayWatch | None:
    """None before the first look."""
    row = conn.execute("SELECT time_zone, looked_at FROM day_watch WHERE tenant_id = %s", (tenant_id,)).fetchone()
    return DayWatch(*row) if row else None


def set_day_watch(conn: Connection, tenant_id: int, watch: DayWatch) -> None:
    """This look is done."""
    conn.execute(
        """
        INSERT INTO day_watch (tenant_id, time_zone, looked_at)
        VALUES (%s, %s, %s)
        ON CONFLICT (tenant_id) DO UPDATE SET time_zone = EXCLUDED.time_zone, looked_at = EXCLUDED.looked_at
        """,
        (tenant_id, watch.time_zone, watch.looked_at),
    )


def find_first_day(conn: Connection, tenant_id: int, *, time_zone: str) -> date | None:
    """The day of the first message that was received; None when there is none."""
    row = conn.execute(
        """
        SELECT (least(sent_at, received_at) AT TIME ZONE %s)::date
        FROM message
        WHERE tenant_id = %s
        ORDER BY id
        LIMIT 1
        """,
        (time_zone, tenant_id),
    ).fetchone()
    return row[0] if row else None


def list_touched_days(conn: Connection, tenant_id: int, *, since: datetime, time_zone: str) -> list[date]:
    """Days of messages whose label may have changed since then, oldest first."""
    rows = conn.execute(
        """
        SELECT DISTINCT (m.sent_at AT TIME ZONE %(zone)s)::date
        FROM (
            SELECT message_id FROM message_analysis WHERE tenant_id = %(tenant)s AND id >= uuid_floor(%(since)s)
            UNION
            SELECT message_id FROM correction WHERE tenant_id = %(tenant)s AND id >= uuid_floor(%(since)s)
            UNION
            SELECT message_id FROM correction WHERE tenant_id = %(tenant)s AND undone_at >= %(since)s
            UNION
            SELECT id FROM message WHERE tenant_id = %(tenant)s AND erased_at >= %(since)s
            UNION
            SELECT i.message_id
            FROM sweep AS s JOIN sweep_item AS i ON i.sweep_id = s.id
            WHERE s.tenant_id = %(tenant)s AND s.approved_at >= %(since)s
        ) AS changed
        JOIN message AS m ON m.id = changed.message_id
        ORDER BY 1
        """,
        {"tenant": tenant_id, "since": since, "zone": time_zone},
    ).fetchall()
    return [day for (day,) in rows]


def list_due_days(
    conn: Connection, tenant_id: int, *, now: datetime, pause_s_a_message: float, again_before: datetime
) -> list[date]:
    """Days to count now, newest first: stale ones whose pause is over, and those last counted before `again_before`."""
    rows = conn.execute(
        """
        SELECT day
        FROM counted_day
        WHERE tenant_id = %s
          AND (
              counted_at IS NULL OR counted_at < %s
              OR (is_stale AND counted_at <= %s - make_interval(secs => messages * %s))
          )
        ORDER BY day DESC
        """,
        (tenant_id, again_before, now, pause_s_a_message),
    ).fetchall()
    return [day for (day,) in rows]
