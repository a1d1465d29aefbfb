"""Which clocks are due, and the alerts that say so: one per clock and kind, or one for many when very many are late at once."""

from dataclasses import dataclass
from typing import Literal

from psycopg.types.json import Jsonb

from routing.alerts import kind_of
from store.db import Connection

AlertKind = Literal["sla_warning", "sla_breach"]

# More than so many alerts of a kind within so many minutes become one that counts: whoever comes back from an outage
# needs a list to work off, not a thousand bells.
MOST_SINGLE_ALERTS = 10
SINGLE_ALERT_WINDOW_MIN = 15


@dataclass(frozen=True)
class DueConversation:
    """A conversation with a clock to look at."""

    tenant_id: int
    conversation_id: str


def list_due_conversations(conn: Connection, *, limit: int) -> list[DueConversation]:
    """Those whose clocks are stale, then those with a warning or a breach to tell, oldest first. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT tenant_id, conversation_id::text
        FROM (
            (SELECT tenant_id, conversation_id, '-infinity'::timestamptz AS since
             FROM stale_clock ORDER BY marked_at LIMIT %(limit)s)
            UNION ALL
            (SELECT tenant_id, conversation_id, due_at
             FROM sla_clock
             WHERE ended_at IS NULL AND breached_at IS NULL AND due_at < now()
             ORDER BY due_at LIMIT %(limit)s)
            UNION ALL
            (SELECT tenant_id, conversation_id, warn_at
             FROM sla_clock
             WHERE ended_at IS NULL AND warned_at IS NULL AND breached_at IS NULL AND warn_at <= now() AND state = 'running'
             ORDER BY warn_at LIMIT %(limit)s)
        ) AS due
        GROUP BY tenant_id, conversation_id
        ORDER BY min(since)
        LIMIT %(limit)s
        """,
        {"limit": limit},
    ).fetchall()
    return [DueConversation(*row) for row in rows]


def claim_conversation(conn: Connection, conversation_id: str) -> bool:
    """Lock the conversation unless somebody works on it just now. One that is gone counts as claimed: its mark goes."""
    row = conn.execute(
        """
        SELECT NOT EXISTS (SELECT FROM conversation WHERE id = %(id)s)
            OR EXISTS (SELECT FROM conversation WHERE id = %(id)s FOR UPDATE SKIP LOCKED)
        """,
        {"id": conversation_id},
    ).fetchone()
    return bool(row and row[0])


@dataclass(frozen=True)
class _DueClock:
    id: str
    conversation_id: str
    message_id: str
    details: dict[str, object]


def write_due_alerts(conn: Connection, tenant_id: int, *, kind: AlertKind) -> int:
    """Alerts about the tenant's running clocks that passed their warning or due time and were not told yet. Returns how many clocks.

    The rule against storms: see MOST_SINGLE_ALERTS; from there on all of an hour stand in one alert. Two that do this at once
    share the work. The transaction must act for `tenant_id`.
    """
    due = _take_due(conn, tenant_id, kind)
    if not due:
        return 0
    if len(due) + _count_recent_singles(conn, tenant_id, kind) <= MOST_SINGLE_ALERTS:
        for clock in due:
            _mark(conn, kind, [clock.id], alert_id=_add_single(conn, tenant_id, kind, clock))
    else:
        _add_to_summed(conn, tenant_id, kind, [clock.id for clock in due])
    return len(due)


def _take_due(conn: Connection, tenant_id: int, kind: AlertKind) -> list[_DueClock]:
    rows = conn.execute(
        """
        SELECT id::text, conversation_id::text, message_id::text,
               jsonb_build_object('clock', kind, 'priority', priority, 'queue', queue, 'started_at', started_at,
                                  'due_at', due_at, 'target_min', target_min, 'counts', counts)
        FROM sla_clock
        WHERE tenant_id = %(tenant_id)s AND ended_at IS NULL AND breached_at IS NULL AND CASE %(kind)s
            WHEN 'sla_breach' THEN state = 'breached' AND due_at < now()
            ELSE state = 'running' AND warned_at IS NULL AND warn_at <= now() AND due_at >= now()
        END
        ORDER BY due_at, id
        LIMIT 5000
        FOR UPDATE SKIP LOCKED
        """,
        {"tenant_id": tenant_id, "kind": kind},
    ).fetchall()
    return [_DueClock(*row) for row in rows]


def _count_recent_singles(conn: Connection, tenant_id: int, kind: AlertKind) -> int:
    row = conn.execute(
        """
        SELECT count(*)
        FROM alert
        WHERE tenant_id = %s AND kind = %s AND conversation_id IS NOT NULL
          AND created_at > now() - make_interval(mins => %s)
        """,
        (tenant_id, kind, SINGLE_ALERT_WINDOW_MIN),
    ).fetchone()
    return row[0] if row else 0


