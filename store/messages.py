"""Messages as the steps read them, and their minimized text."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from store.db import Connection


@dataclass(frozen=True)
class StoredMessage:
    """One message. sender: {"identities": [[kind, value], …], "display_name": …}.

    joined_to: the message that is analyzed for this one too. edits: how often its words were changed.
    """

    id: str
    direction: str
    author: str
    is_history: bool
    group_id: str | None = field(repr=False)
    joined_to: str | None
    edits: int
    channel: str
    surface: str
    account_id: str
    provider_message_id: str = field(repr=False)
    message_type: str
    text: str | None = field(repr=False)
    sent_at: datetime
    received_at: datetime
    state: str
    sender: dict[str, Any] = field(repr=False)
    customer_id: str | None
    conversation_id: str | None
    minimized_text: str | None = field(repr=False)
    minimizer_version: str | None
    reply_to_provider_id: str | None = field(repr=False)
    choice_id: str | None
    has_parts: bool
    """Earlier messages of its burst are analyzed with it."""


# Those of StoredMessage, in its order.
MESSAGE_COLUMNS = """message.id::text, message.direction, message.author, message.is_history, message.group_id,
    message.joined_to::text, message.edits, message.channel, message.surface, message.account_id, message.provider_message_id,
    message.message_type, message.text, message.sent_at, message.received_at, message.state, message.sender,
    message.customer_id::text, message.conversation_id::text, message.minimized_text, message.minimizer_version,
    message.reply_to_provider_id, message.choice_id, EXISTS (SELECT FROM message AS part WHERE part.joined_to = message.id)"""
_SELECT, _BY_ID = "SELECT ", " FROM message WHERE id = %s"


def has_message(conn: Connection, tenant_id: int, message_id: str) -> bool:
    """Whether the tenant has this message."""
    return (
        conn.execute("SELECT FROM message WHERE id = %s AND tenant_id = %s", (message_id, tenant_id)).fetchone()
        is not None
    )


def get_message(conn: Connection, message_id: str) -> StoredMessage:
    """The message of the transaction's tenant. Raises: LookupError when there is none."""
    row = conn.execute(_SELECT + MESSAGE_COLUMNS + _BY_ID, (message_id,)).fetchone()
    if row is None:
        raise LookupError(message_id)
    return StoredMessage(*row)


def find_customer_of(conn: Connection, message_id: str) -> str | None:
    """Whose message it is, once that is known."""
    row = conn.execute("SELECT customer_id::text FROM message WHERE id = %s", (message_id,)).fetchone()
    return row[0] if row else None


def place_message(conn: Connection, message_id: str, *, customer_id: str, conversation_id: str) -> None:
    """Say whose message it is and in which conversation."""
    conn.execute(
        "UPDATE message SET customer_id = %s, conversation_id = %s WHERE id = %s",
        (customer_id, conversation_id, message_id),
    )


def store_minimized(conn: Connection, message_id: str, *, text: str, stripped: dict[str, int], version: str) -> None:
    """Keep what may leave the building, and how much of each kind was cut from it."""
    conn.execute(
        "UPDATE message SET minimized_text = %s, stripped = %s, minimizer_version = %s WHERE id = %s",
        (text, Jsonb(stripped), version, message_id),
    )


def share_context(conn: Connection, message_id: str) -> None:
    """Hold off erasures in the message's conversation until the transaction ends: words that it reads as context are then
    found in what it writes. Before any row is locked.
    """
    conn.execute(
        """
        SELECT pg_advisory_xact_lock_shared(hashtextextended(conversation_id::text, 0))
        FROM message
        WHERE id = %s AND conversation_id IS NOT NULL
        """,
        (message_id,),
    )


def try_share_context(conn: Connection, conversation_id: str) -> bool:
    """share_context, where rows are locked already: False when an erasure has begun, which is not waited for."""
    row = conn.execute(
        "SELECT pg_try_advisory_xact_lock_shared(hashtextextended(%s, 0))", (conversation_id,)
    ).fetchone()
    return bool(row and row[0])


def share_contexts(conn: Connection, message_ids: list[str]) -> None:
    """share_context for many messages, in the order in which erasures claim conversations. Before any row is locked."""
    conn.execute(
        """
        SELECT pg_advisory_xact_lock_shared(hashtextextended(id, 0))
        FROM (
            SELECT DISTINCT conversation_id::text AS id
            FROM message
            WHERE id = ANY(%s::uuid[]) AND conversation_id IS NOT NULL
            ORDER BY 1
        ) AS conversation
        """,
        (message_ids,),
    )


def claim_contexts(conn: Connection, message_ids: list[str]) -> None:
    """Wait for those that read these messages as context, and keep others from it until the transaction ends. Before any row
    is locked.
    """
    conn.execute(
        """
        SELECT pg_advisory_xact_lock(hashtextextended(id, 0))
        FROM (
            SELECT DISTINCT conversation_id::text AS id
            FROM message
            WHERE id = ANY(%s::uuid[]) AND conversation_id IS NOT NULL
            ORDER BY 1
        ) AS conversation
        """,
        (message_ids,),
    )


@dataclass(frozen=True)
class EarlierTurn:
    """A turn before the one at hand. minimized_text is None for what has not been minimized yet."""

    message_id: str
    direction: str
    text: str | None = field(repr=False)
    minimized_text: str | None = field(repr=False)


# Columns of EarlierTurn, newest first. No month after this one is looked through.
TURNS_AROUND = """
    SELECT id::text, direction, text, minimized_text
    FROM message
    WHERE conversation_id = %(conversation)s AND id < uuid_floor(now() + interval '1 day')
      AND ((sent_at, id) < (%(sent_at)s, %(message)s) OR (%(until_now)s AND id <> %(message)s)) AND text IS NOT NULL
      AND state <> 'erased' AND joined_to IS DISTINCT FROM %(message)s
    ORDER BY sent_at DESC, message.id DESC
    LIMIT %(most_turns)s
"""


def turns_before(
    *, conversation_id: str, sent_at: datetime, message_id: str, limit: int, until_now: bool
) -> dict[str, object]:
    """The values of TURNS_AROUND."""
    return {
        "conversation": conversation_id,
        "sent_at": sent_at,
        "message": message_id,
        "until_now": until_now,
        "most_turns": limit,
    }


def list_turns_around(
    conn: Connection, *, conversation_id: str, sent_at: datetime, message_id: str, limit: int, until_now: bool = False
) -> list[EarlierTurn]:
    """Up to `limit` turns of the conversation before this message by provider time, oldest first.

    The parts of the message's own burst are not among them. until_now: the newest turns, also those after the message.
    """
    rows = conn.execute(
        TURNS_AROUND,
        turns_before(
            conversation_id=conversation_id,
            sent_at=sent_at,
            message_id=message_id,
            limit=limit,
            until_now=until_now,
        ),
    ).fetchall()
    return [EarlierTurn(*row) for row in reversed(rows)]


@dataclass(frozen=True)
class BurstPart:
    """A message that is analyzed together with a later one of the same burst."""

    id: str
    text: str | None = field(repr=False)
    minimized_text: str | None = field(repr=False)


def list_burst_parts(conn: Connection, message: StoredMessage) -> list[BurstPart]:
    """The messages that were joined to this one, oldest first by provider time."""
    if not message.has_parts:
        return []
    rows = conn.execute(
        """
        SELECT id::text, text, minimized_text
        FROM message
        WHERE joined_to = %s AND state <> 'erased' AND text IS NOT NULL
        ORDER BY sent_at, id
        """,
        (message.id,),
    ).fetchall()
    return [BurstPart(*row) for row in rows]
