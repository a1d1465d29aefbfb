"""One conversation as an agent reads it: its messages with the labels that count, and what was done by itself."""

from dataclasses import dataclass, field
from datetime import datetime

from store.db import Connection

# Of a conversation that has gone on for years, nobody reads more.
MOST_ACTIONS = 100


@dataclass(frozen=True)
class ReadMessage:
    """One message of a conversation with its label; the label's fields are None while it has none. corrected: what a person set."""

    id: str
    direction: str
    author: str
    surface: str
    message_type: str
    state: str
    text: str | None = field(repr=False)
    sent_at: datetime
    received_at: datetime
    sentiment: str | None
    score: float | None
    intent: str | None
    topics: list[str] | None
    summary: str | None = field(repr=False)
    corrected: list[str] | None


def get_customer_id(conn: Connection, tenant_id: int, conversation_id: str) -> str:
    """Whose conversation it is. Raises: LookupError."""
    row = conn.execute(
        "SELECT customer_id::text FROM conversation WHERE id = %s AND tenant_id = %s", (conversation_id, tenant_id)
    ).fetchone()
    if row is None:
        message = "no such conversation"
        raise LookupError(message)
    return row[0]


def list_conversation_messages(
    conn: Connection, tenant_id: int, conversation_id: str, *, before: tuple[datetime, str] | None, limit: int
) -> list[ReadMessage]:
    """The last `limit` messages before a place (None: the newest ones), in the order of the channel's time, oldest first."""
    rows = conn.execute(
        """
        SELECT m.id::text, m.direction, m.author, m.surface, m.message_type, m.state, m.text, m.sent_at, m.received_at,
               e.sentiment, e.score, e.intent, e.topics, a.summary, e.corrected
        FROM (
            SELECT id, direction, author, surface, message_type, state, text, sent_at, received_at
            FROM message
            WHERE tenant_id = %(tenant_id)s AND conversation_id = %(id)s
              AND (%(before_id)s::uuid IS NULL OR (sent_at, id) < (%(before_at)s::timestamptz, %(before_id)s::uuid))
            ORDER BY sent_at DESC, id DESC
            LIMIT %(limit)s
        ) AS m
        LEFT JOIN LATERAL effective_label(m.id) AS e ON m.direction = 'inbound'
        LEFT JOIN message_analysis AS a ON a.id = e.analysis_id
        ORDER BY m.sent_at, m.id
        """,
        {
            "tenant_id": tenant_id,
            "id": conversation_id,
            "before_at": before[0] if before else None,
            "before_id": before[1] if before else None,
            "limit": limit,
        },
    ).fetchall()
    return [ReadMessage(*row) for row in rows]


def has_message(conn: Connection, tenant_id: int, conversation_id: str, *, message_id: str) -> bool:
    """Whether the message is one of this conversation."""
    found = conn.execute(
        "SELECT FROM message WHERE tenant_id = %s AND conversation_id = %s AND id = %s",
        (tenant_id, conversation_id, message_id),
    ).fetchone()
    return found is not None


@dataclass(frozen=True)
class MessagePlace:
    """Where a message stands. conversation_id: None for one that belongs to no conversation."""

    conversation_id: str | None


def find_place(conn: Connection, tenant_id: int, message_id: str) -> MessagePlace | None:
    """None when the tenant has no such message."""
    row = conn.execute(
        "SELECT conversation_id::text FROM message WHERE tenant_id = %s AND id = %s", (tenant_id, message_id)
    ).fetchone()
    return MessagePlace(row[0]) if row else None


@dataclass(frozen=True)
class ConversationAction:
    """An automation of a conversation."""

    id: str
    message_id: str
    kind: str
    state: str
    error_code: str | None
    created_at: datetime
    settled_at: datetime | None


def list_conversation_actions(conn: Connection, tenant_id: int, conversation_id: str) -> list[ConversationAction]:
    """The MOST_ACTIONS newest of a conversation, oldest first."""
    rows = conn.execute(
        """
        SELECT id::text, message_id::text, kind, state, error_code, created_at, settled_at
        FROM action
        WHERE tenant_id = %s AND conversation_id = %s
        ORDER BY action.id DESC
        LIMIT %s
        """,
        (tenant_id, conversation_id, MOST_ACTIONS),
    ).fetchall()
    return [ConversationAction(*row) for row in reversed(rows)]


def find_conversation_id(conn: Connection, tenant_id: int, message_id: str) -> str | None:
    """The conversation that a message of the tenant stands in; None when there is none."""
    row = conn.execute(
        "SELECT conversation_id::text FROM message WHERE tenant_id = %s AND id = %s::uuid", (tenant_id, message_id)
    ).fetchone()
    return row[0] if row else None
