"""What was told to a tenant's programs and what waits: to look at, to tell again, to forget."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString

from config.webhook_subscriptions import TEST_EVENT
from store.audit_log import note_deed
from store.conversation_events import Actor
from store.db import Connection

DeliveryState = Literal["pending", "delivered", "failed", "dropped"]
KEPT_DAYS = 30
REPLAYED_AT_ONCE = 10_000


@dataclass(frozen=True)
class Delivery:
    """One event for one subscription. id: the webhook-id. status: of the last answer, None without one."""

    id: str
    kind: str
    subject_id: str
    message_id: str | None
    conversation_id: str | None
    state: str
    tries: int
    status: int | None
    error_code: str | None
    created_at: datetime
    tried_at: datetime | None
    next_at: datetime
    settled_at: datetime | None


# Said in words that the planner sees, so that it finds the few among millions by the index for them.
_ONLY: Mapping[str | None, LiteralString] = {
    None: "",
    "pending": "AND state = 'pending'",
    "delivered": "AND state = 'delivered'",
    "failed": "AND state = 'failed'",
    "dropped": "AND state = 'dropped'",
}


def list_deliveries(
    conn: Connection,
    tenant_id: int,
    subscription_id: str,
    *,
    state: str | None = None,
    before_id: str | None = None,
    limit: int = 100,
) -> list[Delivery]:
    """Newest first. state: only those. before_id: only older ones than this."""
    rows = conn.execute(
        """
        SELECT id::text, kind, subject_id::text, message_id::text, conversation_id::text, state, tries, status, error_code,
               created_at, tried_at, next_at, settled_at
        FROM webhook_delivery
        WHERE tenant_id = %s AND subscription_id = %s AND (%s::uuid IS NULL OR id < %s::uuid)
        """  # noqa: S608 -- words of ours only, see above
        + _ONLY[state]
        + """
        ORDER BY webhook_delivery.id DESC
        LIMIT %s
        """,
        (tenant_id, subscription_id, before_id, before_id, limit),
    ).fetchall()
    return [Delivery(*row) for row in rows]


def find_delivery(conn: Connection, tenant_id: int, subscription_id: str, delivery_id: str) -> Delivery | None:
    """One of a subscription's."""
    row = conn.execute(
        """
        SELECT id::text, kind, subject_id::text, message_id::text, conversation_id::text, state, tries, status, error_code,
               created_at, tried_at, next_at, settled_at
        FROM webhook_delivery
        WHERE tenant_id = %s AND subscription_id = %s AND id = %s
        """,
        (tenant_id, subscription_id, delivery_id),
    ).fetchone()
    return Delivery(*row) if row else None


def replay_delivery(
    conn: Connection, tenant_id: int, subscription_id: str, delivery_id: str, *, by: Actor | None
) -> bool:
    """Tell it again under its own id, whatever became of it. False when it is under way, or there is none."""
    replayed = conn.execute(
        """
        UPDATE webhook_delivery
        SET state = 'pending', tries = 0, error_code = NULL, next_at = now(), settled_at = NULL,
            give_up_at = now() + interval '5 days'
        WHERE tenant_id = %s AND subscription_id = %s AND id = %s AND state <> 'pending'
        """,
        (tenant_id, subscription_id, delivery_id),
    ).rowcount
    if replayed:
        note_deed(
            conn,
            tenant_id,
            by=by,
            deed="webhook_replayed",
            subject=subscription_id,
            details={"delivery_id": delivery_id},
        )
    return replayed == 1


def replay_failed(conn: Connection, tenant_id: int, subscription_id: str, *, since: datetime, by: Actor | None) -> int:
    """Tell again what was given up of the events since then, oldest first, at most REPLAYED_AT_ONCE; returns how many."""
    replayed = conn.execute(
        """
        UPDATE webhook_delivery AS d
        SET state = 'pending', tries = 0, error_code = NULL, next_at = now(), settled_at = NULL,
            give_up_at = now() + interval '5 days'
        FROM (
            SELECT id
            FROM webhook_delivery
            WHERE tenant_id = %s AND subscription_id = %s AND state = 'failed' AND created_at >= %s
            ORDER BY id
            LIMIT %s
        ) AS one
        WHERE d.id = one.id
        """,
        (tenant_id, subscription_id, since, REPLAYED_AT_ONCE),
    ).rowcount
    if replayed:
        note_deed(
            conn,
            tenant_id,
            by=by,
            deed="webhook_replayed",
            subject=subscription_id,
            details={"deliveries": replayed, "since": since.isoformat()},
        )
    return replayed


def add_test(conn: Connection, tenant_id: int, subscription_id: str, *, by: Actor | None) -> str | None:
    """A test event, on its way like any other; its id, or None when the subscription is not active."""
    row = conn.execute(
        """
        INSERT INTO webhook_delivery (tenant_id, subscription_id, kind, subject_id)
        SELECT tenant_id, id, %s, id
        FROM webhook_subscription
        WHERE tenant_id = %s AND id = %s AND state = 'active'
        RETURNING id::text
        """,
        (TEST_EVENT, tenant_id, subscription_id),
    ).fetchone()
    if row is None:
        return None
    note_deed(conn, tenant_id, by=by, deed="webhook_tested", subject=subscription_id)
    return row[0]


def give_up_old(conn: Connection, *, limit: int) -> int:
    """What waited for days in vain; returns how many. Needs the system scope."""
    return conn.execute(
        """
        UPDATE webhook_delivery AS d
        SET state = 'failed', error_code = coalesce(d.error_code, 'too_old'), settled_at = now()
        FROM (
            SELECT id
            FROM webhook_delivery
            WHERE state = 'pending' AND give_up_at < now()
            LIMIT %s
            FOR UPDATE SKIP LOCKED
        ) AS old
        WHERE d.id = old.id
        """,
        (limit,),
    ).rowcount


def forget_old(conn: Connection, *, limit: int) -> int:
    """Drop what was settled KEPT_DAYS ago and what belongs to removed subscriptions; `limit` or more: there may be more. Needs the system scope."""
    old = conn.execute(
        """
        DELETE FROM webhook_delivery
        WHERE id IN (
            SELECT id FROM webhook_delivery WHERE settled_at < now() - make_interval(days => %s) LIMIT %s
        )
        """,
        (KEPT_DAYS, limit),
    ).rowcount
    removed = conn.execute(
        """
        DELETE FROM webhook_delivery
        WHERE id IN (
            SELECT d.id
            FROM webhook_subscription AS s JOIN webhook_delivery AS d ON d.subscription_id = s.id
            WHERE s.state = 'removed'
            LIMIT %s
        )
        """,
        (limit,),
    ).rowcount
    if removed < limit:
        conn.execute(
            "DELETE FROM webhook_subscription AS s WHERE s.state = 'removed' AND NOT EXISTS (SELECT FROM webhook_delivery AS d WHERE d.subscription_id = s.id)"
        )
    return max(old, removed)
