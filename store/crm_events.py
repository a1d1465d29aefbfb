"""Notes and tasks on their way to a CRM: an outbox, each once by its key."""

from dataclasses import dataclass, field
from datetime import datetime

from store.crm_searches import look_for
from store.db import Connection
from store.runs import RunRef


@dataclass(frozen=True)
class NewEvent:
    """A note or task for the customer's card."""

    kind: str
    key: str
    subject: str = field(repr=False)
    body: str = field(repr=False)
    due_at: datetime
    high_priority: bool = False


def add_event(conn: Connection, ref: RunRef, new: NewEvent, *, customer_id: str) -> None:
    """Put an event into the CRM outbox; the same key only once."""
    conn.execute(
        """
        INSERT INTO crm_event (tenant_id, customer_id, message_id, key, kind, high_priority, subject, body, due_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (tenant_id, key) DO NOTHING
        """,
        (
            ref.tenant_id,
            customer_id,
            ref.message_id,
            new.key,
            new.kind,
            new.high_priority,
            new.subject,
            new.body,
            new.due_at,
        ),
    )
    look_for(conn, ref.tenant_id, customer_id, is_urgent=new.high_priority)


@dataclass(frozen=True)
class DueEvent:
    """An event to deliver. tries: how often it was begun, this time included."""

    id: str
    customer_id: str
    key: str
    kind: str
    high_priority: bool
    subject: str = field(repr=False)
    body: str = field(repr=False)
    due_at: datetime
    tries: int
    record_id: str


def take_due_events(conn: Connection, tenant_id: int, *, limit: int) -> list[DueEvent]:
    """Pending events of linked customers, urgent ones first. Counted as begun before the CRM hears of them.

    One that is to be deleted from a wrong card waits until it is gone there: CRMs take a key once.
    """
    rows = conn.execute(
        """
        WITH due AS (
            SELECT e.id, l.record_id
            FROM crm_event AS e JOIN crm_link AS l ON l.customer_id = e.customer_id
            WHERE e.tenant_id = %s AND e.state = 'pending' AND e.next_at <= now()
              AND NOT EXISTS (
                  SELECT FROM crm_erasure AS r
                  WHERE r.tenant_id = e.tenant_id AND r.state = 'pending'
                    AND r.events @> jsonb_build_array(jsonb_build_object('key', e.key))
              )
            ORDER BY e.high_priority DESC, e.next_at
            LIMIT %s
            FOR UPDATE OF e SKIP LOCKED
        )
        UPDATE crm_event AS e
        SET tries = tries + 1, record_id = due.record_id
        FROM due
        WHERE e.id = due.id
        RETURNING e.id::text, e.customer_id::text, e.key, e.kind, e.high_priority, e.subject, e.body, e.due_at, e.tries, e.record_id
        """,
        (tenant_id, limit),
    ).fetchall()
    return sorted((DueEvent(*row) for row in rows), key=lambda event: not event.high_priority)


def settle_event(
    conn: Connection, event_id: str, *, state: str, error_code: str | None = None, remote_id: str | None = None
) -> None:
    """`sent` or `failed`. remote_id: the CRM's own id of the note or task. One whose card turned out wrong meanwhile stays pending."""
    conn.execute(
        """
        UPDATE crm_event
        SET state = %s, error_code = %s, event_id = coalesce(%s, event_id), sent_at = CASE WHEN %s = 'sent' THEN now() END
        WHERE id = %s AND record_id IS NOT NULL
        """,
        (state, error_code, remote_id, state, event_id),
    )


def forgive_tries(conn: Connection, event_ids: list[str]) -> None:
    """What hindered these concerned all of them: it does not count. That each was begun once stays known."""
    conn.execute("UPDATE crm_event SET tries = greatest(tries - 1, 1) WHERE id = ANY(%s::uuid[])", (event_ids,))


def retry_events(conn: Connection, tenant_id: int) -> int:
    """Try again those that were given up. Returns how many. An earlier try may have come through: they are looked for first."""
    return conn.execute(
        """
        UPDATE crm_event SET state = 'pending', tries = 1, next_at = now()
        WHERE tenant_id = %s AND state = 'failed'
        """,
        (tenant_id,),
    ).rowcount


def postpone_event(conn: Connection, event_id: str, *, seconds: float, error_code: str) -> None:
    """Not delivered: again later."""
    conn.execute(
        "UPDATE crm_event SET next_at = now() + make_interval(secs => %s), error_code = %s WHERE id = %s",
        (seconds, error_code, event_id),
    )


def forget_events(conn: Connection, message_ids: list[str]) -> None:
    """Their messages were taken back: what was not sent is dropped, what may stand in the CRM is to be deleted there."""
    conn.execute(
        """
        WITH gone AS (
            DELETE FROM crm_event WHERE message_id = ANY(%s::uuid[])
            RETURNING tenant_id, record_id, key, kind, event_id
        )
        INSERT INTO crm_erasure (tenant_id, record_id, clears_card, events)
        SELECT tenant_id, record_id, false, jsonb_agg(jsonb_build_object('key', key, 'kind', kind, 'event_id', event_id))
        FROM gone
        WHERE record_id IS NOT NULL
        GROUP BY tenant_id, record_id
        """,
        (message_ids,),
    )
