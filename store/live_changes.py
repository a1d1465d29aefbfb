"""What open pages of the console must hear of: which conversations changed since a look before."""

from dataclasses import dataclass
from typing import Any, cast

from store.db import Connection

# A reader that fell further behind looks at everything anew.
KEPT_S = 120


@dataclass(frozen=True)
class LiveChange:
    """One conversation that changed. kind: work (where it stands), message, reading (its labels) or reply."""

    tenant_id: int
    conversation_id: str
    kind: str


@dataclass(frozen=True)
class Look:
    """What one look found. position: where the next one goes on. changes: None when there were too many to tell."""

    position: str
    changes: tuple[LiveChange, ...] | None


def find_position(conn: Connection) -> str:
    """Now: a look from here finds what is committed afterwards. Needs the system scope."""
    row = conn.execute("SELECT pg_current_snapshot()::text").fetchone()
    assert row is not None
    return str(row[0])


def list_changes(conn: Connection, *, position: str, limit: int) -> Look:
    """Changes that a look at `position` could not see, each once; also those whose transaction began before it and ended after it.

    Needs the system scope.
    """
    row = conn.execute(
        """
        SELECT pg_current_snapshot()::text, coalesce(
            (
                SELECT jsonb_agg(jsonb_build_array(tenant_id, conversation_id, kind))
                FROM (
                    SELECT DISTINCT tenant_id, conversation_id, kind
                    FROM live_change
                    WHERE xact >= pg_snapshot_xmin(%(position)s::pg_snapshot)
                      AND NOT pg_visible_in_snapshot(xact, %(position)s::pg_snapshot)
                    LIMIT %(limit)s
                ) AS one
            ), '[]'
        )
        """,
        {"position": position, "limit": limit + 1},
    ).fetchone()
    assert row is not None
    found = cast("list[tuple[Any, Any, Any]]", row[1])
    changes = tuple(LiveChange(int(tenant_id), str(key), str(kind)) for tenant_id, key, kind in found)
    return Look(str(row[0]), changes if len(changes) <= limit else None)


def find_newest_change(conn: Connection, tenant_id: int) -> str | None:
    """A mark of the tenant's newest change: while it stays the same nothing has happened, but for what is committed out of turn.

    None: nothing has happened for so long that nobody remembers.
    """
    row = conn.execute(
        "SELECT xact::text FROM live_change WHERE tenant_id = %s ORDER BY live_change.xact DESC LIMIT 1", (tenant_id,)
    ).fetchone()
    return str(row[0]) if row else None


def forget_changes(conn: Connection) -> int:
    """Drop what every reader has seen by now; returns how many rows went. Needs the system scope."""
    return conn.execute("DELETE FROM live_change WHERE at < now() - make_interval(secs => %s)", (KEPT_S,)).rowcount
