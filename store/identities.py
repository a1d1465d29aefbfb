"""Who a message is from: identities of one customer, and merges when the channel itself says that two are one.

The rules and why they are as they are: docs/adr/0008-one-customer-many-identities.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.crm_searches import look_again_if_unclear
from store.db import Connection
from store.known_identities import (
    Known,
    find_known,
    has_another_bsuid,
    has_another_phone,
    hold_customer,
)
from store.merging import merge_customers

# What finds a customer, most trustworthy first. A web form's e-mail or phone is what a visitor claims, so it finds nobody.
TRUSTED: dict[str, tuple[str, ...]] = {
    "whatsapp": ("bsuid", "parent_bsuid", "phone"),
    "instagram": ("igsid",),
    "generic": ("external",),
}
# Found only when nothing better is there: a handle can pass to another person, but it names its holder of the moment.
_HANDLE = "username"


@dataclass(frozen=True)
class Sender:
    """Who wrote, as stored with the message: [[kind, value], …] and the name the channel shows."""

    identities: tuple[tuple[str, str], ...]
    display_name: str | None


def read_sender(stored: dict[str, Any]) -> Sender:
    """The `sender` column as a record."""
    pairs = tuple((kind, value) for kind, value in stored.get("identities", []))
    return Sender(pairs, stored.get("display_name"))


@dataclass(frozen=True)
class Sought:
    """Whom a message is from. finding: by which identities they are found; kept: which are theirs then."""

    finding: list[tuple[str, str]]
    kept: list[tuple[str, str]]
    display_name: str | None


def sought_of(stored_sender: dict[str, Any], *, channel: str) -> Sought:
    """What of a sender counts on this channel."""
    sender = read_sender(stored_sender)
    trusted = [pair for pair in sender.identities if pair[0] in TRUSTED[channel]]
    return Sought(
        finding=trusted or [pair for pair in sender.identities if pair[0] == _HANDLE],
        kept=[pair for pair in sender.identities if channel != "generic" or pair in trusted],
        display_name=sender.display_name or None,
    )


def resolve_customer(
    conn: Connection, tenant_id: int, sought: Sought, *, channel: str, account_id: str, at: datetime | None = None
) -> str:
    """The customer of whom something is told, created when none is known, and held until the transaction ends, so that nobody merges or
    erases them meanwhile. Raises: StoreError to be tried again when that was done a moment ago.
    """
    lock_identities(conn, tenant_id, sought.finding)
    known = find_known(conn, tenant_id, sought.finding, at=at)
    if known:
        return settle_customer(conn, tenant_id, sought, known, channel=channel, account_id=account_id)
    return _add_customer(conn, tenant_id, sought.kept, account_id=account_id, display_name=sought.display_name)


def settle_customer(
    conn: Connection, tenant_id: int, sought: Sought, known: Sequence[Known], *, channel: str, account_id: str
) -> str:
    """The one customer that known identities come to, held. Needs `lock_identities` before they were looked for.

    A message that carries a phone and a business-scoped id is Meta's word that both are one person: what was known apart
    is merged, unless the phone's customer has another such id at the same account, which means that the number has a new owner.
    Raises: StoreError to be tried again when the customer was merged or erased a moment ago.
    """
    customer_id = settle_owner(
        conn, tenant_id, known, said=sought.finding, account_id=account_id, order=TRUSTED[channel]
    )
    attach(conn, tenant_id, customer_id, sought.kept, account_id=account_id, known=known)
    if sought.display_name:
        name_customer(conn, customer_id, sought.display_name)
    hold_customer(conn, customer_id)
    return customer_id


def name_customer(conn: Connection, customer_id: str, display_name: str) -> None:
    """As the channel shows them now."""
    conn.execute(
        "UPDATE customer SET display_name = %s WHERE id = %s AND display_name IS DISTINCT FROM %s",
        (display_name, customer_id, display_name),
    )


def settle_owner(
    conn: Connection,
    tenant_id: int,
    known: Sequence[Known],
    *,
    said: Sequence[tuple[str, str]],
    account_id: str,
    order: Sequence[str],
) -> str:
    """The one customer that these identities come to: the most trusted one's, merged with the others', or a new one.

    said: what the channel names together; who is known by another id or number than these is somebody else.
    """
    bsuids = {value for kind, value in said if kind == "bsuid"}
    phones = [value for kind, value in said if kind == "phone"]
    ranked = sorted(known, key=lambda one: order.index(one.kind) if one.kind in order else len(order))
    customer_id: str | None = None
    for one in ranked:
        if one.customer_id == customer_id:
            continue
        if one.kind == "phone" and has_another_bsuid(conn, one.customer_id, bsuids=bsuids, account_id=account_id):
            # The number has a new owner; its history stays with the old one.
            continue
        if one.kind == "phone" and customer_id is not None and has_another_phone(conn, customer_id, phones=phones):
            continue
        customer_id = (
            one.customer_id if customer_id is None else merge_customers(conn, tenant_id, customer_id, one.customer_id)
        )
    return customer_id or _add_customer(conn, tenant_id)


LOCK_IDENTITIES = (
    "SELECT count(pg_advisory_xact_lock(hashtextextended(name, 0))) FROM unnest(%(locks)s::text[]) AS name"
)


def lock_identities(conn: Connection, tenant_id: int, identities: Iterable[tuple[str, str]]) -> None:
    """Nobody else says whose these are until the transaction ends."""
    conn.execute(LOCK_IDENTITIES, {"locks": identity_locks(tenant_id, identities)})


def identity_locks(tenant_id: int, identities: Iterable[tuple[str, str]]) -> list[str]:
    """The locks of LOCK_IDENTITIES, in the order in which all transactions take them."""
    return [f"{tenant_id}:{kind}:{value}" for kind, value in sorted(set(identities))]


# Of a `customer (id)`. An identity that was somebody else's is theirs no longer.
ADD_IDENTITIES = """
    INSERT INTO customer_identity AS i (tenant_id, kind, value, customer_id, account_id)
    SELECT %(tenant)s, given.kind, given.value, customer.id, %(account)s
    FROM customer, unnest(%(kinds)s::text[], %(values)s::text[]) AS given (kind, value)
    ON CONFLICT (tenant_id, kind, value) DO UPDATE
        SET customer_id = EXCLUDED.customer_id, account_id = EXCLUDED.account_id, retired_at = NULL, seen_at = now()
        WHERE i.customer_id <> EXCLUDED.customer_id OR i.retired_at IS NOT NULL
