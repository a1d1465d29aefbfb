"""What went out: our own sends, answers that people typed in the channel's app, and what became of either."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from channels.base import DeliveryStatus, InboundMessage
from store.db import Connection
from store.intake import message_key

# An echo later than this after a send that nobody knows the fate of is a person who typed the same words.
ECHO_WINDOW_S = 900


def hash_of_sent(text: str) -> bytes:
    """What an echo's words are compared by."""
    return hashlib.sha256(" ".join(text.split()).encode(errors="replace")).digest()


def _as_uuid(callback: str | None) -> UUID | None:
    """Our own callbacks are action ids; another program's on the same number are not."""
    try:
        return UUID(callback) if callback else None
    except ValueError:
        return None


# What a status makes of one of our sends: "sent" and later prove that it arrived at the channel.
_SETTLED_STATE = {"sent": "sent", "delivered": "sent", "read": "sent", "failed": "failed"}


def settle_sends(conn: Connection, tenant_id: int, statuses: Sequence[DeliveryStatus]) -> int:
    """Apply delivery statuses to our own actions: an uncertain send becomes sent or failed. Returns how many changed.

    A send is known by its callback, else by the provider's id. A later "failed" wins over "sent": acceptance is not
    delivery. One statement, however many there are. The transaction must act for `tenant_id`.
    """
    # Of several statuses of one send in a body, "failed" counts, else any.
    by_send: dict[tuple[str, str | None], DeliveryStatus] = {}
    for status in statuses:
        send = (status.provider_message_id, status.callback)
        if send not in by_send or by_send[send].state != "failed":
            by_send[send] = status
    if not by_send:
        return 0
    return conn.execute(
        """
        WITH item AS (
            SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) AS item (action_id, provider_id, state, error_code)
        ), target AS (
            SELECT a.id, item.provider_id, item.state, item.error_code
            FROM item JOIN action AS a ON a.tenant_id = %s AND a.id = item.action_id
            UNION
            SELECT a.id, item.provider_id, item.state, item.error_code
            FROM item JOIN action AS a ON a.tenant_id = %s AND a.provider_message_id = item.provider_id
        )
        UPDATE action
        SET state = target.state, error_code = CASE WHEN target.state = 'failed' THEN target.error_code END,
            provider_message_id = coalesce(action.provider_message_id, target.provider_id), settled_at = now(),
            lease_until = NULL
        FROM target
        WHERE action.id = target.id
          AND (action.state IN ('sending', 'uncertain') OR (action.state = 'sent' AND target.state = 'failed'))
        """,
        (
            [_as_uuid(status.callback) for status in by_send.values()],
            [status.provider_message_id for status in by_send.values()],
            [_SETTLED_STATE[status.state] for status in by_send.values()],
            [status.error_code for status in by_send.values()],
            tenant_id,
            tenant_id,
        ),
    ).rowcount


def take_echoes(conn: Connection, tenant_id: int, echoes: Sequence[InboundMessage], *, pepper: bytes) -> None:
    """Tell our own sends from what a person typed in the channel's app.

    An echo is ours when its id is that of a send, or its words are those of a send to that customer whose answer has not
    come (yet): that send is settled by it. Any other echo by a person takes the conversation over and stops its clock.
    The transaction must act for `tenant_id`.
    """
    for echo in echoes:
        if echo.is_history:
            continue
        conversations = _list_conversations(conn, tenant_id, echo)
        ours = _settle_by_echo(conn, tenant_id, echo, conversations=conversations)
        if ours:
            _claim_echo(conn, tenant_id, echo, action_id=ours, pepper=pepper)
        elif echo.author == "human":
            note_human_answer(conn, conversations, answered_at=echo.sent_at)


def _list_conversations(conn: Connection, tenant_id: int, echo: InboundMessage) -> list[str]:
    rows = conn.execute(
        """
        SELECT DISTINCT c.id::text
        FROM customer_identity AS i JOIN conversation AS c ON c.customer_id = i.customer_id
        WHERE i.tenant_id = %s AND i.kind || ':' || i.value = ANY(%s) AND c.channel = %s AND c.account_id = %s
        """,
        (
            tenant_id,
            [f"{identity.kind}:{identity.value}" for identity in echo.identities],
            echo.channel,
            echo.account_id,
        ),
    ).fetchall()
    return [row[0] for row in rows]


