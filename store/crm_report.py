"""How a tenant's CRM stands, and what was written to whom, when and why."""

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from crm_sync.advice import fix_for
from store.db import Connection, StoreError


@dataclass(frozen=True)
class CrmStatus:
    """errors: how many rows wait for each code."""

    kind: str
    account_id: str | None
    paused_because: str | None
    held_because: str | None
    held_until: datetime | None
    provisioned_at: datetime | None
    fields_missing: list[str]
    cards_waiting: int
    cards_bulk: int
    cards_failing: int
    events_waiting: int
    events_failed: int
    linked: int
    unlinked: int
    ambiguous: int
    erasures_waiting: int
    erasures_failed: int
    last_written_at: datetime | None
    errors: dict[str, int]

    @property
    def state(self) -> str:
        """works, held or paused."""
        if self.paused_because:
            return "paused"
        return "held" if self.held_until else "works"

    @property
    def sentence(self) -> str:
        """In a few words, for a person."""
        if self.paused_because:
            fix = fix_for(self.paused_because)
            return f"paused ({self.paused_because}): {fix}, then `earshot crm check`; nothing is lost meanwhile"
        if self.held_because and self.held_until:
            fix = fix_for(self.held_because)
            return f"rests until {self.held_until:%Y-%m-%d %H:%M:%S} UTC ({self.held_because}): {fix}"
        return "works"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(self).items()
        }


def read_status(conn: Connection, tenant_id: int) -> CrmStatus:
    """Raises: StoreError when the tenant has no CRM."""
    row = conn.execute(
        """
        SELECT c.kind, c.account_id, c.paused_because,
               CASE WHEN c.held_until > now() THEN c.held_because WHEN c.cards_held_until > now() THEN 'budget_used' END,
               CASE WHEN greatest(c.held_until, c.cards_held_until) > now() THEN greatest(c.held_until, c.cards_held_until) END,
               c.provisioned_at, c.fields_missing,
               s.waiting, s.bulk, s.failing, e.waiting, e.failed,
               (SELECT count(*) FROM crm_link WHERE tenant_id = c.tenant_id),
               q.unlinked, q.ambiguous, r.waiting, r.failed, s.last_written_at
        FROM crm_connection AS c
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE version > written_version) AS waiting,
                   count(*) FILTER (WHERE version > written_version AND is_bulk) AS bulk,
                   count(*) FILTER (WHERE version > written_version AND error_code IS NOT NULL) AS failing,
                   max(written_at) AS last_written_at
            FROM crm_state WHERE tenant_id = c.tenant_id
        ) AS s
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE state = 'pending') AS waiting, count(*) FILTER (WHERE state = 'failed') AS failed
            FROM crm_event WHERE tenant_id = c.tenant_id
        ) AS e
        CROSS JOIN LATERAL (
            SELECT count(*) AS unlinked, count(*) FILTER (WHERE outcome = 'ambiguous') AS ambiguous
            FROM crm_search WHERE tenant_id = c.tenant_id
        ) AS q
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE state = 'pending') AS waiting, count(*) FILTER (WHERE state = 'failed') AS failed
            FROM crm_erasure WHERE tenant_id = c.tenant_id
        ) AS r
        WHERE c.tenant_id = %s
        """,
        (tenant_id,),
    ).fetchone()
    if row is None:
        raise StoreError("no_crm", permanent=True)
    errors = conn.execute(
        """
        SELECT error_code, count(*)
        FROM (
            SELECT error_code FROM crm_state WHERE tenant_id = %(tenant)s AND version > written_version
            UNION ALL
            SELECT error_code FROM crm_event WHERE tenant_id = %(tenant)s AND state <> 'sent'
            UNION ALL
            SELECT error_code FROM crm_erasure WHERE tenant_id = %(tenant)s AND state <> 'done'
        ) AS waiting
        WHERE error_code IS NOT NULL
        GROUP BY error_code
        ORDER BY count(*) DESC, error_code
        """,
        {"tenant": tenant_id},
    ).fetchall()
    return CrmStatus(*row, errors=dict(errors))


