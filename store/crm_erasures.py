"""Cards that must lose what we wrote there."""

from dataclasses import dataclass
from typing import Any

from store.db import Connection


@dataclass(frozen=True)
class DueErasure:
    """clears_card: our fields go. events: [{"key", "kind", "event_id"}], notes and tasks of ours that go."""

    id: str
    record_id: str
    clears_card: bool
    events: list[dict[str, Any]]
    tries: int


def list_due_erasures(conn: Connection, tenant_id: int, *, limit: int) -> list[DueErasure]:
    """Oldest first."""
    rows = conn.execute(
        """
        SELECT id::text, record_id, clears_card, events, tries
        FROM crm_erasure
        WHERE tenant_id = %s AND state = 'pending' AND next_at <= now()
        ORDER BY next_at
        LIMIT %s
        """,
        (tenant_id, limit),
    ).fetchall()
    return [DueErasure(*row) for row in rows]


def list_failed_erasures(conn: Connection, tenant_id: int, *, limit: int) -> list[tuple[str, str]]:
    """(record id, code) of what a person must clear by hand, newest first."""
    return conn.execute(
        """
        SELECT record_id, coalesce(error_code, 'unknown')
        FROM crm_erasure
        WHERE tenant_id = %s AND state = 'failed'
        ORDER BY id DESC
        LIMIT %s
        """,
        (tenant_id, limit),
    ).fetchall()


def retry_erasures(conn: Connection, tenant_id: int) -> int:
    """Try again those that were given up. Returns how many. Those of a CRM that the tenant has left can't be."""
    return conn.execute(
        """
        UPDATE crm_erasure SET state = 'pending', tries = 0, next_at = now(), done_at = NULL
        WHERE tenant_id = %s AND state = 'failed' AND error_code IS DISTINCT FROM 'crm_changed'
        """,
        (tenant_id,),
    ).rowcount


def settle_erasure(conn: Connection, erasure_id: str, *, state: str, error_code: str | None = None) -> None:
    """`done` or `failed`. A record that is done names nothing any more."""
    conn.execute(
        """
        UPDATE crm_erasure
        SET state = %s, error_code = %s, done_at = now(), events = CASE WHEN %s = 'done' THEN '[]' ELSE events END
        WHERE id = %s
        """,
        (state, error_code, state, erasure_id),
    )


def postpone_erasure(conn: Connection, erasure_id: str, *, seconds: float, error_code: str) -> None:
    """Not done: again later."""
    conn.execute(
        """
        UPDATE crm_erasure
        SET tries = tries + 1, error_code = %s, next_at = now() + make_interval(secs => %s)
        WHERE id = %s
        """,
        (error_code, seconds, erasure_id),
    )


def list_others_on(conn: Connection, tenant_id: int, record_ids: list[str]) -> list[str]:
    """Customers who still have one of these records: their labels are to stand there again."""
    rows = conn.execute(
        "SELECT customer_id::text FROM crm_link WHERE tenant_id = %s AND record_id = ANY(%s)", (tenant_id, record_ids)
    ).fetchall()
    return [row[0] for row in rows]
