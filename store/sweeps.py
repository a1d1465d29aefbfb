"""Sweeps: a tenant's messages judged again within a budget. One row each, leased to the worker that drives it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.crm_connections import has_crm
from store.crm_states import mark_dirty
from store.db import Connection

SweepState = Literal["running", "paused", "done", "cancelled"]
# States of an item in which nothing more happens to it.
SETTLED = ("done", "failed", "skipped", "dropped")


@dataclass(frozen=True)
class Sweep:
    """One sweep. period: "2026-11" for a month's own. reason: why it is paused or was cancelled.

    error_code: of the provider's outage that it waits out, None when there is none.
    """

    id: str
    tenant_id: int
    period: str
    state: SweepState
    reason: str | None
    days: int
    max_customers: int
    budget_microusd: int
    uses_batches: bool
    needs_approval: bool
    messages: int
    customers: int
    estimated_microusd: int
    estimated_s: int
    spent_microusd: int
    outages: int
    error_code: str | None
    approved_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    labels_at: datetime | None

    @property
    def labels_are_due(self) -> bool:
        """Whether the CRM's labels may follow and have not been told to yet."""
        return self.finished_at is not None and self.labels_at is None and not self.waits_for_approval

    @property
    def waits_for_approval(self) -> bool:
        """Whether somebody must approve before its analyses count for the CRM."""
        return self.needs_approval and self.approved_at is None

    @property
    def microusd_per_message(self) -> float:
        """What the plan expects one message to cost."""
        return self.estimated_microusd / self.messages if self.messages else 0.0

    def left_s(self, settled: int, *, now: datetime) -> int | None:
        """Seconds to its end: at the speed so far, before the first answers by the plan. None when it is not running.

        settled: how many of its messages need nothing more.
        """
        if self.state != "running":
            return None
        elapsed_s = (now - self.created_at).total_seconds()
        if settled:
            return round(elapsed_s / settled * (self.messages - settled))
        return max(round(self.estimated_s - elapsed_s), 0)


@dataclass(frozen=True)
class NewSweep:
    """A sweep to add. chosen: (message_id, customer_id), in the order they are to be judged."""

    period: str
    days: int
    max_customers: int
    budget_microusd: int
    uses_batches: bool
    needs_approval: bool
    estimated_microusd: int
    estimated_s: int
    chosen: Sequence[tuple[str, str]]


def lock_planning(conn: Connection, tenant_id: int) -> None:
    """Hold off other planners of this tenant until the transaction ends: two that run at once would pay twice."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('earshot sweep plan'), %s)", (tenant_id,))


def add_sweep(conn: Connection, tenant_id: int, new: NewSweep) -> str | None:
    """Add a sweep with its items; returns its id, or None when the period has one. The transaction must act for `tenant_id`."""
    row = conn.execute(
        """
        INSERT INTO sweep (
            tenant_id, period, days, max_customers, budget_microusd, uses_batches, needs_approval, messages, customers,
            estimated_microusd, estimated_s
        )
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (tenant_id, period) DO NOTHING
        RETURNING id::text
        """,
        (
            tenant_id,
            new.period,
            new.days,
            new.max_customers,
            new.budget_microusd,
            new.uses_batches,
            new.needs_approval,
            len(new.chosen),
            len({customer_id for _, customer_id in new.chosen}),
            new.estimated_microusd,
            new.estimated_s,
        ),
    ).fetchone()
    if row is None:
        return None
    conn.execute(
        """
        INSERT INTO sweep_item (tenant_id, sweep_id, message_id, customer_id)
        SELECT %s, %s, message_id, customer_id
        FROM unnest(%s::uuid[], %s::uuid[]) WITH ORDINALITY AS given (message_id, customer_id, position)
        ORDER BY position
        """,
        (tenant_id, row[0], [message for message, _ in new.chosen], [customer for _, customer in new.chosen]),
    )
    return row[0]


def has_sweep(conn: Connection, tenant_id: int, *, period: str) -> bool:
    """Whether the period has its sweep."""
    row = conn.execute("SELECT FROM sweep WHERE tenant_id = %s AND period = %s", (tenant_id, period)).fetchone()
    return row is not None


def find_running(conn: Connection, tenant_id: int) -> str | None:
    """The period of a sweep of the tenant that is running now."""
    row = conn.execute(
        "SELECT period FROM sweep WHERE tenant_id = %s AND state = 'running' ORDER BY id DESC LIMIT 1", (tenant_id,)
    ).fetchone()
    return row[0] if row else None


def supersede_paused(conn: Connection, tenant_id: int) -> None:
    """A new month's sweep takes over from those that nobody resumed."""
    conn.execute(
        "UPDATE sweep SET state = 'cancelled', reason = 'superseded', next_at = now() WHERE tenant_id = %s AND state = 'paused'",
        (tenant_id,),
    )