def count_backfill(conn: Connection, tenant_id: int) -> tuple[int, int]:
    """(cards to write, customers to look for first) of a fill of the whole CRM."""
    row = conn.execute(
        """
        SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM crm_link AS l WHERE l.customer_id = c.id))
        FROM customer AS c
        WHERE c.tenant_id = %s AND EXISTS (
            SELECT FROM message AS m JOIN message_analysis AS a ON a.message_id = m.id
            WHERE m.customer_id = c.id AND NOT a.provisional
        )
        """,
        (tenant_id,),
    ).fetchone()
    assert row is not None
    return row[0], row[1]


@dataclass(frozen=True)
class Write:
    """A card that was written. because: see crm_states.Because. fields: our field names and values, without the summary."""

    id: str
    customer_id: str
    record_id: str
    because: str
    fields: dict[str, str]
    written_at: datetime


def list_writes(
    conn: Connection,
    tenant_id: int,
    *,
    customer_id: str | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int,
) -> list[Write]:
    """Newest first; of one customer or of all. before: time and id of the write that they come after in the list."""
    rows = conn.execute(
        """
        SELECT id::text, customer_id::text, record_id, because, fields, written_at
        FROM crm_write
        WHERE tenant_id = %(tenant)s AND (%(customer)s::uuid IS NULL OR customer_id = %(customer)s)
          AND (%(before)s::timestamptz IS NULL OR (written_at, id) < (%(before)s, %(before_id)s::uuid))
        ORDER BY written_at DESC, crm_write.id DESC
        LIMIT %(limit)s
        """,
        {
            "tenant": tenant_id,
            "customer": customer_id,
            "before": before[0] if before else None,
            "before_id": before[1] if before else None,
            "limit": limit,
        },
    ).fetchall()
    return [Write(*row) for row in rows]


@dataclass(frozen=True)
class CardState:
    """Whether a card waits to be written, since when it must, and what the CRM refused last time. tier, value: as the CRM says."""

    waits: bool
    error_code: str | None
    next_at: datetime | None
    high_value: bool
    tier: str | None
    value: Decimal | None


def find_card_state(conn: Connection, tenant_id: int, customer_id: str) -> CardState | None:
    """None when the tenant has no such customer."""
    row = conn.execute(
        """
        SELECT coalesce(s.version > s.written_version, false), s.error_code,
               CASE WHEN s.version > s.written_version THEN s.next_at END, c.high_value, c.tier, c.crm_value
        FROM customer AS c LEFT JOIN crm_state AS s ON s.customer_id = c.id
        WHERE c.id = %s AND c.tenant_id = %s
        """,
        (customer_id, tenant_id),
    ).fetchone()
    return CardState(*row) if row else None


@dataclass(frozen=True)
class EventRow:
    """A note or task: state pending, sent or failed."""

    kind: str
    state: str
    error_code: str | None
    created_at: datetime
    sent_at: datetime | None


def list_events(conn: Connection, customer_id: str, *, limit: int) -> list[EventRow]:
    """Newest first."""
    rows = conn.execute(
        """
        SELECT kind, state, error_code, created_at, sent_at
        FROM crm_event WHERE customer_id = %s
        ORDER BY created_at DESC
        LIMIT %s
        """,
        (customer_id, limit),
    ).fetchall()
    return [EventRow(*row) for row in rows]


@dataclass(frozen=True)
class WaitingWork:
    """Over all tenants, paused connections left out of the age."""

    cards: int
    events: int
    searches: int
    oldest_card_s: float
    paused: int


def measure_waiting(conn: Connection) -> WaitingWork:
    """For /metrics. Needs the system scope."""
    row = conn.execute(
        """
        SELECT (SELECT count(*) FROM crm_state WHERE version > written_version AND next_at <= now()),
               (SELECT count(*) FROM crm_event WHERE state = 'pending' AND next_at <= now()),
               (SELECT count(*) FROM crm_search WHERE next_at <= now()),
               coalesce((
                   SELECT extract(epoch FROM now() - min(s.next_at))
                   FROM crm_state AS s
                   JOIN crm_link AS l ON l.customer_id = s.customer_id
                   JOIN crm_connection AS c ON c.tenant_id = s.tenant_id AND c.paused_because IS NULL
                   WHERE s.version > s.written_version AND s.next_at <= now()
               ), 0),
               (SELECT count(*) FROM crm_connection WHERE paused_because IS NOT NULL)
        """,
        prepare=True,
    ).fetchone()
    assert row is not None
    return WaitingWork(row[0], row[1], row[2], float(row[3]), row[4])
