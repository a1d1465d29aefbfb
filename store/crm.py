"""What a CRM should say, per customer, and the notes and tasks on their way to it."""

from dataclasses import dataclass, field
from datetime import datetime

from crm_sync.labels import NEGATIVE_WINDOW_DAYS, CustomerLabels
from store.db import Connection
from store.runs import RunRef

CLAIM_LEASE_S = 45
# A burst of one customer becomes one write.
DEBOUNCE_S = 1.0


def mark_dirty(conn: Connection, tenant_id: int, customer_id: str) -> None:
    """The customer's labels may have changed; written after a short pause, in a batch."""
    conn.execute(
        """
        INSERT INTO crm_state AS s (customer_id, tenant_id, next_at)
        VALUES (%s, %s, now() + make_interval(secs => %s))
        ON CONFLICT (customer_id) DO UPDATE SET
            version = s.version + 1,
            next_at = CASE WHEN s.version > s.written_version THEN s.next_at ELSE EXCLUDED.next_at END
        """,
        (customer_id, tenant_id, DEBOUNCE_S),
    )


def mark_counts_dirty(conn: Connection) -> int:
    """Every customer whose card shows negatives: the count falls with time, without a new message. Needs the system scope."""
    return conn.execute(
        "UPDATE crm_state SET version = version + 1, next_at = now() WHERE negative_30d > 0 AND version = written_version"
    ).rowcount


@dataclass(frozen=True)
class ClaimedState:
    """A customer whose labels this worker alone writes now. record_id: None while the customer is not linked."""

    customer_id: str
    version: int
    tries: int
    written_hash: str | None
    record_id: str | None


def list_tenants_with_work(conn: Connection) -> list[int]:
    """Tenants whose CRM has something due and is not paused. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT c.tenant_id
        FROM crm_connection AS c
        WHERE c.paused_because IS NULL
          AND (
              EXISTS (
                  SELECT FROM crm_state AS s
                  WHERE s.tenant_id = c.tenant_id AND s.version > s.written_version AND s.next_at <= now()
                    AND (s.lease_until IS NULL OR s.lease_until < now())
              )
              OR EXISTS (
                  SELECT FROM crm_event AS e
                  WHERE e.tenant_id = c.tenant_id AND e.state = 'pending' AND e.next_at <= now()
                    AND (e.lease_until IS NULL OR e.lease_until < now())
              )
          )
        """
    ).fetchall()
    return [row[0] for row in rows]


def claim_states(conn: Connection, tenant_id: int, *, limit: int) -> list[ClaimedState]:
    """Dirty customers of one tenant, oldest first, leased to this worker."""
    rows = conn.execute(
        """
        WITH due AS (
            SELECT customer_id
            FROM crm_state
            WHERE tenant_id = %s AND version > written_version AND next_at <= now()
              AND (lease_until IS NULL OR lease_until < now())
            ORDER BY next_at
            LIMIT %s
            FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE crm_state AS s
            SET lease_until = now() + make_interval(secs => %s), tries = tries + 1
            FROM due
            WHERE s.customer_id = due.customer_id
            RETURNING s.customer_id, s.version, s.tries, s.written_hash
        )
        SELECT t.customer_id::text, t.version, t.tries, t.written_hash, l.record_id
        FROM taken AS t LEFT JOIN crm_link AS l ON l.customer_id = t.customer_id
        """,
        (tenant_id, limit, CLAIM_LEASE_S),
    ).fetchall()
    return [ClaimedState(*row) for row in rows]


def compute_labels(conn: Connection, customer_ids: list[str], *, with_summary: bool) -> dict[str, CustomerLabels]:
    """The labels of customers who have at least one analysis. Each message counts by its effective label, in provider time."""
    rows = conn.execute(
        """
        WITH judged AS (
            SELECT m.customer_id, m.id, m.sent_at, a.sentiment, a.score, a.intent, a.topics, a.summary,
                   a.analyzed_at AS created_at
            FROM message AS m CROSS JOIN LATERAL effective_label(m.id) AS a
            WHERE m.customer_id = ANY(%s::uuid[]) AND m.direction = 'inbound' AND m.state <> 'erased' AND NOT m.is_survey_answer
        ), newest AS (
            SELECT DISTINCT ON (customer_id) customer_id, sentiment, score, intent, topics, summary, created_at
            FROM judged
            ORDER BY customer_id, sent_at DESC, id DESC
        ), negative AS (
            SELECT customer_id, count(*) AS messages
            FROM judged
            WHERE sentiment = 'negative' AND sent_at > now() - make_interval(days => %s)
            GROUP BY customer_id
        )
        SELECT n.customer_id::text, n.sentiment, n.score, n.intent, n.topics, n.summary, coalesce(g.messages, 0), n.created_at
        FROM newest AS n LEFT JOIN negative AS g USING (customer_id)
        """,
        (customer_ids, NEGATIVE_WINDOW_DAYS),
    ).fetchall()
    return {
        customer_id: CustomerLabels(
            sentiment=sentiment,
            score=score,
            intent=intent,
            topics=tuple(topics),
            summary=summary if with_summary else None,
            negative_30d=negative,
            last_analyzed_at=analyzed_at,
        )
        for customer_id, sentiment, score, intent, topics, summary, negative, analyzed_at in rows
    }