def list_sweeps(conn: Connection, tenant_id: int) -> list[Sweep]:
    """All sweeps of a tenant, newest first."""
    rows = conn.execute(
        """
        SELECT id::text, tenant_id, period, state, reason, days, max_customers, budget_microusd, uses_batches, needs_approval,
               messages, customers, estimated_microusd, estimated_s, spent_microusd, outages, error_code, approved_at,
               created_at, finished_at, labels_at
        FROM sweep
        WHERE tenant_id = %s
        ORDER BY sweep.id DESC
        """,
        (tenant_id,),
    ).fetchall()
    return [Sweep(*row) for row in rows]


def get_sweep(conn: Connection, sweep_id: str) -> Sweep:
    """One sweep of the transaction's tenant. Raises: LookupError when there is none."""
    row = conn.execute(
        """
        SELECT id::text, tenant_id, period, state, reason, days, max_customers, budget_microusd, uses_batches, needs_approval,
               messages, customers, estimated_microusd, estimated_s, spent_microusd, outages, error_code, approved_at,
               created_at, finished_at, labels_at
        FROM sweep
        WHERE id = %s
        """,
        (sweep_id,),
    ).fetchone()
    if row is None:
        raise LookupError(sweep_id)
    return Sweep(*row)


def note_outage(conn: Connection, sweep_id: str, *, error_code: str | None) -> None:
    """Count an outage of the provider, or forget them (None): it answers again."""
    conn.execute(
        """
        UPDATE sweep
        SET error_code = %s::text, outages = CASE WHEN %s::text IS NULL THEN 0 ELSE outages + 1 END
        WHERE id = %s
        """,
        (error_code, error_code, sweep_id),
    )


def add_spent(conn: Connection, sweep_id: str, *, microusd: int) -> None:
    """What a call has cost. The last statement of a transaction: its row is what all callers wait for."""
    conn.execute("UPDATE sweep SET spent_microusd = spent_microusd + %s WHERE id = %s", (microusd, sweep_id))


def pause_sweep(conn: Connection, sweep_id: str, *, reason: str) -> bool:
    """Begin nothing new. What the provider already has is read and paid. False when it was not running."""
    row = conn.execute(
        "UPDATE sweep SET state = 'paused', reason = %s, next_at = now() WHERE id = %s AND state = 'running' RETURNING id",
        (reason, sweep_id),
    ).fetchone()
    return row is not None


def resume_sweep(conn: Connection, sweep_id: str, *, budget_microusd: int | None) -> bool:
    """Go on, with another budget or the same. False when it was not paused."""
    row = conn.execute(
        """
        UPDATE sweep
        SET state = 'running', reason = NULL, error_code = NULL, outages = 0, budget_microusd = coalesce(%s, budget_microusd),
            next_at = now()
        WHERE id = %s AND state = 'paused'
        RETURNING id
        """,
        (budget_microusd, sweep_id),
    ).fetchone()
    return row is not None


