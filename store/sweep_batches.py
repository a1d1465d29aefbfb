"""Batches of a sweep at the provider. A row says `submitting` before anything leaves, so that a crash is noticed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.db import Connection

BatchState = Literal["preparing", "submitting", "submitted", "read", "deleted", "lost", "gone"]
# Asked for after a quarter of the time it has taken so far, within these bounds: a short batch soon, a long one rarely.
SOONEST_POLL_S, LATEST_POLL_S = 1.0, 60.0


@dataclass(frozen=True)
class SweepBatch:
    """One batch that is not finished with. is_due: it is time to look after it. submitting_for_s: how long ago it left."""

    id: str
    state: BatchState
    provider_id: str | None
    requests: int
    estimated_microusd: int
    reads: int
    submitting_at: datetime | None
    submitting_for_s: float
    cancel_asked: bool
    is_due: bool
    due_in_s: float


def add_batch(conn: Connection, tenant_id: int, sweep_id: str) -> str:
    """A batch in preparation. Returns its id."""
    row = conn.execute(
        "INSERT INTO sweep_batch (tenant_id, sweep_id) VALUES (%s, %s) RETURNING id::text", (tenant_id, sweep_id)
    ).fetchone()
    assert row is not None
    return row[0]


def list_open_batches(conn: Connection, sweep_id: str) -> list[SweepBatch]:
    """Batches that are not finished with, oldest first."""
    rows = conn.execute(
        """
        SELECT id::text, state, provider_id, requests, estimated_microusd, reads, submitting_at,
               coalesce(extract(epoch FROM clock_timestamp() - submitting_at), 0)::float, cancel_asked_at IS NOT NULL,
               next_poll_at <= clock_timestamp(),
               greatest(extract(epoch FROM next_poll_at - clock_timestamp()), 0)::float
        FROM sweep_batch
        WHERE sweep_id = %s AND state IN ('preparing', 'submitting', 'submitted', 'read')
        ORDER BY id
        """,
        (sweep_id,),
    ).fetchall()
    return [SweepBatch(*row) for row in rows]


def lock_preparing(conn: Connection, batch_id: str) -> bool:
    """Lock a batch that takes more requests. False when another worker has given it up. Before any item is locked."""
    row = conn.execute(
        "SELECT FROM sweep_batch WHERE id = %s AND state = 'preparing' FOR UPDATE", (batch_id,)
    ).fetchone()
    return row is not None


def mark_submitting(conn: Connection, batch_id: str, *, requests: int, estimated_microusd: int) -> bool:
    """What follows may be paid for: commit before it. False when another worker has given the batch up."""
    row = conn.execute(
        """
        UPDATE sweep_batch
        SET state = 'submitting', submitting_at = clock_timestamp(), requests = %s, estimated_microusd = %s
        WHERE id = %s AND state = 'preparing'
        RETURNING id
        """,
        (requests, estimated_microusd, batch_id),
    ).fetchone()
    return row is not None


def mark_submitted(conn: Connection, batch_id: str, *, provider_id: str) -> bool:
    """The provider has it under this id. False when the row says something else by now."""
    row = conn.execute(
        """
        UPDATE sweep_batch
        SET state = 'submitted', provider_id = %s, submitted_at = clock_timestamp(),
            next_poll_at = clock_timestamp() + make_interval(secs => %s)
        WHERE id = %s AND state = 'submitting'
        RETURNING id
        """,
        (provider_id, SOONEST_POLL_S, batch_id),
    ).fetchone()
    return row is not None


def add_stray_batch(conn: Connection, tenant_id: int, sweep_id: str, *, provider_id: str) -> None:
    """A batch that should not be: nothing of it is read, and it is deleted when it has ended."""
    conn.execute(
        """
        INSERT INTO sweep_batch (tenant_id, sweep_id, state, provider_id, read_at)
        VALUES (%s, %s, 'read', %s, clock_timestamp())
        ON CONFLICT (provider_id) DO NOTHING
        """,
        (tenant_id, sweep_id, provider_id),
    )


def find_provider_id(conn: Connection, batch_id: str) -> str | None:
    """Under which id the provider has it, None while that is not known."""
    row = conn.execute("SELECT provider_id FROM sweep_batch WHERE id = %s", (batch_id,)).fetchone()
    return row[0] if row else None


def list_known_provider_ids(conn: Connection, provider_ids: list[str]) -> set[str]:
    """Which of these are known to be some batch of ours. Needs the system scope, because the key may serve many tenants."""
    rows = conn.execute("SELECT provider_id FROM sweep_batch WHERE provider_id = ANY(%s)", (provider_ids,)).fetchall()
    return {row[0] for row in rows}


def poll_later(conn: Connection, batch_id: str) -> None:
    """Ask again after a quarter of the time since it left, or since it was read."""
    conn.execute(
        """
        UPDATE sweep_batch
        SET next_poll_at = clock_timestamp() + least(greatest(
            (clock_timestamp() - coalesce(read_at, submitting_at)) / 4, make_interval(secs => %s)
        ), make_interval(secs => %s))
        WHERE id = %s
        """,
        (SOONEST_POLL_S, LATEST_POLL_S, batch_id),
    )


def note_cancel(conn: Connection, batch_id: str) -> None:
    """The provider was asked to end it."""
    conn.execute("UPDATE sweep_batch SET cancel_asked_at = now() WHERE id = %s", (batch_id,))


def note_incomplete_read(conn: Connection, batch_id: str) -> None:
    """Its results were not all there."""
    conn.execute("UPDATE sweep_batch SET reads = reads + 1 WHERE id = %s", (batch_id,))


def settle_batch(conn: Connection, batch_id: str, *, state: Literal["read", "deleted", "lost", "gone"]) -> None:
    """`read`: all answers are stored here. `deleted`, `lost`, `gone`: nothing is left to do."""
    conn.execute(
        """
        UPDATE sweep_batch
        SET state = %s, next_poll_at = clock_timestamp(), read_at = CASE %s WHEN 'read' THEN clock_timestamp() ELSE read_at END
        WHERE id = %s
        """,
        (state, state, batch_id),
    )
