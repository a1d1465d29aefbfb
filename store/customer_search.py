"""Which customer somebody means who has a phone number, an id of a channel or our own id."""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from crm_sync.phones import written_match_key
from store.db import Connection

# More is no one person's, and whoever asks must say which.
MOST_FOUND = 20
_KINDS = ["phone", "bsuid", "parent_bsuid", "igsid", "username", "email", "external"]


@dataclass(frozen=True)
class FoundCustomer:
    """is_former: they had the identity and have it no longer."""

    customer_id: str
    name: str | None = field(repr=False)
    first_seen_at: datetime
    messages: int
    is_former: bool


def find_by_phone(conn: Connection, tenant_id: int, written: str, *, region: str) -> list[FoundCustomer]:
    """However the number is written; region: the tenant's country, for numbers without a country code. At most MOST_FOUND."""
    key = written_match_key(_plain_digits(written), region=region)
    return _find(conn, tenant_id, kinds=["phone"], value=key.removeprefix("+")) if key else []


def find_by_channel_id(conn: Connection, tenant_id: int, value: str) -> list[FoundCustomer]:
    """A WhatsApp number or business-scoped id, an Instagram-scoped id, a handle, or the id of the tenant's own channel."""
    return _find(conn, tenant_id, kinds=_KINDS, value=value.strip().removeprefix("@"))


def find_by_id(conn: Connection, tenant_id: int, customer_id: str) -> list[FoundCustomer]:
    """By our own id: one, or none."""
    try:
        wanted = str(UUID(customer_id.strip()))
    except ValueError:
        return []
    rows = conn.execute(
        """
        SELECT u.id::text, u.display_name, u.created_at,
               (SELECT count(*) FROM message AS m WHERE m.customer_id = u.id), false
        FROM customer AS u
        WHERE u.tenant_id = %s AND u.id = %s
        """,
        (tenant_id, wanted),
    ).fetchall()
    return [FoundCustomer(*row) for row in rows]


def _find(conn: Connection, tenant_id: int, *, kinds: list[str], value: str) -> list[FoundCustomer]:
    rows = conn.execute(
        """
        SELECT u.id::text, u.display_name, u.created_at,
               (SELECT count(*) FROM message AS m WHERE m.customer_id = u.id), bool_and(i.retired_at IS NOT NULL)
        FROM customer_identity AS i JOIN customer AS u ON u.id = i.customer_id
        WHERE i.tenant_id = %(tenant_id)s AND i.kind = ANY(%(kinds)s)
          AND i.match_key = ANY(ARRAY[%(value)s, phone_match_key(%(value)s)])
        GROUP BY u.id
        ORDER BY u.id
        LIMIT %(limit)s
        """,
        {"tenant_id": tenant_id, "value": value, "kinds": kinds, "limit": MOST_FOUND},
    ).fetchall()
    return [FoundCustomer(*row) for row in rows]


def _plain_digits(written: str) -> str:
    """Digits of any script as 0 to 9."""
    return "".join(str(unicodedata.digit(one)) if one.isdecimal() else one for one in written)