def cancel_sweep(conn: Connection, sweep_id: str, *, reason: str) -> bool:
    """End it for good. What was judged stays. False when it had ended."""
    row = conn.execute(
        """
        UPDATE sweep
        SET state = 'cancelled', reason = %s, next_at = now()
        WHERE id = %s AND state IN ('running', 'paused')
        RETURNING id
        """,
        (reason, sweep_id),
    ).fetchone()
    return row is not None


def finish_sweep(conn: Connection, sweep_id: str) -> None:
    """Nothing is left to be judged. Repeating it changes nothing."""
    conn.execute(
        """
        UPDATE sweep
        SET state = CASE state WHEN 'cancelled' THEN 'cancelled' ELSE 'done' END, finished_at = now(),
            reason = CASE state WHEN 'cancelled' THEN reason END, error_code = NULL
        WHERE id = %s AND finished_at IS NULL
        """,
        (sweep_id,),
    )


def approve_sweep(conn: Connection, sweep_id: str) -> bool:
    """Let its analyses count for the CRM's labels, which a worker then has written anew. False when it is not waiting for that."""
    row = conn.execute(
        """
        UPDATE sweep
        SET approved_at = now(), next_at = now()
        WHERE id = %s AND needs_approval AND approved_at IS NULL AND finished_at IS NOT NULL
        RETURNING id
        """,
        (sweep_id,),
    ).fetchone()
    return row is not None


def list_judged_customers(conn: Connection, sweep_id: str) -> list[str]:
    """Customers of whose messages it judged some, by id. One who was merged meanwhile is the customer of the message."""
    rows = conn.execute(
        """
        SELECT DISTINCT m.customer_id::text
        FROM sweep_item AS i JOIN message AS m ON m.id = i.message_id
        WHERE i.sweep_id = %s AND i.state = 'done' AND m.customer_id IS NOT NULL
        ORDER BY 1
        """,
        (sweep_id,),
    ).fetchall()
    return [row[0] for row in rows]


def mark_customers(conn: Connection, tenant_id: int, customer_ids: Sequence[str]) -> None:
    """Have the labels of these customers written anew, where there is a CRM."""
    if has_crm(conn, tenant_id):
        for customer_id in sorted(customer_ids):  # as everybody who holds many of these rows
            mark_dirty(conn, tenant_id, customer_id, because="sweep")


def note_labels(conn: Connection, sweep_id: str) -> None:
    """All its customers were marked."""
    conn.execute("UPDATE sweep SET labels_at = now() WHERE id = %s", (sweep_id,))


def count_items(conn: Connection, sweep_id: str) -> dict[str, int]:
    """How many items stand in each state."""
    rows: list[tuple[str, int]] = conn.execute(
        "SELECT state, count(*) FROM sweep_item WHERE sweep_id = %s GROUP BY state", (sweep_id,)
    ).fetchall()
    return dict(rows)


def count_errors(conn: Connection, sweep_id: str) -> dict[str, int]:
    """Why items were not judged, most frequent first."""
    rows: list[tuple[str, int]] = conn.execute(
        """
        SELECT error_code, count(*)
        FROM sweep_item
        WHERE sweep_id = %s AND state IN ('failed', 'skipped', 'dropped') AND error_code IS NOT NULL
        GROUP BY error_code
        ORDER BY count(*) DESC, error_code
        """,
        (sweep_id,),
    ).fetchall()
    return dict(rows)


def list_tenants_without(conn: Connection, *, period: str, month_start: datetime) -> list[int]:
    """Tenants from before the month that have no sweep of this period yet. Needs the system scope.

    A tenant's first month has nothing to look back on: its messages were judged days ago.
    """
    rows = conn.execute(
        """
        SELECT t.id
        FROM tenant AS t
        WHERE t.created_at < %s AND NOT EXISTS (SELECT FROM sweep AS s WHERE s.tenant_id = t.id AND s.period = %s)
        ORDER BY t.id
        """,
        (month_start, period),
    ).fetchall()
    return [row[0] for row in rows]
