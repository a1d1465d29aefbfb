"""Which CRM record is which customer, and what the tenant's own fields there say of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from store.db import Connection


@dataclass(frozen=True)
class Link:
    """The record of a customer, and how we know. matched_on: external_id, phone, email, phone_variant, created or person.

    values_read_at: when the record's own fields were read last.
    """

    record_id: str
    matched_on: str | None
    linked_at: datetime
    values_read_at: datetime | None


def find_link(conn: Connection, customer_id: str) -> Link | None:
    """None when no record is known."""
    row = conn.execute(
        "SELECT record_id, matched_on, linked_at, values_read_at FROM crm_link WHERE customer_id = %s", (customer_id,)
    ).fetchone()
    return Link(*row) if row else None


def find_any_record(conn: Connection, tenant_id: int) -> str | None:
    """A record that is somebody's, to try a read on; None when there is none."""
    row = conn.execute("SELECT record_id FROM crm_link WHERE tenant_id = %s LIMIT 1", (tenant_id,)).fetchone()
    return row[0] if row else None


def link_customer(
    conn: Connection, tenant_id: int, *, customer_id: str, record_id: str, matched_on: str, linked_by: int | None = None
) -> bool:
    """Remember the record, and have everything that waited for it written. Returns False when there is no such customer.

    linked_by: the person who picked it. What a person picked replaces what a search found, never the other way round.
    """
    there = conn.execute("SELECT FROM customer WHERE id = %s AND tenant_id = %s", (customer_id, tenant_id)).fetchone()
    if there is None:
        return False
    conn.execute("DELETE FROM crm_search WHERE customer_id = %s", (customer_id,))
    before = conn.execute("SELECT record_id FROM crm_link WHERE customer_id = %s FOR UPDATE", (customer_id,)).fetchone()
    if before and matched_on != "person":
        return True
    conn.execute(
        """
        INSERT INTO crm_link AS l (customer_id, tenant_id, record_id, linked_because, matched_on, linked_by)
        VALUES (%(customer)s, %(tenant)s, %(record)s, %(matched_on)s, %(matched_on)s, %(person)s)
        ON CONFLICT (customer_id) DO UPDATE SET
            record_id = EXCLUDED.record_id, linked_because = EXCLUDED.linked_because, matched_on = EXCLUDED.matched_on,
            linked_by = EXCLUDED.linked_by, linked_at = now(), values_read_at = NULL
        """,
        {
            "customer": customer_id,
            "tenant": tenant_id,
            "record": record_id,
            "matched_on": matched_on,
            "person": linked_by,
        },
    )
    if before and before[0] != record_id:
        leave_card(conn, tenant_id, customer_id=customer_id, record_id=before[0])
    conn.execute("UPDATE crm_state SET next_at = least(next_at, now()) WHERE customer_id = %s", (customer_id,))
    conn.execute(
        "UPDATE crm_event SET next_at = least(next_at, now()) WHERE customer_id = %s AND state = 'pending'",
        (customer_id,),
    )
    return True


def leave_card(conn: Connection, tenant_id: int, *, customer_id: str, record_id: str) -> None:
    """It was somebody else's: what we wrote there goes, what it said of the customer no longer holds, and the right card is written.

    Notes and tasks come onto the right card once they are gone from this one.
    """
    conn.execute(
        """
        INSERT INTO crm_erasure (tenant_id, record_id, clears_card, events)
        SELECT %s, %s, true, coalesce(jsonb_agg(jsonb_build_object('key', key, 'kind', kind, 'event_id', event_id)), '[]')
        FROM crm_event
        WHERE customer_id = %s AND record_id = %s
        """,
        (tenant_id, record_id, customer_id, record_id),
    )
    conn.execute(
        """
        UPDATE crm_event
        SET state = 'pending', tries = 0, error_code = NULL, record_id = NULL, event_id = NULL, sent_at = NULL, next_at = now()
        WHERE customer_id = %s AND record_id = %s
        """,
        (customer_id, record_id),
    )
    conn.execute("UPDATE customer SET high_value = false, tier = NULL, crm_value = NULL WHERE id = %s", (customer_id,))
    conn.execute(
        "UPDATE crm_state SET version = version + 1, written_hash = NULL, because = 'link', is_bulk = false WHERE customer_id = %s",
        (customer_id,),
    )