def _add_single(conn: Connection, tenant_id: int, kind: AlertKind, clock: _DueClock) -> str:
    row = conn.execute(
        """
        INSERT INTO alert (tenant_id, kind, key, severity, queue, conversation_id, message_id, details)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (tenant_id, key) DO UPDATE SET resolved_at = NULL
        RETURNING id::text
        """,
        (
            tenant_id,
            kind,
            f"{kind}:{clock.id}",
            kind_of(kind).severity,
            clock.details.get("queue") or kind_of(kind).queue,
            clock.conversation_id,
            clock.message_id,
            Jsonb(clock.details),
        ),
    ).fetchone()
    assert row is not None
    return row[0]


def _mark(conn: Connection, kind: AlertKind, clock_ids: list[str], *, alert_id: str) -> None:
    if kind == "sla_breach":
        conn.execute(
            "UPDATE sla_clock SET breached_at = now(), breach_alert_id = %s WHERE id = ANY(%s::uuid[])",
            (alert_id, clock_ids),
        )
    else:
        conn.execute(
            "UPDATE sla_clock SET warned_at = now(), warning_alert_id = %s WHERE id = ANY(%s::uuid[])",
            (alert_id, clock_ids),
        )


def _add_to_summed(conn: Connection, tenant_id: int, kind: AlertKind, clock_ids: list[str]) -> None:
    row = conn.execute(
        """
        INSERT INTO alert (tenant_id, kind, key, severity, queue, details)
        VALUES (%(tenant_id)s, %(kind)s, %(kind)s || ':many:' || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24'),
                %(severity)s, %(queue)s, '{"summed": true}')
        ON CONFLICT (tenant_id, key) DO UPDATE SET resolved_at = NULL
        RETURNING id::text
        """,
        {"tenant_id": tenant_id, "kind": kind, "severity": kind_of(kind).severity, "queue": kind_of(kind).queue},
    ).fetchone()
    assert row is not None
    _mark(conn, kind, clock_ids, alert_id=row[0])
    conn.execute(
        """
        UPDATE alert AS a
        SET details = jsonb_build_object('summed', true, 'clocks', told.clocks, 'conversations', told.conversations,
                                         'queues', told.queues, 'oldest_due_at', told.oldest_due_at)
        FROM (
            SELECT sum(clocks) AS clocks, (
                       SELECT count(DISTINCT c.conversation_id) FROM sla_clock AS c
                       WHERE %(id)s::uuid IN (c.breach_alert_id, c.warning_alert_id)
                   ) AS conversations,
                   jsonb_object_agg(queue, clocks) AS queues, min(oldest) AS oldest_due_at
            FROM (
                SELECT queue, count(*) AS clocks, min(due_at) AS oldest
                FROM sla_clock
                WHERE %(id)s::uuid IN (breach_alert_id, warning_alert_id)
                GROUP BY queue
            ) AS by_queue
        ) AS told
        WHERE a.id = %(id)s::uuid
        """,
        {"id": row[0]},
    )


def resolve_settled_alerts(conn: Connection, tenant_id: int) -> int:
    """Take back alerts of which nothing is true any more: answered, resolved, or (a warning) late by now. Returns how many."""
    return conn.execute(
        """
        UPDATE alert AS a
        SET resolved_at = now()
        WHERE a.tenant_id = %s AND a.kind IN ('sla_warning', 'sla_breach') AND a.resolved_at IS NULL
          AND NOT EXISTS (
              SELECT FROM sla_clock AS c
              WHERE c.breach_alert_id = a.id AND c.ended_at IS NULL AND c.breached_at IS NOT NULL
          )
          AND NOT EXISTS (
              SELECT FROM sla_clock AS c
              WHERE c.warning_alert_id = a.id AND c.ended_at IS NULL AND c.breached_at IS NULL AND c.warned_at IS NOT NULL
          )
        """,
        (tenant_id,),
    ).rowcount


def list_tenants_with_settled_alerts(conn: Connection) -> list[int]:
    """Tenants with open SLA alerts of which nothing is true any more. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT DISTINCT a.tenant_id
        FROM alert AS a
        WHERE a.kind IN ('sla_warning', 'sla_breach') AND a.resolved_at IS NULL
          AND NOT EXISTS (
              SELECT FROM sla_clock AS c
              WHERE c.breach_alert_id = a.id AND c.ended_at IS NULL AND c.breached_at IS NOT NULL
          )
          AND NOT EXISTS (
              SELECT FROM sla_clock AS c
              WHERE c.warning_alert_id = a.id AND c.ended_at IS NULL AND c.breached_at IS NULL AND c.warned_at IS NOT NULL
          )
        """
    ).fetchall()
    return [row[0] for row in rows]


def count_open_clocks(conn: Connection) -> dict[tuple[str, str], int]:
    """(kind, state) to the number of clocks that have not stopped, of all tenants. Needs the system scope."""
    rows = conn.execute("SELECT kind, state, count(*) FROM sla_clock WHERE ended_at IS NULL GROUP BY 1, 2").fetchall()
    return {(kind, state): count for kind, state, count in rows}
