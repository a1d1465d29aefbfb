"""Which worker advances a sweep: one at a time, under a lease."""

from store.db import Connection
from store.runs import LEASE_S

RING_AGAIN_S = 10.0


def take_due_sweeps(conn: Connection, *, limit: int) -> list[tuple[int, str]]:
    """(tenant_id, sweep_id) of sweeps that nobody works on and whose time has come; pushed back a little. Needs the system scope."""
    return conn.execute(
        """
        WITH due AS (
            SELECT id
            FROM sweep
            WHERE next_at <= now() AND (lease_until IS NULL OR lease_until < now())
            ORDER BY next_at
            LIMIT %s
            FOR UPDATE SKIP LOCKED
        )
        UPDATE sweep AS s
        SET next_at = now() + make_interval(secs => %s)
        FROM due
        WHERE s.id = due.id
        RETURNING s.tenant_id, s.id::text
        """,
        (limit, RING_AGAIN_S),
    ).fetchall()


def take_sweep_lease(conn: Connection, sweep_id: str) -> str | None:
    """Lease a sweep to this worker. None when another one works on it, or nothing is left to do."""
    row = conn.execute(
        """
        UPDATE sweep
        SET lease_token = gen_random_uuid(), lease_until = clock_timestamp() + make_interval(secs => %s)
        WHERE id = %s AND next_at IS NOT NULL AND (lease_until IS NULL OR lease_until < clock_timestamp())
        RETURNING lease_token::text
        """,
        (LEASE_S, sweep_id),
    ).fetchone()
    return row[0] if row else None


def renew_sweep_leases(conn: Connection, tokens: list[str]) -> None:
    """Prolong the leases of work that goes on. Needs the system scope."""
    conn.execute(
        "UPDATE sweep SET lease_until = clock_timestamp() + make_interval(secs => %s) WHERE lease_token = ANY(%s::uuid[])",
        (LEASE_S, tokens),
    )


def holds_sweep_lease(conn: Connection, sweep_id: str, *, lease_token: str) -> bool:
    """Whether the lease is still this worker's."""
    row = conn.execute(
        "SELECT FROM sweep WHERE id = %s AND lease_token = %s AND lease_until > clock_timestamp()",
        (sweep_id, lease_token),
    ).fetchone()
    return row is not None


def release_sweep(conn: Connection, sweep_id: str, *, lease_token: str, next_in_s: float | None) -> None:
    """Give the lease back. next_in_s: when there is more to do; None: nothing, until somebody resumes it.

    One that was resumed, cancelled or approved meanwhile is due at once.
    """
    conn.execute(
        """
        UPDATE sweep
        SET lease_token = NULL, lease_until = NULL,
            next_at = CASE
                WHEN %s::float IS NOT NULL THEN now() + make_interval(secs => %s::float)
                WHEN state = 'paused' THEN NULL
                WHEN finished_at IS NOT NULL AND (labels_at IS NOT NULL OR needs_approval AND approved_at IS NULL) THEN NULL
                ELSE now()
            END
        WHERE id = %s AND lease_token = %s
        """,
        (next_in_s, next_in_s, sweep_id, lease_token),
    )
