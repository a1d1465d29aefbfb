"""Answers that people write in the console: actions of the kind `reply`, with their words from the start."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from routing.person_replies import REPLY
from store.db import Connection

# More than a page of messages holds.
MOST_SHOWN = 100


@dataclass(frozen=True)
class Answered:
    """The customer's newest message, which an answer is one to. language: as it was read, "und" while nobody has."""

    message_id: str
    surface: str
    sent_at: datetime
    language: str


def find_answered(conn: Connection, tenant_id: int, conversation_id: str) -> Answered | None:
    """None when the customer has never written."""
    row = conn.execute(
        """
        SELECT m.id::text, m.surface, m.sent_at, coalesce(
            (SELECT a.language FROM message_analysis AS a WHERE a.message_id = m.id ORDER BY a.id DESC LIMIT 1), 'und'
        )
        FROM message AS m
        WHERE m.tenant_id = %s AND m.conversation_id = %s AND m.direction = 'inbound'
        ORDER BY m.sent_at DESC, m.id DESC
        LIMIT 1
        """,
        (tenant_id, conversation_id),
    ).fetchone()
    return Answered(*row) if row else None


@dataclass(frozen=True)
class Place:
    """What decides whether and how an answer may leave."""

    customer_id: str
    channel: str
    last_inbound_at: datetime | None


def get_place(conn: Connection, tenant_id: int, conversation_id: str) -> Place:
    """Of a conversation that exists. Raises: LookupError."""
    row = conn.execute(
        "SELECT customer_id::text, channel, last_inbound_at FROM conversation WHERE tenant_id = %s AND id = %s",
        (tenant_id, conversation_id),
    ).fetchone()
    if row is None:
        raise LookupError(conversation_id)
    return Place(*row)


@dataclass(frozen=True)
class NewReply:
    """An answer to plan. key: the same answer has the same one, however often its form is sent."""

    conversation_id: str
    customer_id: str
    channel: str
    answered: Answered
    key: str
    text: str = field(repr=False)
    form: Literal["text", "template"]
    written_by: int


def add_reply(conn: Connection, tenant_id: int, new: NewReply) -> str | None:
    """Plan it and let no automation talk in between; returns its id, None when it was planned before."""
    row = conn.execute(
        """
        INSERT INTO action (
            tenant_id, conversation_id, customer_id, message_id, channel, kind, idempotency_key, state, language, form, sent_text,
            written_by
        )
        VALUES (%s, %s, %s, %s, %s, %s, %s, 'pending', %s, %s, %s, %s)
        ON CONFLICT (tenant_id, idempotency_key) DO NOTHING
        RETURNING id::text
        """,
        (
            tenant_id,
            new.conversation_id,
            new.customer_id,
            new.answered.message_id,
            new.channel,
            REPLY,
            new.key,
            new.answered.language,
            new.form,
            new.text,
            new.written_by,
        ),
    ).fetchone()
    if row is None:
        return None
    conn.execute(
        "UPDATE conversation SET taken_over = true, version = version + 1 WHERE tenant_id = %s AND id = %s",
        (tenant_id, new.conversation_id),
    )
    return str(row[0])


def get_reply_words(conn: Connection, action_id: str) -> tuple[str, str]:
    """(text, form) of one that is about to leave."""
    row = conn.execute("SELECT sent_text, form FROM action WHERE id = %s", (action_id,)).fetchone()
    assert row is not None
    return row[0], row[1]


@dataclass(frozen=True)
class Reply:
    """An answer as people see it. message_id: where it stands among the messages, None while it does not."""

    id: str
    state: str
    error_code: str | None
    text: str = field(repr=False)
    form: str
    written_at: datetime
    written_by: str | None
    message_id: str | None


def list_replies(conn: Connection, tenant_id: int, conversation_id: str) -> list[Reply]:
    """The newest ones of a conversation, oldest first. written_by: an e-mail."""
    rows = conn.execute(
        """
        SELECT a.id::text, a.state, a.error_code, coalesce(a.sent_text, ''), coalesce(a.form, 'text'), a.created_at, u.email, m.id::text
        FROM (
            SELECT id, state, error_code, sent_text, form, created_at, written_by, conversation_id
            FROM action
            WHERE tenant_id = %(tenant)s AND conversation_id = %(id)s AND kind = 'reply'
            ORDER BY id DESC
            LIMIT %(limit)s
        ) AS a
        LEFT JOIN app_user AS u ON u.id = a.written_by
        -- Ids carry the time of receipt: a message that says what left is not older than that it was written.
        LEFT JOIN message AS m ON m.action_id = a.id AND m.conversation_id = a.conversation_id
            AND m.id >= uuid_floor(a.created_at - interval '1 day')
        ORDER BY a.id
        """,
        {"tenant": tenant_id, "id": conversation_id, "limit": MOST_SHOWN},
    ).fetchall()
    return [Reply(*row) for row in rows]


def is_reply_of(conn: Connection, tenant_id: int, conversation_id: str, action_id: str) -> bool:
    """Whether this action is an answer in this conversation."""
    row = conn.execute(
        "SELECT FROM action WHERE tenant_id = %s AND conversation_id = %s AND id = %s AND kind = %s",
        (tenant_id, conversation_id, action_id, REPLY),
    ).fetchone()
    return row is not None
