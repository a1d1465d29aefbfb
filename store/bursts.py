"""Runs that wait for more of a burst, and messages that are analyzed with a later one."""

from dataclasses import dataclass
from datetime import datetime

from store.db import Connection
from store.runs import RunRef


def gather(conn: Connection, ref: RunRef, *, seconds: float, max_wait_s: float) -> None:
    """Leave a minimized run alone while more of the same burst may come, but never longer than max_wait_s since it began."""
    conn.execute(
        """
        UPDATE run
        SET gathers_until = least(now() + make_interval(secs => %s), created_at + make_interval(secs => %s)),
            next_at = least(now() + make_interval(secs => %s), created_at + make_interval(secs => %s))
        WHERE id = %s
        """,
        (seconds, max_wait_s, seconds, max_wait_s, ref.run_id),
    )


def stop_gathering(conn: Connection, run_id: str) -> None:
    """The burst is not to be waited for any longer."""
    conn.execute("UPDATE run SET gathers_until = NULL, next_at = now() WHERE id = %s", (run_id,))


@dataclass(frozen=True)
class GatheringRun:
    """An initial run that waits for more of its burst, locked."""

    run_id: str
    message_id: str
    sent_at: datetime


def lock_gathering_runs(conn: Connection, *, conversation_id: str, surface: str, except_run: str) -> list[GatheringRun]:
    """The conversation's waiting runs of one surface, oldest first by provider time. One that somebody works on is left out:
    waiting for it could be waiting for somebody who waits for us.
    """
    rows = conn.execute(
        """
        SELECT r.id::text, r.message_id::text, m.sent_at
        FROM message AS m JOIN run AS r ON r.message_id = m.id
        WHERE m.conversation_id = %s AND m.surface = %s AND r.id <> %s AND r.kind = 'initial' AND r.state = 'minimized'
          AND r.gathers_until IS NOT NULL
        ORDER BY m.sent_at, m.id
        FOR UPDATE OF r SKIP LOCKED
        """,
        (conversation_id, surface, except_run),
    ).fetchall()
    return [GatheringRun(*row) for row in rows]


def join_burst(conn: Connection, *, run_id: str, message_id: str, to_message_id: str) -> None:
    """The run's message, and what was joined to it, is analyzed with a later one: its own pass ends."""
    conn.execute("DELETE FROM run WHERE id = %s", (run_id,))
    conn.execute(
        "UPDATE message SET joined_to = %s, state = CASE WHEN id = %s THEN 'done' ELSE state END WHERE id = %s OR joined_to = %s",
        (to_message_id, message_id, message_id, message_id),
    )
