"""What went out: our own sends, what became of them, and answers of people. What the channel echoes of either: store/echoes.py."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from channels.base import DeliveryStatus
from routing.person_replies import REPLY
from store.db import Connection
from store.intake import key_of
from store.sla_clocks import mark_clocks_stale
from store.waiting import find_who_waits


def hash_of_sent(text: str) -> bytes:
    """What an echo's words are compared by."""
    return hashlib.sha256(" ".join(text.split()).encode(errors="replace")).digest()


def as_uuid(callback: str | None) -> UUID | None:
    """Our own callbacks are action ids; another program's on the same number are not."""
    try:
        return UUID(callback) if callback else None
    except ValueError:
        return None


# What a status makes of one of our sends: "sent" and later prove that it arrived at the channel.
_SETTLED_STATE = {"sent": "sent", "delivered": "sent", "read": "sent", "failed": "failed"}


def settle_sends(conn: Connection, tenant_id: int, statuses: Sequence[DeliveryStatus], *, pepper: bytes) -> int:
    """Apply delivery statuses to our own actions: an uncertain send becomes sent or failed. Returns how many changed.

    A send is known by its callback, else by the provider's id. A later "failed" wins over "sent": acceptance is not
    delivery. Some statements, however many there are. The transaction must act for `tenant_id`.
    """
    # Of several statuses of one send in a body, "failed" counts, else any.
    by_send: dict[tuple[str, str | None], DeliveryStatus] = {}
    for status in statuses:
        send = (status.provider_message_id, status.callback)
        if send not in by_send or by_send[send].state != "failed":
            by_send[send] = status
    if not by_send:
        return 0
    rows = conn.execute(
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
        RETURNING action.id::text, action.state
        """,
        (
            [as_uuid(status.callback) for status in by_send.values()],
            [status.provider_message_id for status in by_send.values()],
            [_SETTLED_STATE[status.state] for status in by_send.values()],
            [status.error_code for status in by_send.values()],
            tenant_id,
            tenant_id,
        ),
    ).fetchall()
    keep_settled_sends(conn, tenant_id, [action_id for action_id, state in rows if state == "sent"], pepper=pepper)
    return len(rows)


def keep_settled_sends(conn: Connection, tenant_id: int, action_ids: Sequence[str], *, pepper: bytes) -> None:
    """Sends whose worker never heard back stand in their conversations too, with the words that left."""
    if not action_ids:
        return
    rows = conn.execute(
        """
        SELECT a.id::text, a.kind, a.channel, c.account_id, a.form, m.surface, a.provider_message_id, a.sent_text, a.sent_at,
               a.customer_id::text, a.conversation_id::text
        FROM action AS a JOIN conversation AS c ON c.id = a.conversation_id LEFT JOIN message AS m ON m.id = a.message_id
        WHERE a.id = ANY(%s::uuid[]) AND a.sent_text IS NOT NULL AND a.provider_message_id IS NOT NULL
        """,
        (list(action_ids),),
    ).fetchall()
    for (
        action_id,
        kind,
        channel,
        account_id,
        form,
        surface,
        provider_id,
        text,
        sent_at,
        customer_id,
        conversation_id,
    ) in rows:
        add_own_message(
            conn,
            tenant_id,
            OwnMessage(
                key=own_key(pepper, channel=channel, account_id=account_id, form=form, provider_message_id=provider_id),
                channel=channel,
                account_id=account_id,
                surface=surface or "dm" if form == "public_reply" else "dm",
                provider_message_id=provider_id,
                text=text,
                message_type="template" if form == "template" else "text",
                customer_id=customer_id,
                conversation_id=conversation_id,
                action_id=action_id,
                sent_at=sent_at,
                author=author_of(kind),
            ),
        )
    note_replies(conn, action_ids)


def author_of(kind: str) -> Literal["earshot", "human"]:
    """Who wrote what an action of this kind sends."""
    return "human" if kind == REPLY else "earshot"


def note_replies(conn: Connection, action_ids: Sequence[str]) -> None:
    """Of these sends, which have reached their channel, those that people wrote are people's answers."""
    rows = conn.execute(
        """
        SELECT conversation_id::text, max(coalesce(sent_at, now()))
        FROM action
        WHERE id = ANY(%s::uuid[]) AND kind = %s
        GROUP BY conversation_id
        """,
        (list(action_ids), REPLY),
    ).fetchall()
    note_human_answers(conn, dict(rows))


def own_key(pepper: bytes, *, channel: str, account_id: str, form: str, provider_message_id: str) -> bytes:
    """The key under which the channel echoes what we sent."""
    source = provider_message_id
    if form == "public_reply":
        source = f"comment:{provider_message_id}"
    elif channel == "generic":
        source = f"generic:{account_id}:{provider_message_id}"
    return key_of(pepper, channel=channel, source=source)


def note_human_answers(conn: Connection, answered: Mapping[str, datetime | None]) -> None:
    """A person answered: these conversations are taken over and their clocks stop. None: just now.

    The answer may come late, after messages that the customer wrote since: those wait on.
    """
    if not answered:
        return
    conn.execute(
        """
        UPDATE conversation AS c
        SET taken_over = true, last_human_answer_at = greatest(c.last_human_answer_at, coalesce(given.at, now()))
        FROM unnest(%s::uuid[], %s::timestamptz[]) AS given (id, at)
        WHERE c.id = given.id
        """,
        (sorted(answered), [answered[one] for one in sorted(answered)]),
    )
    find_who_waits(conn, sorted(answered))
    mark_clocks_stale(conn, answered)


@dataclass(frozen=True)
class OwnMessage:
    """A message that we sent. key: what recognises it when the channel echoes it. author: human for what a person wrote here."""

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
    author: Literal["earshot", "human"] = "earshot"


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
               %(provider_message_id)s, 'outbound', %(message_type)s, %(text)s, %(sent_at)s, 'ignored', '{}', %(author)s,
               %(action_id)s
        FROM fresh
        RETURNING id
        """,
        {"tenant_id": tenant_id, **vars(own)},
    ).fetchone()
    if row is None:
        _claim_early_echo(conn, tenant_id, own)


def _claim_early_echo(conn: Connection, tenant_id: int, own: OwnMessage) -> None:
    """The echo was faster than the answer and was taken for a person's: it is ours, and nobody has taken over by it."""
    row = conn.execute(
        """
        WITH was AS (
            SELECT m.id, m.author
            FROM message_key AS k JOIN message AS m ON m.id = k.message_id
            WHERE k.tenant_id = %s AND k.account_id = %s AND k.key = %s
        )
        UPDATE message AS m
        SET author = %s, action_id = %s, text = coalesce(m.text, %s), direction = 'outbound'
        FROM was
        WHERE m.id = was.id AND m.state <> 'erased'
        RETURNING was.author
        """,
        (tenant_id, own.account_id, own.key, own.author, own.action_id, own.text),
    ).fetchone()
    if row and row[0] == "human" and own.author != "human":
        conn.execute(
            """
            WITH people AS (
                SELECT max(sent_at) AS answered_at
                FROM message
                WHERE conversation_id = %(id)s AND direction = 'outbound' AND author = 'human' AND NOT is_history
            )
            UPDATE conversation AS c
            SET last_human_answer_at = people.answered_at, taken_over = c.taken_over AND people.answered_at IS NOT NULL
            FROM people
            WHERE c.id = %(id)s
            """,
            {"id": own.conversation_id},
        )
        mark_clocks_stale(conn, [own.conversation_id])
