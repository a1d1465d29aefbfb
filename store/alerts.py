"""Alerts: raised once per key, seen again, taken over by a person, snoozed, resolved; and the list people work from."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from routing.alerts import kind_of
from store.db import Connection


@dataclass(frozen=True)
class NewAlert:
    """Something people should hear of. key: one alert per tenant and key, for ever. severity None: what its kind has.

    details: no customer text, no names, no provider ids.
    """

    kind: str
    key: str
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    severity: str | None = None
    customer_id: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None


def raise_alert(conn: Connection, tenant_id: int, new: NewAlert) -> str | None:
    """Raise it; returns its id, or None when there is one with this key already. The transaction must act for `tenant_id`."""
    known = kind_of(new.kind)
    row = conn.execute(
        """
        INSERT INTO alert (tenant_id, kind, key, severity, queue, customer_id, conversation_id, message_id, details)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (tenant_id, key) DO NOTHING
        RETURNING id::text
        """,
        (
            tenant_id,
            new.kind,
            new.key,
            new.severity or known.severity,
            known.queue,
            new.customer_id,
            new.conversation_id,
            new.message_id,
            Jsonb(new.details),
        ),
    ).fetchone()
    return row[0] if row else None


def see_again(conn: Connection, alert_id: str, *, details: dict[str, Any]) -> None:
    """The same thing goes on: its figures are renewed, and nobody is told a second time."""
    conn.execute(
        """
        UPDATE alert
        SET details = %s, times_seen = times_seen + 1, seen_at = now()
        WHERE id = %s AND details <> %s
        """,
        (Jsonb(details), alert_id, Jsonb(details)),
    )


def resolve_alert(conn: Connection, alert_id: str) -> bool:
    """It is over. False when it was already, or there is none."""
    return (
        conn.execute(
            "UPDATE alert SET resolved_at = now(), snoozed_until = NULL WHERE id = %s AND resolved_at IS NULL",
            (alert_id,),
        ).rowcount
        == 1
    )


def resolve_kind(conn: Connection, tenant_id: int, kind: str) -> None:
    """Whatever alerts of this kind told of is over."""
    conn.execute(
        "UPDATE alert SET resolved_at = now(), snoozed_until = NULL WHERE tenant_id = %s AND kind = %s AND resolved_at IS NULL",
        (tenant_id, kind),
    )


def reopen_alert(conn: Connection, alert_id: str) -> None:
    """What had been taken back is true after all. Nobody is told again; one that a person had taken stays as it is."""
    conn.execute("UPDATE alert SET resolved_at = NULL WHERE id = %s AND acknowledged_at IS NULL", (alert_id,))


def acknowledge_alert(conn: Connection, alert_id: str, *, by: int | None) -> bool:
    """A person is on it. False when somebody was already, or there is none. by: their id, None: an operator's command."""
    return (
        conn.execute(
            """
            UPDATE alert
            SET acknowledged_at = now(), acknowledged_by = %s, assigned_to = coalesce(assigned_to, %s), snoozed_until = NULL
            WHERE id = %s AND acknowledged_at IS NULL
            """,
            (by, by, alert_id),
        ).rowcount
        == 1
    )


def snooze_alert(conn: Connection, alert_id: str, *, hours: float) -> datetime | None:
    """Put it away for some hours; then it is told again, unless it is acknowledged or resolved by then.

    Returns when, or None when there is nothing to put away.
    """
    row = conn.execute(
        """
        UPDATE alert
        SET snoozed_until = now() + make_interval(secs => %s)
        WHERE id = %s AND resolved_at IS NULL AND acknowledged_at IS NULL
        RETURNING snoozed_until
        """,
        (hours * 3600, alert_id),
    ).fetchone()
    return row[0] if row else None


@dataclass(frozen=True)
class Alert:
    """One alert as people see it."""

    id: str
    kind: str
    severity: str
    queue: str | None
    details: dict[str, Any]
    customer_id: str | None
    conversation_id: str | None
    message_id: str | None
    times_seen: int
    created_at: datetime
    seen_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: int | None
    assigned_to: int | None
    snoozed_until: datetime | None
    resolved_at: datetime | None

    @property
    def state(self) -> str:
        """open, snoozed, acknowledged or resolved."""
        if self.resolved_at:
            return "resolved"
        if self.acknowledged_at:
            return "acknowledged"
        return "snoozed" if self.snoozed_until else "open"


def list_alerts(
    conn: Connection,
    tenant_id: int,
    *,
    include_closed: bool = False,
    kind: str | None = None,
    limit: int = 200,
    before_id: str | None = None,
) -> list[Alert]:
    """Newest first. include_closed: also what is acknowledged, snoozed or resolved. before_id: only older ones than this."""
    rows = conn.execute(
        """
        SELECT id::text, kind, severity, queue, details, customer_id::text, conversation_id::text, message_id::text,
               times_seen, created_at, seen_at, acknowledged_at, acknowledged_by, assigned_to, snoozed_until, resolved_at
        FROM alert
        WHERE tenant_id = %s AND (%s::text IS NULL OR kind = %s)
          AND (%s OR (resolved_at IS NULL AND acknowledged_at IS NULL AND coalesce(snoozed_until, '-infinity') <= now()))
          AND (%s::uuid IS NULL OR id < %s::uuid)
        ORDER BY alert.id DESC
        LIMIT %s
        """,
        (tenant_id, kind, kind, include_closed, before_id, before_id, limit),
    ).fetchall()
    return [Alert(*row) for row in rows]


def find_alert(conn: Connection, tenant_id: int, alert_id: str) -> Alert | None:
    """One alert of the tenant."""
    row = conn.execute(
        """
        SELECT id::text, kind, severity, queue, details, customer_id::text, conversation_id::text, message_id::text,
               times_seen, created_at, seen_at, acknowledged_at, acknowledged_by, assigned_to, snoozed_until, resolved_at
        FROM alert
        WHERE tenant_id = %s AND id = %s
        """,
        (tenant_id, alert_id),
    ).fetchone()
    return Alert(*row) if row else None
