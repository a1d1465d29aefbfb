"""A person's word on which CRM record is a customer's: picked, corrected, taken away; and who said it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.audit_log import came_from, note_deed
from store.conversation_events import Actor
from store.crm_links import find_link, leave_card, link_customer
from store.crm_searches import search_again, stop_searching
from store.db import Connection

# taken: another record is linked already, and the caller may not correct it.
Picked = Literal["picked", "unchanged", "taken"]


@dataclass(frozen=True)
class Pick:
    """What a person said. record_id: None when the record was taken away. by: user:ID, key:ID, both joined by "+", or "person"."""

    record_id: str | None
    by: str
    picked_at: datetime


def lock_customer(conn: Connection, tenant_id: int, customer_id: str) -> bool:
    """Have the customer to oneself until the transaction ends, so that of two who pick one is first. False: no such customer."""
    row = conn.execute(
        "SELECT FROM customer WHERE id = %s AND tenant_id = %s FOR NO KEY UPDATE", (customer_id, tenant_id)
    ).fetchone()
    return row is not None


def pick_record(
    conn: Connection, tenant_id: int, *, customer_id: str, record_id: str, actor: Actor, may_correct: bool
) -> Picked:
    """Link the customer, who is locked, to the record. may_correct: also in place of another record, which then loses what we wrote."""
    before = find_link(conn, customer_id)
    if before and before.record_id != record_id and not may_correct:
        return "taken"
    if before and before.record_id == record_id and before.matched_on == "person":
        return "unchanged"
    link_customer(
        conn,
        tenant_id,
        customer_id=customer_id,
        record_id=record_id,
        matched_on="person",
        linked_by=actor.user_id,
    )
    _note(conn, tenant_id, customer_id=customer_id, record_id=record_id, actor=actor)
    return "picked"


def take_away(conn: Connection, tenant_id: int, *, customer_id: str, actor: Actor, then_search: bool) -> None:
    """Unlink the customer, who is locked: what we wrote on the record goes. Not looked for any more, unless then_search."""
    before = find_link(conn, customer_id)
    if before is not None:
        conn.execute("DELETE FROM crm_link WHERE customer_id = %s", (customer_id,))
        leave_card(conn, tenant_id, customer_id=customer_id, record_id=before.record_id)
        _note(conn, tenant_id, customer_id=customer_id, record_id=None, actor=actor)
    if then_search:
        search_again(conn, tenant_id, customer_id)
    elif before is not None:
        stop_searching(conn, tenant_id, customer_id)


def _note(conn: Connection, tenant_id: int, *, customer_id: str, record_id: str | None, actor: Actor) -> None:
    conn.execute(
        "INSERT INTO crm_pick (tenant_id, customer_id, record_id, by_user_id, by_key_id) VALUES (%s, %s, %s, %s, %s)",
        (tenant_id, customer_id, record_id, actor.user_id, actor.key_id),
    )
    deed = "crm_record_picked" if record_id is not None else "crm_record_unlinked"
    note_deed(conn, tenant_id, by=actor, deed=deed, subject=customer_id, details=came_from(actor))


def list_picks(conn: Connection, customer_id: str, *, limit: int) -> list[Pick]:
    """Newest first."""
    rows = conn.execute(
        """
        SELECT record_id, by_user_id, by_key_id, picked_at
        FROM crm_pick
        WHERE customer_id = %s
        ORDER BY id DESC
        LIMIT %s
        """,
        (customer_id, limit),
    ).fetchall()
    return [Pick(record_id, Actor(user_id=user, key_id=key).ruled_as, at) for record_id, user, key, at in rows]
