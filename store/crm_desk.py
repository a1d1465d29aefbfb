"""The CRM connection as people watch it: who must be picked by a person, and which cards were written, with names."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from store.conversation_events import Actor
from store.crm_picks import pick_record
from store.db import Connection


@dataclass(frozen=True)
class UnclearCustomer:
    """A customer whom more than one record fits. candidates: [{"record_id", "matched_on"}]."""

    customer_id: str
    name: str | None = field(repr=False)
    candidates: list[dict[str, Any]]
    conversation_id: str | None


def list_unclear(conn: Connection, tenant_id: int, *, limit: int) -> list[UnclearCustomer]:
    """Customers of whom a person must say which record is theirs, by id, with their newest conversation."""
    rows = conn.execute(
        """
        SELECT s.customer_id::text, u.display_name, s.candidates,
               (
                   SELECT c.id::text FROM conversation AS c
                   WHERE c.customer_id = s.customer_id
                   ORDER BY c.last_inbound_at DESC NULLS LAST, c.id
                   LIMIT 1
               )
        FROM crm_search AS s JOIN customer AS u ON u.id = s.customer_id
        WHERE s.tenant_id = %s AND s.outcome = 'ambiguous'
        ORDER BY s.customer_id
        LIMIT %s
        """,
        (tenant_id, limit),
    ).fetchall()
    return [UnclearCustomer(*row) for row in rows]


def settle_unclear(conn: Connection, tenant_id: int, *, customer_id: str, record_id: str, picked_by: int) -> bool:
    """A person says which record is the customer's. Of two who say it at once the first one counts, and is kept.

    False when another record stands there already. Raises: LookupError when the tenant has no such customer.
    """
    known = conn.execute(
        "SELECT FROM customer WHERE id = %s AND tenant_id = %s FOR NO KEY UPDATE", (customer_id, tenant_id)
    ).fetchone()
    if known is None:
        raise LookupError(customer_id)
    picked = pick_record(
        conn,
        tenant_id,
        customer_id=customer_id,
        record_id=record_id,
        actor=Actor(user_id=picked_by),
        may_correct=False,
    )
    return picked != "taken"


@dataclass(frozen=True)
class WrittenCard:
    """A card as it was written. fields: our field names and values, without the summary."""

    id: str
    customer_id: str
    name: str | None = field(repr=False)
    record_id: str
    because: str
    fields: dict[str, str]
    written_at: datetime


def list_written_cards(
    conn: Connection,
    tenant_id: int,
    *,
    customer_id: str | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int,
) -> list[WrittenCard]:
    """Newest first; of one customer or of all. before: time and id of the one that they come after in the list."""
    rows = conn.execute(
        """
        SELECT w.id::text, w.customer_id::text, u.display_name, w.record_id, w.because, w.fields, w.written_at
        FROM crm_write AS w JOIN customer AS u ON u.id = w.customer_id
        WHERE w.tenant_id = %(tenant)s AND (%(customer)s::uuid IS NULL OR w.customer_id = %(customer)s)
          AND (%(at)s::timestamptz IS NULL OR (w.written_at, w.id) < (%(at)s, %(id)s::uuid))
        ORDER BY w.written_at DESC, w.id DESC
        LIMIT %(limit)s
        """,
        {
            "tenant": tenant_id,
            "customer": customer_id,
            "at": before[0] if before else None,
            "id": before[1] if before else None,
            "limit": limit,
        },
    ).fetchall()
    return [WrittenCard(*row) for row in rows]
