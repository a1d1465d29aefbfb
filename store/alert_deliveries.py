"""Alerts on their way to targets, as an outbox: announced once, claimed by target, tried again with pauses, given up in the open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.alert_targets import StoredTarget
from store.db import Connection

MAX_TRIES = 8
BUSY_S = 120
# Something that just left a target keeps the next waiting for so long, so that a flood becomes one message.
PAUSE_S = 60


@dataclass(frozen=True)
class Unannounced:
    """An alert that its targets have not been told of."""

    id: str
    tenant_id: int
    kind: str
    severity: str
    announcement: int


def take_unannounced(conn: Connection, *, limit: int) -> list[Unannounced]:
    """New alerts, and snoozed ones whose time is up, oldest first; they are announced by the transaction that takes them.

    What is acknowledged or over by now is taken in silence. Needs the system scope.
    """
    conn.execute(
        """
        UPDATE alert
        SET announced_at = NULL, snoozed_until = NULL
        WHERE snoozed_until <= now() AND acknowledged_at IS NULL AND resolved_at IS NULL
        """
    )
    rows = conn.execute(
        """
        WITH due AS (
            SELECT id FROM alert WHERE announced_at IS NULL ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED
        )
        UPDATE alert AS a
        SET announced_at = now(), announcements = announcements + 1
        FROM due
        WHERE a.id = due.id
        RETURNING a.id::text, a.tenant_id, a.kind, a.severity, a.announcements,
                  a.acknowledged_at IS NULL AND a.resolved_at IS NULL AND a.snoozed_until IS NULL
        """,
        (limit,),
    ).fetchall()
    return sorted((Unannounced(*row[:5]) for row in rows if row[5]), key=lambda one: one.id)


def add_deliveries(conn: Connection, due: Sequence[tuple[Unannounced, StoredTarget, datetime]]) -> None:
    """Plan these, each not before its time. Needs the system scope."""
    conn.execute(
        """
        INSERT INTO alert_delivery (tenant_id, alert_id, target_id, announcement, next_at)
        SELECT * FROM unnest(%s::bigint[], %s::uuid[], %s::bigint[], %s::int[], %s::timestamptz[])
        ON CONFLICT (alert_id, target_id, announcement) DO NOTHING
        """,
        (
            [alert.tenant_id for alert, _, _ in due],
            [alert.id for alert, _, _ in due],
            [target.id for _, target, _ in due],
            [alert.announcement for alert, _, _ in due],
            [at for _, _, at in due],
        ),
    )


@dataclass(frozen=True)
class Claimed:
    """One delivery of a claimed target, with its alert."""

    delivery_id: str
    alert_id: str
    kind: str
    severity: str
    details: dict[str, Any]


def claim_target(conn: Connection, *, limit: int) -> tuple[StoredTarget, list[Claimed]] | None:
    """A target that nobody serves now and all that is due for it, oldest first; None when nothing is due anywhere.

    The caller commits before it sends. A worker that dies leaves its deliveries due again after BUSY_S: alerts to colleagues leave at
    least once. Needs the system scope.
    """
    row = conn.execute(
        """
        UPDATE alert_target AS t
        SET busy_until = now() + make_interval(secs => %s)
        FROM (
            SELECT id
            FROM alert_target AS idle
            WHERE coalesce(busy_until, '-infinity') < now()
              AND coalesce(sent_at, '-infinity') < now() - make_interval(secs => %s)
              -- One at a time of each tenant's: servers that let us wait hold one worker, not all of them.
              AND NOT EXISTS (
                  SELECT FROM alert_target AS other WHERE other.tenant_id = idle.tenant_id AND other.busy_until >= now()
              )
              AND EXISTS (
                  SELECT FROM alert_delivery AS d
                  WHERE d.target_id = idle.id AND d.state IN ('pending', 'sending') AND d.next_at <= now()
              )
            ORDER BY id
            LIMIT 1
            FOR UPDATE SKIP LOCKED
        ) AS free
        WHERE t.id = free.id
        RETURNING t.id, t.tenant_id, t.name, t.config, t.url
        """,
        (BUSY_S, PAUSE_S),
    ).fetchone()
    if row is None:
        return None
    target = StoredTarget(*row)
    rows = conn.execute(
        """
        WITH due AS (
            SELECT id
            FROM alert_delivery
            WHERE target_id = %s AND state IN ('pending', 'sending') AND next_at <= now()
            ORDER BY id
            LIMIT %s
            FOR UPDATE
        ), claimed AS (
            UPDATE alert_delivery AS d SET state = 'sending', tries = tries + 1 FROM due WHERE d.id = due.id
            RETURNING d.id, d.alert_id
        )
        SELECT c.id::text, a.id::text, a.kind, a.severity, a.details
        FROM claimed AS c JOIN alert AS a ON a.id = c.alert_id
        ORDER BY c.id
        """,
        (target.id, limit),
    ).fetchall()
    return target, [Claimed(*row) for row in rows]


def settle_deliveries(conn: Connection, ids: Sequence[str], *, error: str | None, permanent: bool) -> None:
    """They were sent (error None), or wait for another try, or failed for good. Needs the system scope."""
    conn.execute(
        """
        UPDATE alert_delivery
        SET state = CASE
                WHEN %(error)s::text IS NULL THEN 'sent'
                WHEN %(permanent)s OR tries >= %(max)s THEN 'failed'
                ELSE 'pending'
            END,
            error_code = %(error)s,
            settled_at = CASE WHEN %(error)s::text IS NULL OR %(permanent)s OR tries >= %(max)s THEN now() END,
            next_at = now() + make_interval(secs => least(30 * power(2, tries), 3600))
        WHERE id = ANY(%(ids)s::uuid[])
        """,
        {"error": error, "permanent": permanent, "max": MAX_TRIES, "ids": list(ids)},
    )


def release_target(conn: Connection, target_id: int, *, sent: bool) -> None:
    """Others may serve it again. sent: something left, so the next waits a little. Needs the system scope."""
    conn.execute(
        "UPDATE alert_target SET busy_until = NULL, sent_at = CASE WHEN %s THEN now() ELSE sent_at END WHERE id = %s",
        (sent, target_id),
    )


@dataclass(frozen=True)
class DeliveryRow:
    """What became of one delivery."""

    target: str
    service: str
    announcement: int
    state: str
    tries: int
    error_code: str | None
    created_at: datetime
    settled_at: datetime | None


def list_deliveries(conn: Connection, alert_id: str) -> list[DeliveryRow]:
    """Where an alert was sent, oldest first."""
    rows = conn.execute(
        """
        SELECT t.name, t.service, d.announcement, d.state, d.tries, d.error_code, d.created_at, d.settled_at
        FROM alert_delivery AS d JOIN alert_target AS t ON t.id = d.target_id
        WHERE d.alert_id = %s
        ORDER BY d.id
        """,
        (alert_id,),
    ).fetchall()
    return [DeliveryRow(*row) for row in rows]
