"""Who wrote: customers by their identities, and the conversation they are in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.db import Connection

# Stable handles of one person, most trustworthy first. A username can pass to another person, so it never finds a customer.
RESOLVING_KINDS = ("phone", "igsid", "bsuid", "parent_bsuid")


@dataclass(frozen=True)
class Conversation:
    """A conversation as routing and sending need it, locked by the transaction that read it."""

    id: str
    customer_id: str
    channel: str
    account_id: str
    state: str
    priority: str | None
    taken_over: bool
    last_inbound_at: datetime | None
    last_human_answer_at: datetime | None
    routed_sent_at: datetime | None
    routed_message_id: str | None
    high_value: bool


def _find_customer(conn: Connection, tenant_id: int, identities: list[list[str]]) -> str | None:
    row = conn.execute(
        """
        SELECT customer_id
        FROM customer_identity
        WHERE tenant_id = %s AND kind || ':' || value = ANY(%s) AND kind = ANY(%s)
        ORDER BY array_position(%s, kind)
        LIMIT 1
        """,
        (tenant_id, [f"{kind}:{value}" for kind, value in identities], list(RESOLVING_KINDS), list(RESOLVING_KINDS)),
    ).fetchone()
    return str(row[0]) if row else None


def resolve_customer(conn: Connection, tenant_id: int, sender: dict[str, Any]) -> str:
    """The customer of these identities, created when none is known. Identities are added, customers never merged on a guess.

    sender: {"identities": [[kind, value], …], "display_name": text or None}.
    """
    identities: list[list[str]] = sender["identities"]
    customer_id = _find_customer(conn, tenant_id, identities)
    if customer_id is None:
        # One customer's first messages may be handled by two workers at once.
        for kind, value in sorted(map(tuple, identities)):
            conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"{tenant_id}:{kind}:{value}",))
        customer_id = _find_customer(conn, tenant_id, identities)
    if customer_id is None:
        row = conn.execute("INSERT INTO customer (tenant_id) VALUES (%s) RETURNING id", (tenant_id,)).fetchone()
        assert row is not None
        customer_id = str(row[0])
    for kind, value in sorted(map(tuple, identities)):
        conn.execute(
            """
            INSERT INTO customer_identity (tenant_id, kind, value, customer_id)
            VALUES (%s, %s, %s, %s)
            ON CONFLICT DO NOTHING
            """,
            (tenant_id, kind, value, customer_id),
        )
    if sender.get("display_name"):
        conn.execute(
            "UPDATE customer SET display_name = %s WHERE id = %s AND display_name IS DISTINCT FROM %s",
            (sender["display_name"], customer_id, sender["display_name"]),
        )
    return customer_id


def resolve_conversation(
    conn: Connection, tenant_id: int, *, customer_id: str, channel: str, account_id: str, sent_at: datetime
) -> str:
    """The customer's conversation with this account, made or reopened; remembers the newest inbound time."""
    row = conn.execute(
        """
        INSERT INTO conversation AS c (tenant_id, customer_id, channel, account_id, last_inbound_at)
        VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (tenant_id, customer_id, channel, account_id) DO UPDATE SET
            last_inbound_at = greatest(c.last_inbound_at, EXCLUDED.last_inbound_at),
            taken_over = c.taken_over AND c.state = 'open',
            state = 'open'
        RETURNING id
        """,
        (tenant_id, customer_id, channel, account_id, sent_at),
    ).fetchone()
    assert row is not None
    return str(row[0])


def lock_conversation(conn: Connection, conversation_id: str) -> Conversation:
    """Lock the conversation until the transaction ends, so that its messages are decided one after another."""
    row = conn.execute(
        """
        SELECT c.id::text, c.customer_id::text, c.channel, c.account_id, c.state, c.priority, c.taken_over, c.last_inbound_at,
               c.last_human_answer_at, c.routed_sent_at, c.routed_message_id::text, u.high_value
        FROM conversation AS c JOIN customer AS u ON u.id = c.customer_id
        WHERE c.id = %s
        FOR UPDATE OF c
        """,
        (conversation_id,),
    ).fetchone()
    assert row is not None, "a message points at a conversation that is gone"
    return Conversation(*row)


def place_conversation(
    conn: Connection, conversation_id: str, *, queue: str, priority: str, message_id: str, sent_at: datetime
) -> None:
    """Put the conversation where the decision about its newest message says."""
    conn.execute(
        """
        UPDATE conversation
        SET queue = %s, priority = %s, routed_message_id = %s, routed_sent_at = %s
        WHERE id = %s
        """,
        (queue, priority, message_id, sent_at, conversation_id),
    )


def close_conversation(conn: Connection, conversation_id: str) -> None:
    """Resolve it; the customer's next message opens it again."""
    conn.execute("UPDATE conversation SET state = 'resolved' WHERE id = %s", (conversation_id,))


def list_identities(conn: Connection, customer_id: str) -> list[tuple[str, str]]:
    """(kind, value) of one customer."""
    return conn.execute(
        "SELECT kind, value FROM customer_identity WHERE customer_id = %s ORDER BY kind, value", (customer_id,)
    ).fetchall()


def list_known_names(conn: Connection, customer_id: str) -> tuple[str, ...]:
    """Names this person is known by, to be cut from what leaves the building."""
    rows = conn.execute(
        """
        SELECT display_name FROM customer WHERE id = %s AND display_name IS NOT NULL
        UNION
        SELECT value FROM customer_identity WHERE customer_id = %s AND kind = 'username'
        """,
        (customer_id, customer_id),
    ).fetchall()
    return tuple(row[0] for row in rows)


def set_high_value(conn: Connection, customer_id: str, *, high_value: bool) -> None:
    """What the CRM says about the customer's value."""
    conn.execute("UPDATE customer SET high_value = %s WHERE id = %s", (high_value, customer_id))


def get_display_name(conn: Connection, customer_id: str) -> str | None:
    """The name the customer shows at the channel, None when there is none."""
    row = conn.execute("SELECT display_name FROM customer WHERE id = %s", (customer_id,)).fetchone()
    return row[0] if row else None
