"""What is known of a customer, for the card beside their conversation."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from crm_sync.labels import NEGATIVE_WINDOW_DAYS
from store.db import Connection

# Beyond that it is said that there are more.
MOST_COUNTED = 999
# A card stands beside every conversation, and each message's label is looked up: of whoever writes more, the newest are counted.
MOST_READ = 100


@dataclass(frozen=True)
class CustomerCard:
    """value: what the CRM says they are worth. negative_30d: of the newest MOST_READ messages in that time. messages: MOST_COUNTED + 1
    stands for any number above that. churn_since: since when an alert stands that they may leave; None: none does.
    """

    customer_id: str
    name: str | None = field(repr=False)
    first_seen_at: datetime
    high_value: bool
    tier: str | None = field(repr=False)
    value: Decimal | None
    negative_30d: int
    messages: int
    conversations: int
    churn_since: datetime | None
    crm_record: str | None
    crm_outcome: str | None


def read_card(conn: Connection, tenant_id: int, conversation_id: str) -> CustomerCard | None:
    """The customer of a conversation; None when the tenant has no such conversation."""
    row = conn.execute(
        "SELECT customer_id::text FROM conversation WHERE tenant_id = %s AND id = %s", (tenant_id, conversation_id)
    ).fetchone()
    return find_card(conn, tenant_id, row[0]) if row else None


def find_card(conn: Connection, tenant_id: int, customer_id: str) -> CustomerCard | None:
    """None when the tenant has no such customer."""
    row = conn.execute(
        """
        SELECT u.id::text, u.display_name, u.created_at, u.high_value, u.tier, u.crm_value,
               (SELECT count(*) FROM (
                    SELECT m.id FROM message AS m
                    WHERE m.customer_id = %(id)s AND m.direction = 'inbound' AND m.state <> 'erased' AND NOT m.is_survey_answer
                      AND m.sent_at > now() - make_interval(days => %(days)s)
                    ORDER BY m.sent_at DESC
                    LIMIT %(read)s
                ) AS m CROSS JOIN LATERAL effective_label(m.id) AS e
                WHERE e.sentiment = 'negative'),
               (SELECT count(*) FROM (
                    SELECT FROM message AS m WHERE m.customer_id = %(id)s AND m.direction = 'inbound' LIMIT %(most)s + 1
                ) AS one),
               (SELECT count(*) FROM conversation AS o WHERE o.customer_id = u.id),
               (SELECT min(a.created_at) FROM alert AS a
                WHERE a.tenant_id = %(tenant)s AND a.kind = 'churn' AND a.customer_id = u.id AND a.resolved_at IS NULL),
               l.record_id, q.outcome
        FROM customer AS u
        LEFT JOIN crm_link AS l ON l.customer_id = u.id
        LEFT JOIN crm_search AS q ON q.customer_id = u.id
        WHERE u.tenant_id = %(tenant)s AND u.id = %(id)s
        """,
        {"tenant": tenant_id, "id": customer_id, "days": NEGATIVE_WINDOW_DAYS, "read": MOST_READ, "most": MOST_COUNTED},
    ).fetchone()
    return CustomerCard(*row) if row else None