def _settle_by_echo(conn: Connection, tenant_id: int, echo: InboundMessage, *, conversations: list[str]) -> str | None:
    """The id of the send that this echoes, settled; None when no send of ours fits."""
    row = conn.execute(
        """
        WITH ours AS (
            SELECT a.id
            FROM action AS a
            WHERE a.tenant_id = %(tenant_id)s AND a.provider_message_id = %(provider_message_id)s
            UNION ALL
            (
                SELECT a.id
                FROM action AS a
                WHERE a.conversation_id = ANY(%(conversations)s::uuid[])
                  AND a.state IN ('sending', 'uncertain') AND a.sent_hash = %(sent_hash)s
                  AND a.sent_at > now() - make_interval(secs => %(window_s)s)
                ORDER BY a.sent_at
                LIMIT 1
            )
            LIMIT 1
        )
        UPDATE action
        SET state = CASE WHEN action.state IN ('sending', 'uncertain') THEN 'sent' ELSE action.state END,
            provider_message_id = coalesce(action.provider_message_id, %(provider_message_id)s),
            error_code = CASE WHEN action.state IN ('sending', 'uncertain') THEN NULL ELSE action.error_code END,
            settled_at = coalesce(action.settled_at, now()), lease_until = NULL
        FROM ours
        WHERE action.id = ours.id
        RETURNING action.id::text
        """,
        {
            "tenant_id": tenant_id,
            "provider_message_id": echo.provider_message_id,
            "conversations": conversations,
            "sent_hash": hash_of_sent(echo.text) if echo.text else None,
            "window_s": ECHO_WINDOW_S,
        },
    ).fetchone()
    return row[0] if row else None


def _claim_echo(conn: Connection, tenant_id: int, echo: InboundMessage, *, action_id: str, pepper: bytes) -> None:
    conn.execute(
        """
        UPDATE message
        SET author = 'earshot', action_id = %s
        WHERE id = (SELECT message_id FROM message_key WHERE tenant_id = %s AND account_id = %s AND key = %s)
        """,
        (action_id, tenant_id, echo.account_id, message_key(pepper, echo)),
    )


def note_human_answer(conn: Connection, conversations: Sequence[str], *, answered_at: datetime | None) -> None:
    """A person answered: the conversations are taken over and their clocks stop. answered_at None: just now."""
    conn.execute(
        """
        UPDATE conversation
        SET taken_over = true, last_human_answer_at = greatest(last_human_answer_at, coalesce(%s, now()))
        WHERE id = ANY(%s::uuid[])
        """,
        (answered_at, list(conversations)),
    )


@dataclass(frozen=True)
class OwnMessage:
    """A message that we sent. key: what recognises it when the channel echoes it."""

    key: bytes
    channel: str
    account_id: str
    surface: str
    provider_message_id: str = field(repr=False)
    text: str = field(repr=False)
    message_type: str
    customer_id: str
    conversation_id: str
    action_id: str
    sent_at: datetime


def add_own_message(conn: Connection, tenant_id: int, own: OwnMessage) -> None:
    """Keep what we sent beside what the customer wrote; an echo that was faster becomes ours."""
    row = conn.execute(
        """
        WITH fresh AS (
            INSERT INTO message_key (tenant_id, account_id, key, message_id)
            VALUES (%(tenant_id)s, %(account_id)s, %(key)s, uuidv7())
            ON CONFLICT DO NOTHING
            RETURNING message_id
        )
        INSERT INTO message (
            id, tenant_id, conversation_id, customer_id, channel, surface, account_id, provider_message_id, direction,
            message_type, text, sent_at, state, sender, author, action_id
        )
        SELECT message_id, %(tenant_id)s, %(conversation_id)s, %(customer_id)s, %(channel)s, %(surface)s, %(account_id)s,
               %(provider_message_id)s, 'outbound', %(message_type)s, %(text)s, %(sent_at)s, 'ignored', '{}', 'earshot',
               %(action_id)s
        FROM fresh
        RETURNING id
        """,
        {"tenant_id": tenant_id, **vars(own)},
    ).fetchone()
    if row is None:
        conn.execute(
            """
            UPDATE message
            SET author = 'earshot', action_id = %s
            WHERE id = (SELECT message_id FROM message_key WHERE tenant_id = %s AND account_id = %s AND key = %s)
            """,
            (own.action_id, tenant_id, own.account_id, own.key),
        )