def settle_state(
    conn: Connection, customer_id: str, *, version: int, written_hash: str | None, negative_30d: int | None
) -> None:
    """The labels of this version stand in the CRM. A newer version that came meanwhile stays dirty."""
    conn.execute(
        """
        UPDATE crm_state
        SET written_version = greatest(written_version, %s), written_hash = %s, negative_30d = %s, tries = 0, error_code = NULL,
            lease_until = NULL
        WHERE customer_id = %s
        """,
        (version, written_hash, negative_30d, customer_id),
    )


def postpone_state(conn: Connection, customer_id: str, *, seconds: float, error_code: str) -> None:
    """Not written: again later."""
    conn.execute(
        """
        UPDATE crm_state
        SET lease_until = NULL, next_at = now() + make_interval(secs => %s), error_code = %s
        WHERE customer_id = %s
        """,
        (seconds, error_code, customer_id),
    )


def link_customer(conn: Connection, tenant_id: int, *, customer_id: str, record_id: str, because: str) -> None:
    """Remember which CRM record is this customer, and how we know."""
    conn.execute(
        """
        INSERT INTO crm_link (customer_id, tenant_id, record_id, linked_because)
        VALUES (%s, %s, %s, %s)
        ON CONFLICT (customer_id) DO NOTHING
        """,
        (customer_id, tenant_id, record_id, because),
    )


def unlink_customer(conn: Connection, customer_id: str) -> None:
    """The CRM record is gone: forget it."""
    conn.execute("DELETE FROM crm_link WHERE customer_id = %s", (customer_id,))


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


@dataclass(frozen=True)
class ClaimedEvent:
    """An event this worker alone delivers now."""

    id: str
    customer_id: str
    key: str
    kind: str
    high_priority: bool
    subject: str = field(repr=False)
    body: str = field(repr=False)
    due_at: datetime
    tries: int
    record_id: str | None


def claim_events(conn: Connection, tenant_id: int, *, limit: int) -> list[ClaimedEvent]:
    """Pending events of one tenant, urgent ones first, leased to this worker."""
    rows = conn.execute(
        """
        WITH due AS (
            SELECT id
            FROM crm_event
            WHERE tenant_id = %s AND state = 'pending' AND next_at <= now() AND (lease_until IS NULL OR lease_until < now())
            ORDER BY high_priority DESC, next_at
            LIMIT %s
            FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE crm_event AS e
            SET lease_until = now() + make_interval(secs => %s), tries = tries + 1
            FROM due
            WHERE e.id = due.id
            RETURNING e.*
        )
        SELECT t.id::text, t.customer_id::text, t.key, t.kind, t.high_priority, t.subject, t.body, t.due_at, t.tries, l.record_id
        FROM taken AS t LEFT JOIN crm_link AS l ON l.customer_id = t.customer_id
        """,
        (tenant_id, limit, CLAIM_LEASE_S),
    ).fetchall()
    return [ClaimedEvent(*row) for row in rows]


def settle_event(conn: Connection, event_id: str, *, state: str, error_code: str | None = None) -> None:
    """`sent` or `failed`."""
    conn.execute(
        "UPDATE crm_event SET state = %s, error_code = %s, lease_until = NULL WHERE id = %s",
        (state, error_code, event_id),
    )


def postpone_event(conn: Connection, event_id: str, *, seconds: float, error_code: str) -> None:
    """Not delivered: again later."""
    conn.execute(
        """
        UPDATE crm_event
        SET lease_until = NULL, next_at = now() + make_interval(secs => %s), error_code = %s
        WHERE id = %s
        """,
        (seconds, error_code, event_id),
    )