"""
_ADD_CUSTOMER = """
    WITH customer AS (
        INSERT INTO customer (tenant_id, display_name) VALUES (%(tenant)s, %(display_name)s) RETURNING id
    ), attached AS (
"""
_ADDED = ") SELECT id::text FROM customer"
_OF_CUSTOMER = "WITH customer AS (SELECT %(customer)s::uuid AS id)"


def identity_values(
    tenant_id: int, identities: Iterable[tuple[str, str]], *, account_id: str | None
) -> dict[str, object]:
    """The values of ADD_IDENTITIES, in the order in which all transactions write them."""
    pairs = sorted(set(identities))
    return {
        "tenant": tenant_id,
        "account": account_id,
        "kinds": [kind for kind, _ in pairs],
        "values": [value for _, value in pairs],
    }


def _add_customer(
    conn: Connection,
    tenant_id: int,
    identities: Iterable[tuple[str, str]] = (),
    *,
    account_id: str | None = None,
    display_name: str | None = None,
) -> str:
    """Somebody new, whom nobody else sees before the transaction ends."""
    values = identity_values(tenant_id, identities, account_id=account_id)
    row = conn.execute(
        _ADD_CUSTOMER + ADD_IDENTITIES + _ADDED, {**values, "display_name": display_name or None}
    ).fetchone()
    assert row is not None
    return row[0]


def attach(
    conn: Connection,
    tenant_id: int,
    customer_id: str,
    identities: Iterable[tuple[str, str]],
    *,
    account_id: str,
    known: Sequence[Known] = (),
) -> None:
    """Make the identities this customer's."""
    have = {(one.kind, one.value) for one in known if one.customer_id == customer_id}
    missing = set(identities) - have
    if not missing:
        return
    values = identity_values(tenant_id, missing, account_id=account_id)
    conn.execute(_OF_CUSTOMER + ADD_IDENTITIES, {**values, "customer": customer_id})
    look_again_if_unclear(conn, customer_id)