def follow_merge(conn: Connection, customer_id: str, *, gone: str, record_id: str) -> None:
    """The CRM made one record of two: the customer's is the one that stayed. A link that is another by now stays as it is."""
    conn.execute(
        "UPDATE crm_link SET record_id = %s, values_read_at = NULL WHERE customer_id = %s AND record_id = %s",
        (record_id, customer_id, gone),
    )


def unlink_customer(conn: Connection, customer_id: str, *, gone: str) -> None:
    """The CRM record is gone: forget it, and that anything of ours stood there.

    A person may have picked another record while the CRM was asked for this one: that link stays.
    """
    unlinked = conn.execute("DELETE FROM crm_link WHERE customer_id = %s AND record_id = %s", (customer_id, gone))
    if not unlinked.rowcount:
        return
    conn.execute(
        "UPDATE crm_state SET written_hash = NULL, version = version + 1, next_at = now() WHERE customer_id = %s",
        (customer_id,),
    )


def list_stale_values(
    conn: Connection, tenant_id: int, *, older_than_s: float, active_days: int, limit: int
) -> dict[str, str]:
    """Customer to record id where the record's own fields were read too long ago, of customers who wrote lately."""
    rows = conn.execute(
        """
        SELECT l.customer_id::text, l.record_id
        FROM crm_link AS l
        WHERE l.tenant_id = %s AND (l.values_read_at IS NULL OR l.values_read_at < now() - make_interval(secs => %s))
          AND EXISTS (
              SELECT FROM conversation AS c
              WHERE c.customer_id = l.customer_id AND c.last_inbound_at > now() - make_interval(days => %s)
          )
        ORDER BY l.values_read_at NULLS FIRST
        LIMIT %s
        """,
        (tenant_id, older_than_s, active_days, limit),
    ).fetchall()
    return dict(rows)


@dataclass(frozen=True)
class CustomerValue:
    """What the CRM says a customer is worth, for rules and for choosing whom to look at first."""

    high_value: bool
    tier: str | None
    value: Decimal | None


def store_values(conn: Connection, values: Mapping[str, CustomerValue]) -> None:
    """By customer. Rules read it from the customer from now on; routing itself never asks the CRM."""
    conn.execute(
        """
        UPDATE customer AS c
        SET high_value = v.high_value, tier = v.tier, crm_value = v.value
        FROM unnest(%s::uuid[], %s::boolean[], %s::text[], %s::numeric[]) AS v (customer_id, high_value, tier, value)
        WHERE c.id = v.customer_id
        """,
        (
            list(values),
            [one.high_value for one in values.values()],
            [one.tier for one in values.values()],
            [one.value for one in values.values()],
        ),
    )
    conn.execute("UPDATE crm_link SET values_read_at = now() WHERE customer_id = ANY(%s::uuid[])", (list(values),))


def note_values_unread(conn: Connection, customer_ids: list[str]) -> None:
    """The records gave no values: not asked again before they are due."""
    conn.execute("UPDATE crm_link SET values_read_at = now() WHERE customer_id = ANY(%s::uuid[])", (customer_ids,))


def forget_values(conn: Connection, tenant_id: int) -> None:
    """The tenant maps other fields now, or none: nothing said before holds."""
    conn.execute(
        """
        UPDATE customer SET high_value = false, tier = NULL, crm_value = NULL
        WHERE tenant_id = %s AND (high_value OR tier IS NOT NULL OR crm_value IS NOT NULL)
        """,
        (tenant_id,),
    )
    conn.execute("UPDATE crm_link SET values_read_at = NULL WHERE tenant_id = %s", (tenant_id,))
