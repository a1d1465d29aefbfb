"""Parked runs: listed for people, and put back to work."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.db import Connection
from store.runs import RunRef, set_message_state


@dataclass(frozen=True)
class DeadRun:
    """A parked run as an operator sees it: ids and a reason."""

    tenant_id: int
    message_id: str
    run_id: str
    kind: str
    error_code: str | None
    created_at: Any


def list_dead(conn: Connection, *, limit: int = 1000) -> list[DeadRun]:
    """Parked runs, oldest first. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT tenant_id, message_id::text, id::text, kind, error_code, created_at
        FROM run
        WHERE state = 'dead'
        ORDER BY created_at
        LIMIT %s
        """,
        (limit,),
    ).fetchall()
    return [DeadRun(*row) for row in rows]


def list_dead_of(
    conn: Connection,
    tenant_id: int,
    *,
    message_id: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int = 1000,
) -> list[DeadRun]:
    """One tenant's parked runs, oldest first; of one message or of all. after: (time, run) at which the page before ended."""
    rows = conn.execute(
        """
        SELECT tenant_id, message_id::text, id::text, kind, error_code, created_at
        FROM run
        WHERE tenant_id = %(tenant)s AND state = 'dead' AND (%(message)s::uuid IS NULL OR message_id = %(message)s)
          AND (%(after_id)s::uuid IS NULL OR (created_at, id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
        ORDER BY created_at, run.id
        LIMIT %(limit)s
        """,
        {
            "tenant": tenant_id,
            "message": message_id,
            "after_at": after[0] if after else None,
            "after_id": after[1] if after else None,
            "limit": limit,
        },
    ).fetchall()
    return [DeadRun(*row) for row in rows]


def replay_dead(conn: Connection, ref: RunRef) -> bool:
    """Put a parked run back to work, after minimization when its text is stripped already. False when it is not parked."""
    row = conn.execute(
        """
        UPDATE run
        SET state = CASE WHEN m.minimized_text IS NULL THEN 'received' ELSE 'minimized' END,
            outcome = NULL, error_code = NULL, crashes = 0, rings = 0, next_at = now(), stage_since = now()
        FROM message AS m
        WHERE run.id = %s AND run.state = 'dead' AND m.id = run.message_id
        RETURNING run.kind, run.state
        """,
        (ref.run_id,),
    ).fetchone()
    if row and row[0] == "initial":
        set_message_state(conn, ref.message_id, row[1])
    return row is not None
