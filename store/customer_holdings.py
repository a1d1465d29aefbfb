"""How much is held of one customer, by its kind."""

from dataclasses import dataclass
from datetime import datetime

from store.db import Connection


@dataclass(frozen=True)
class Holdings:
    """channels: where they wrote. has_crm: a record of the CRM is theirs. is_being_erased: somebody has asked for it."""

    identities: int
    channels: list[str]
    conversations: int
    messages: int
    calls: int
    last_message_at: datetime | None
    has_crm: bool
    is_being_erased: bool


def count_holdings(conn: Connection, tenant_id: int, customer_id: str) -> Holdings:
    """calls: texts of theirs that left for the AI provider."""
    row = conn.execute(
        """
        SELECT (SELECT count(*) FROM customer_identity WHERE customer_id = %(customer)s),
               (SELECT coalesce(array_agg(DISTINCT channel ORDER BY channel), '{}') FROM conversation WHERE customer_id = %(customer)s),
               (SELECT count(*) FROM conversation WHERE customer_id = %(customer)s),
               (SELECT count(*) FROM message WHERE customer_id = %(customer)s),
               (SELECT count(*) FROM egress AS e JOIN message AS m ON m.id = e.message_id WHERE m.customer_id = %(customer)s),
               (SELECT max(sent_at) FROM message WHERE customer_id = %(customer)s),
               EXISTS (SELECT FROM crm_link WHERE customer_id = %(customer)s),
               EXISTS (SELECT FROM customer_erasure WHERE tenant_id = %(tenant)s AND customer_id = %(customer)s)
        """,
        {"customer": customer_id, "tenant": tenant_id},
    ).fetchone()
    assert row is not None
    return Holdings(*row)
