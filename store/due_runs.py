"""Runs that somebody should see to: due without a lease, without a reading, without a place; and how many are open."""

from dataclasses import dataclass

from store.db import Connection
from store.runs import RunRef, RunState


@dataclass(frozen=True)
class DueRun:
    """A run without a live lease whose time has come. rings: how often it was rung where it stands, this time included."""

    ref: RunRef
    state: RunState
    rings: int


def take_due_runs(conn: Connection, *, limit: int) -> list[DueRun]:
    """Runs to ring again: the first of every tenant, then the second of every tenant and so on, so that no backlog stands before
    another tenant's message. Of one tenant urgent ones come first, then the oldest. Each is pushed back by 5, 10, 20, then 30 s.

    Needs the system scope.
    """
    rows = conn.execute(
        """
        WITH turn AS (
            SELECT id, urgent, created_at,
                   row_number() OVER (PARTITION BY tenant_id ORDER BY urgent DESC, created_at, id) AS number
            FROM run
            WHERE state <> 'dead' AND kind <> 'place' AND next_at <= now() AND (lease_until IS NULL OR lease_until < now())
        ), due AS (
            SELECT id, number
            FROM turn
            ORDER BY number, urgent DESC, created_at, id
            LIMIT %s
        ), free AS (
            SELECT run.id, due.number
            FROM run JOIN due ON due.id = run.id
            WHERE run.next_at <= now()
            FOR UPDATE OF run SKIP LOCKED
        )
        UPDATE run
        SET rings = rings + 1, next_at = now() + make_interval(secs => least(5 * 2 ^ least(rings, 3), 30))
        FROM free
        WHERE run.id = free.id
        RETURNING free.number, run.urgent, run.created_at, run.tenant_id, run.message_id, run.id, run.state, run.kind, run.rings
        """,
        (limit,),
    ).fetchall()
    rows.sort(key=lambda row: (row[0], not row[1], row[2]))
    return [
        DueRun(RunRef(tenant_id, str(message), str(run), is_canary=kind == "canary"), state, rings)
        for _, _, _, tenant_id, message, run, state, kind, rings in rows
    ]


def hasten_all(conn: Connection) -> int:
    """Make every open run due now: the broker has lost its queues. Needs the system scope."""
    return conn.execute(
        """
        UPDATE run
        SET next_at = now(), rings = 0
        WHERE state <> 'dead' AND kind <> 'place' AND next_at > now() AND error_code IS NULL AND gathers_until IS NULL
        """
    ).rowcount


def count_open_runs(conn: Connection) -> tuple[dict[str, int], float]:
    """(how many runs stand in each state, age in seconds of the oldest that is not dead). Needs the system scope."""
    rows = conn.execute(
        """
        SELECT state, count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float
        FROM run
        WHERE kind <> 'place'
        GROUP BY state
        """
    ).fetchall()
    oldest_s = max((age_s for state, _, age_s in rows if state != "dead"), default=0.0)
    return {state: count for state, count, _ in rows}, oldest_s


def list_runs_without_reading(conn: Connection, *, older_than_s: float, limit: int) -> list[RunRef]:
    """Initial runs that still wait for the model and have no provisional reading, oldest first. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT tenant_id, message_id, id
        FROM run
        WHERE kind = 'initial' AND state IN ('received', 'minimized') AND provisional_at IS NULL
          AND created_at < now() - make_interval(secs => %s)
        ORDER BY created_at
        LIMIT %s
        """,
        (older_than_s, limit),
    ).fetchall()
    return [RunRef(tenant_id, str(message), str(run)) for tenant_id, message, run in rows]


def take_place_runs(conn: Connection, *, limit: int) -> list[RunRef]:
    """Echoes and history that have no customer yet, oldest first. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT tenant_id, message_id, id
        FROM run
        WHERE kind = 'place' AND state = 'received'
        ORDER BY id
        LIMIT %s
        """,
        (limit,),
    ).fetchall()
    return [RunRef(tenant_id, str(message), str(run)) for tenant_id, message, run in rows]
