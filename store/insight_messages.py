"""The messages behind a count, as a list shows them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from store.db import Connection
from store.inbox import SNIPPET_CHARS


@dataclass(frozen=True)
class LabelledMessage:
    """A customer's message with the label that counts now. corrected: the fields that people have set."""

    id: str
    conversation_id: str | None
    customer_name: str | None = field(repr=False)
    text: str | None = field(repr=False)
    message_type: str
    channel: str
    surface: str
    sent_at: datetime
    sentiment: str
    score: float
    intent: str
    topics: tuple[str, ...]
    language: str
    corrected: tuple[str, ...]


def read_labelled(conn: Connection, tenant_id: int, message_ids: Sequence[str]) -> dict[str, LabelledMessage]:
    """By id. What was taken back since is left out."""
    rows = conn.execute(
        """
        SELECT m.id::text, m.conversation_id::text, u.display_name, left(m.text, %s), m.message_type, m.channel, m.surface,
               m.sent_at, reads.sentiment, reads.score, reads.intent, reads.topics, reads.language, reads.corrected
        FROM message AS m
        CROSS JOIN LATERAL effective_label(m.id) AS reads
        LEFT JOIN customer AS u ON u.id = m.customer_id
        WHERE m.tenant_id = %s AND m.id = ANY(%s::uuid[]) AND m.state <> 'erased'
        """,
        (SNIPPET_CHARS, tenant_id, list(message_ids)),
    ).fetchall()
    return {
        row[0]: LabelledMessage(*row[:11], topics=tuple(row[11]), language=row[12], corrected=tuple(row[13]))
        for row in rows
    }
