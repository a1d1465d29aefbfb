"""Erasure of a customer: asked for, carried out in small steps by workers, and a receipt that says when and how much, not who."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg.types.json import Jsonb

from store.audit_log import note_deed
from store.conversation_events import Actor
from store.db import Connection, act_for_system
from store.erased_identities import remember_erased
from store.erasure import ERASED, end_runs, forget_messages

# A send that is on its way may still be settled; after that long its worker is dead, and what it sent is uncertain.
WAIT_FOR_SENDS_S = 30
MESSAGES_AT_ONCE = 200
RING_AGAIN_S = 10
LATE_AFTER_S = 300
# A shorter one stands in many bodies by chance.
_LEAST_CHARS_IN_BODY = 6
Step = Literal["more", "wait", "done"]


@dataclass(frozen=True)
class Erasure:
    """A request and its receipt. counts: what went, by its kind. crm_*: cards, notes and tasks that the CRM is asked to clear."""

    id: str
    state: Literal["waiting", "done"]
    requested_at: datetime
    finished_at: datetime | None
    by_user_id: int | None
    by_key_id: int | None
    counts: Mapping[str, int]
    error_code: str | None
    crm_pending: int
    crm_done: int
    crm_failed: int


def ask_erasure(conn: Connection, tenant_id: int, customer_id: str, *, by: Actor | None) -> str | None:
    """Have a customer erased; asked twice it is one request. Nothing more is sent to them from now on.

    Returns the request's id, None when the tenant has no such customer.
    """
    row = conn.execute(
        "SELECT FROM customer WHERE tenant_id = %s AND id = %s FOR UPDATE", (tenant_id, customer_id)
    ).fetchone()
    if row is None:
        return None
    row = conn.execute(
        """
        INSERT INTO customer_erasure AS e (tenant_id, customer_id, by_user_id, by_key_id)
        VALUES (%s, %s, %s, %s)
        ON CONFLICT (tenant_id, customer_id) WHERE customer_id IS NOT NULL DO UPDATE SET next_at = now()
        RETURNING id::text, xmax = 0
        """,
        (tenant_id, customer_id, by.user_id if by else None, by.key_id if by else None),
    ).fetchone()
    assert row is not None
    erasure_id, is_new = row
    _call_off_sends(conn, customer_id)
    if is_new:
        note_deed(conn, tenant_id, by=by, deed="customer_erased", subject=f"erasure:{erasure_id}")
    return erasure_id


def _call_off_sends(conn: Connection, customer_id: str) -> None:
    conn.execute(
        """
        UPDATE action
        SET state = 'cancelled', error_code = 'erased', settled_at = now()
        WHERE customer_id = %s AND state = 'pending'
        """,
        (customer_id,),
    )


def list_erasures(conn: Connection, tenant_id: int, *, before_id: str | None = None, limit: int) -> list[Erasure]:
    """Newest first. before_id: the page before ended there."""
    rows = conn.execute(
        """
        SELECT e.id::text, e.state, e.requested_at, e.finished_at, e.by_user_id, e.by_key_id, e.counts, e.error_code,
               count(c.id) FILTER (WHERE c.state = 'pending'), count(c.id) FILTER (WHERE c.state = 'done'),
               count(c.id) FILTER (WHERE c.state = 'failed')
        FROM customer_erasure AS e LEFT JOIN crm_erasure AS c ON c.customer_erasure_id = e.id
        WHERE e.tenant_id = %(tenant_id)s AND (%(before_id)s::uuid IS NULL OR e.id < %(before_id)s)
        GROUP BY e.id
        ORDER BY e.id DESC
        LIMIT %(limit)s
        """,
        {"tenant_id": tenant_id, "before_id": before_id, "limit": limit},
    ).fetchall()
    return [Erasure(*row) for row in rows]


def find_erasure(conn: Connection, tenant_id: int, erasure_id: str) -> Erasure | None:
    """None when the tenant has no such request."""
    row = conn.execute(
        """
        SELECT e.id::text, e.state, e.requested_at, e.finished_at, e.by_user_id, e.by_key_id, e.counts, e.error_code,
               count(c.id) FILTER (WHERE c.state = 'pending'), count(c.id) FILTER (WHERE c.state = 'done'),
               count(c.id) FILTER (WHERE c.state = 'failed')
        FROM customer_erasure AS e LEFT JOIN crm_erasure AS c ON c.customer_erasure_id = e.id
        WHERE e.tenant_id = %s AND e.id = %s
        GROUP BY e.id
        """,
        (tenant_id, erasure_id),
    ).fetchone()
    return Erasure(*row) if row else None


def take_due_erasures(conn: Connection, *, limit: int) -> list[tuple[int, str]]:
    """(tenant id, request id) of what a worker should go on with, the longest due first; each is pushed back some seconds.

    Needs the system scope.
    """
    return conn.execute(
        """
        WITH due AS (
            SELECT id FROM customer_erasure
            WHERE state = 'waiting' AND next_at <= now()
            ORDER BY next_at
            LIMIT %s
            FOR UPDATE SKIP LOCKED
        )
        UPDATE customer_erasure AS e
        SET next_at = now() + make_interval(secs => %s)
        FROM due
        WHERE e.id = due.id
        RETURNING e.tenant_id, e.id::text
        """,
        (limit, RING_AGAIN_S),
    ).fetchall()


def erase_some(conn: Connection, tenant_id: int, erasure_id: str, *, pepper: bytes) -> Step:
    """One step, whole in the caller's transaction, which must act for the tenant: repeating it after a crash is harmless.

    `wait`: a send is on its way, or another worker is at it. `done`: nothing is left to do.
    """
    row = conn.execute(
        """
        SELECT customer_id::text, cut_at IS NOT NULL, requested_at < now() - make_interval(secs => %s)
        FROM customer_erasure
        WHERE tenant_id = %s AND id = %s AND state = 'waiting'
        FOR UPDATE SKIP LOCKED
        """,
        (WAIT_FOR_SENDS_S, tenant_id, erasure_id),
    ).fetchone()
    if row is None:
        erasure = find_erasure(conn, tenant_id, erasure_id)
        return "done" if erasure is None or erasure.state == "done" else "wait"
    customer_id, is_cut, has_waited = row
    # What this transaction asks the CRM for is counted on this receipt.
    conn.execute("SELECT set_config('earshot.erasure', %s, true)", (erasure_id,))
    conn.execute(
        "UPDATE customer_erasure SET next_at = now() + make_interval(secs => %s), error_code = NULL WHERE id = %s",
        (RING_AGAIN_S, erasure_id),
    )
    if not is_cut:
        if not has_waited and _is_sending(conn, customer_id):
            conn.execute(
                "UPDATE customer_erasure SET next_at = now() + interval '1 second' WHERE id = %s", (erasure_id,)
            )
            return "wait"
        _add_counts(conn, erasure_id, _cut_identities(conn, tenant_id, customer_id, pepper=pepper))
        conn.execute("UPDATE customer_erasure SET cut_at = clock_timestamp() WHERE id = %s", (erasure_id,))
        return "more"
    ids = _list_messages(conn, customer_id)
    if ids:
        _add_counts(conn, erasure_id, erase_whole_messages(conn, tenant_id, ids))
        return "more"
    _add_counts(conn, erasure_id, _erase_rest(conn, tenant_id, customer_id))
    conn.execute(
        """
        UPDATE customer_erasure SET state = 'done', customer_id = NULL, finished_at = clock_timestamp() WHERE id = %s
        """,
        (erasure_id,),
    )
    return "done"


def postpone_erasure(conn: Connection, tenant_id: int, erasure_id: str, *, seconds: float, error_code: str) -> None:
    """It could not go on: again later."""
    conn.execute(
        """
        UPDATE customer_erasure
        SET next_at = now() + make_interval(secs => %s), error_code = %s
        WHERE tenant_id = %s AND id = %s AND state = 'waiting'
        """,
        (seconds, error_code, tenant_id, erasure_id),
    )


def list_late_erasures(conn: Connection) -> list[tuple[int, float]]:
    """(how many, hours of the oldest) of requests that wait longer than they may; none when all is well. Needs the system scope."""
    return conn.execute(
        """
        SELECT count(*), extract(epoch FROM now() - min(requested_at))::float / 3600
        FROM customer_erasure
        WHERE state = 'waiting' AND requested_at < now() - make_interval(secs => %s)
        HAVING count(*) > 0
        """,
        (LATE_AFTER_S,),
    ).fetchall()


def _is_sending(conn: Connection, customer_id: str) -> bool:
    row = conn.execute(
        "SELECT FROM action WHERE customer_id = %s AND state = 'sending' AND lease_until > now() LIMIT 1",
        (customer_id,),
    ).fetchone()
    return row is not None


def _add_counts(conn: Connection, erasure_id: str, counts: Mapping[str, int]) -> None:
    conn.execute(
        """
        UPDATE customer_erasure AS e
        SET counts = e.counts || (
            SELECT coalesce(jsonb_object_agg(given.key, given.value::int + coalesce((e.counts ->> given.key)::int, 0)), '{}')
            FROM jsonb_each_text(%s::jsonb) AS given
        )
        WHERE e.id = %s
        """,
        (Jsonb({name: count for name, count in counts.items() if count}), erasure_id),
    )


def _cut_identities(conn: Connection, tenant_id: int, customer_id: str, *, pepper: bytes) -> dict[str, int]:
    """From now on nobody is known by what this customer was known by: who writes next is somebody new."""
    # Whoever places a message of theirs at this moment holds the row: we wait for them, and find their message.
    conn.execute("SELECT FROM customer WHERE id = %s FOR UPDATE", (customer_id,))
    identities = conn.execute(
        "SELECT kind, value FROM customer_identity WHERE customer_id = %s ORDER BY kind, value", (customer_id,)
    ).fetchall()
    _call_off_sends(conn, customer_id)
    remember_erased(conn, tenant_id, identities, pepper=pepper)
    _adopt_unplaced(conn, tenant_id, customer_id, identities)
    notices = _forget_notices(conn, tenant_id, identities)
    conn.execute("DELETE FROM customer_identity WHERE customer_id = %s", (customer_id,))
    conn.execute("UPDATE customer SET display_name = NULL WHERE id = %s", (customer_id,))
    bodies = _forget_unread_bodies(conn, [value for _, value in identities])
    return {"identities": len(identities), "notices": notices, "unread_bodies": bodies}


def _adopt_unplaced(conn: Connection, tenant_id: int, customer_id: str, identities: list[tuple[str, str]]) -> None:
    """Messages that never found their customer, such as parked ones."""
    conn.execute(
        """
        UPDATE message AS m
        SET customer_id = %(customer_id)s
        WHERE m.tenant_id = %(tenant_id)s AND m.customer_id IS NULL AND m.state <> 'erased' AND EXISTS (
            SELECT
            FROM jsonb_array_elements(coalesce(m.sender -> 'identities', '[]')) AS one
            JOIN unnest(%(kinds)s::text[], %(values)s::text[]) AS given (kind, value)
              ON given.kind = one ->> 0
             AND CASE given.kind WHEN 'phone' THEN phone_match_key(given.value) = phone_match_key(one ->> 1)
                      ELSE given.value = one ->> 1 END
        )
        """,
        {
            "tenant_id": tenant_id,
            "customer_id": customer_id,
            "kinds": [kind for kind, _ in identities],
            "values": [value for _, value in identities],
        },
    )


def _forget_notices(conn: Connection, tenant_id: int, identities: list[tuple[str, str]]) -> int:
    """What a channel said about them and nobody has applied yet."""
    return conn.execute(
        """
        DELETE FROM channel_notice AS n
        WHERE n.tenant_id = %s AND EXISTS (
            SELECT
            FROM jsonb_array_elements(
                coalesce(n.notice -> 'people', '[]') || coalesce(n.notice -> 'before', '[]') || coalesce(n.notice -> 'after', '[]')
            ) AS one
            JOIN unnest(%s::text[], %s::text[]) AS given (kind, value) ON given.kind = one ->> 0 AND given.value = one ->> 1
        )
        """,
        (tenant_id, [kind for kind, _ in identities], [value for _, value in identities]),
    ).rowcount


def _forget_unread_bodies(conn: Connection, values: list[str]) -> int:
    """Bodies that could not be read and name them. They are of no tenant, so that this takes the system scope."""
    act_for_system(conn)
    return conn.execute(
        """
        DELETE FROM unparsed_body
        WHERE EXISTS (
            SELECT FROM unnest(%s::text[]) AS given WHERE position(convert_to(given, 'UTF8') IN body) > 0
        )
        """,
        ([value for value in values if len(value) >= _LEAST_CHARS_IN_BODY],),
    ).rowcount


def _list_messages(conn: Connection, customer_id: str) -> list[str]:
    rows = conn.execute(
        "SELECT id::text FROM message WHERE customer_id = %s ORDER BY id LIMIT %s", (customer_id, MESSAGES_AT_ONCE)
    ).fetchall()
    return [row[0] for row in rows]


def erase_whole_messages(conn: Connection, tenant_id: int, ids: list[str]) -> dict[str, int]:
    """Their words and whose they were. A tombstone stays, which the channel's repetition is recognised by; so do labels and costs.

    Returns what went, by its kind.
    """
    end_runs(conn, ids)
    bodies = conn.execute("SELECT count(*) FROM message_raw WHERE message_id = ANY(%s::uuid[])", (ids,)).fetchone()
    conn.execute("SELECT FROM message WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE", (ids,))
    forget_messages(conn, tenant_id, ids)
    # A conversation is one person's: all that was read beside these words was theirs too.
    ledger = conn.execute(
        "UPDATE egress SET minimized_text = %s WHERE message_id = ANY(%s::uuid[]) OR context_ids && %s::uuid[]",
        (ERASED, ids, ids),
    ).rowcount
    conn.execute(
        """
        DELETE FROM message_reaction AS r
        USING message_key AS k
        WHERE k.message_id = ANY(%s::uuid[]) AND r.tenant_id = k.tenant_id AND r.account_id = k.account_id
          AND r.target_key = k.key
        """,
        (ids,),
    )
    messages = conn.execute(
        """
        UPDATE message
        SET customer_id = NULL, conversation_id = NULL, provider_message_id = '', reply_to_provider_id = NULL,
            group_id = NULL, choice_id = NULL, sender = '{"identities": [], "display_name": null}'
        WHERE id = ANY(%s::uuid[])
        """,
        (ids,),
    ).rowcount
    return {"messages": messages, "bodies": bodies[0] if bodies else 0, "ledger": ledger}


def _erase_rest(conn: Connection, tenant_id: int, customer_id: str) -> dict[str, int]:
    """The customer and what hangs on them; deleting the row asks the CRM to clear its card (a trigger does)."""
    conn.execute("SELECT FROM customer WHERE id = %s FOR UPDATE", (customer_id,))
    conversations = [
        row[0] for row in conn.execute("SELECT id FROM conversation WHERE customer_id = %s ORDER BY id", (customer_id,))
    ]
    webhooks = conn.execute("DELETE FROM webhook_delivery WHERE conversation_id = ANY(%s)", (conversations,)).rowcount
    alerts = conn.execute(
        "DELETE FROM alert WHERE tenant_id = %s AND (customer_id = %s OR conversation_id = ANY(%s))",
        (tenant_id, customer_id, conversations),
    ).rowcount
    actions = conn.execute("DELETE FROM action WHERE customer_id = %s", (customer_id,)).rowcount
    conn.execute("DELETE FROM stale_clock WHERE conversation_id = ANY(%s)", (conversations,))
    conn.execute("DELETE FROM customer WHERE id = %s", (customer_id,))
    return {"conversations": len(conversations), "actions": actions, "alerts": alerts, "webhooks": webhooks}
