"""Whose an identity is, and holding its customer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from store.db import Connection, StoreError


@dataclass(frozen=True)
class Known:
    """An identity that somebody has."""

    kind: str
    value: str
    customer_id: str
    account_id: str | None
    display_name: str | None
    """The name that its customer is known by."""


# For the values of `asked`. Each is looked up by itself: a function that is not leakproof, such as the one that brings phone numbers into one
# spelling, may see no row before row-level security has let it through, so joining by it reads all identities of the installation.
KNOWN = """
    SELECT i.*
    FROM unnest(%(asked_kinds)s::text[], %(asked_values)s::text[]) AS given (kind, value)
    CROSS JOIN LATERAL (
        SELECT i.kind, i.value, i.customer_id::text, i.account_id, c.display_name
        FROM customer_identity AS i
        JOIN customer AS c ON c.id = i.customer_id
        WHERE i.tenant_id = %(tenant)s AND i.kind = given.kind
          AND i.match_key = CASE given.kind WHEN 'phone' THEN phone_match_key(given.value) ELSE given.value END
          AND (i.retired_at IS NULL OR i.retired_at >= coalesce(%(at)s, now()))
        OFFSET 0
    ) AS i
"""


def asked(identities: Iterable[tuple[str, str]], *, tenant_id: int, at: datetime | None) -> dict[str, object]:
    """The values of KNOWN: whose these were at that moment."""
    pairs = list(identities)
    return {
        "asked_kinds": [kind for kind, _ in pairs],
        "asked_values": [value for _, value in pairs],
        "tenant": tenant_id,
        "at": at,
    }


def find_known(
    conn: Connection, tenant_id: int, identities: Iterable[tuple[str, str]], *, at: datetime | None
) -> list[Known]:
    """Whose these identities were at that moment. Phones are compared by their match key."""
    rows = conn.execute(KNOWN, asked(identities, tenant_id=tenant_id, at=at)).fetchall()
    return [Known(*row) for row in rows]


def hold_customer(conn: Connection, customer_id: str) -> None:
    """Until the transaction ends nobody merges or erases them. Raises: StoreError to be tried again when that was done a moment ago."""
    if conn.execute("SELECT FROM customer WHERE id = %s FOR KEY SHARE", (customer_id,)).fetchone() is None:
        message = "customer_gone"
        raise StoreError(message, permanent=False, retry_after_s=0.5)


def has_another_bsuid(conn: Connection, customer_id: str, *, bsuids: set[str], account_id: str) -> bool:
    """Whether the customer is known at this account by a business-scoped id that the message contradicts."""
    if not bsuids:
        return False
    row = conn.execute(
        """
        SELECT
        FROM customer_identity
        WHERE customer_id = %s AND kind = 'bsuid' AND account_id = %s AND retired_at IS NULL AND NOT (value = ANY(%s))
        LIMIT 1
        """,
        (customer_id, account_id, list(bsuids)),
    ).fetchone()
    return row is not None


def has_another_phone(conn: Connection, customer_id: str, *, phones: Sequence[str]) -> bool:
    """Whether the customer has a number of its own already that is none of these."""
    row = conn.execute(
        """
        SELECT
        FROM customer_identity
        WHERE customer_id = %s AND kind = 'phone' AND retired_at IS NULL
          AND NOT (match_key = ANY(SELECT phone_match_key(given) FROM unnest(%s::text[]) AS given))
        LIMIT 1
        """,
        (customer_id, list(phones)),
    ).fetchone()
    return row is not None


def list_with_bsuid(conn: Connection, customer_ids: list[str]) -> set[str]:
    """Which of these customers have a business-scoped id."""
    rows = conn.execute(
        """
        SELECT DISTINCT customer_id::text
        FROM customer_identity
        WHERE customer_id = ANY(%s::uuid[]) AND kind = 'bsuid' AND retired_at IS NULL
        """,
        (customer_ids,),
    ).fetchall()
    return {row[0] for row in rows}
