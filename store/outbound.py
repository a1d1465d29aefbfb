"""What went out: our own sends, answers that people typed in the channel's app, and what became of either."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from channels.base import DeliveryStatus, InboundMessage
from routing.person_replies import REPLY
from store.db import Connection
from store.intake import key_of, message_key
from store.sla_clocks import mark_clocks_stale
from store.waiting import find_who_waits

# An echo later than this after a send that nobody knows the fate of is a person who typed the same words.
ECHO_WINDOW_S = 900


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


def take_echoes(conn: Connection, tenant_id: int, echoes: Sequence[InboundMessage], *, pepper: bytes) -> None:
    """Tell our own sends from what a person typed in the channel's app.

    An echo is ours when its id is that of a send, or its words are those of a send to that customer whose answer has not
    come (yet): that send is settled by it. Any other echo by a person takes the conversation over and stops its clock.
    Some statements, however many echoes there are. The transaction must act for `tenant_id`.
    """
    live = [echo for echo in echoes if not echo.is_history]
    if not live:
        return
    conversations = _list_conversations(conn, tenant_id, live)
    ours = _settle_by_echoes(conn, tenant_id, live, conversations=conversations)
    _claim_echoes(conn, tenant_id, [(live[number], action_id) for number, action_id in ours.items()], pepper=pepper)
    note_replies(conn, list(ours.values()))
    answered: dict[str, datetime | None] = {}
    for number, echo in enumerate(live):
        if number in ours or echo.author != "human":
            continue
        for conversation_id in conversations.get(number, ()):
            known = answered.get(conversation_id)
            answered[conversation_id] = max(known, echo.sent_at) if known and echo.sent_at else echo.sent_at
    note_human_answers(conn, answered)


def _list_conversations(conn: Connection, tenant_id: int, echoes: Sequence[InboundMessage]) -> dict[int, list[str]]:
    """The conversations each echo (by its number) belongs to; those without any are left out."""
    named = [
        (number, identity.kind, identity.value, echo.channel, echo.account_id)
        for number, echo in enumerate(echoes)
        for identity in echo.identities
    ]
    rows = conn.execute(
        """
        SELECT DISTINCT given.number, c.id::text
        FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::text[])
            AS given (number, kind, value, channel, account_id)
        JOIN customer_identity AS i ON i.tenant_id = %s AND i.kind = given.kind AND i.value = given.value
        JOIN conversation AS c
          ON c.customer_id = i.customer_id AND c.channel = given.channel AND c.account_id = given.account_id
        """,
        (*([row[column] for row in named] for column in range(5)), tenant_id),
    ).fetchall()
    found: dict[int, list[str]] = {}
    for number, conversation_id in rows:
        found.setdefault(number, []).append(conversation_id)
    return found


def _settle_by_echoes(
    conn: Connection, tenant_id: int, echoes: Sequence[InboundMessage], *, conversations: dict[int, list[str]]
) -> dict[int, str]:
    """Sends that these echo, settled: the send's id by the echo's number. An echo settles one send at most, and a send is
    settled by one echo.
    """
    rows = conn.execute(
        """
        SELECT a.id::text, a.provider_message_id, a.conversation_id::text, a.sent_hash, a.form
        FROM action AS a
        WHERE a.tenant_id = %s AND a.provider_message_id = ANY(%s)
        UNION ALL
        SELECT a.id::text, NULL, a.conversation_id::text, a.sent_hash, a.form
        FROM action AS a
        WHERE a.conversation_id = ANY(%s::uuid[]) AND a.state IN ('sending', 'uncertain')
          AND a.sent_at > now() - make_interval(secs => %s)
        """,
        (
            tenant_id,
            [echo.provider_message_id for echo in echoes],
            sorted({one for several in conversations.values() for one in several}),
            ECHO_WINDOW_S,
        ),
    ).fetchall()
    if not rows:
        return {}
    by_provider_id = {provider_id: action_id for action_id, provider_id, *_ in rows if provider_id}
    in_doubt = [
        (action_id, place, bytes(sent_hash), form)
        for action_id, known, place, sent_hash, form in rows
        if not known and sent_hash
    ]
    ours: dict[int, str] = {}
    for number, echo in enumerate(echoes):
        action_id = by_provider_id.get(echo.provider_message_id)
        if action_id is None and (echo.text or echo.message_type == "template"):
            # A message with a button is echoed as a template without words; nobody types one by hand.
            words = hash_of_sent(echo.text) if echo.text else None
            places = conversations.get(number, ())
            action_id = next(
                (
                    one
                    for one, place, sent, form in in_doubt
                    if place in places and one not in ours.values() and (sent == words if words else form == "link")
                ),
                None,
            )
        if action_id is not None:
            ours[number] = action_id
    conn.execute(
        """
        UPDATE action AS a
        SET state = CASE WHEN a.state IN ('sending', 'uncertain') THEN 'sent' ELSE a.state END,
            provider_message_id = coalesce(a.provider_message_id, given.provider_id),
            error_code = CASE WHEN a.state IN ('sending', 'uncertain') THEN NULL ELSE a.error_code END,
            settled_at = coalesce(a.settled_at, now()), lease_until = NULL
        FROM unnest(%s::uuid[], %s::text[]) AS given (id, provider_id)
        WHERE a.id = given.id
        """,
        (list(ours.values()), [echoes[number].provider_message_id for number in ours]),
    )
    return ours


def _claim_echoes(
    conn: Connection, tenant_id: int, ours: Sequence[tuple[InboundMessage, str]], *, pepper: bytes
) -> None:
    """The stored echoes are messages of ours, not of a person."""
    if not ours:
        return
    conn.execute(
        """
        UPDATE message AS m
        SET author = CASE a.kind WHEN 'reply' THEN 'human' ELSE 'earshot' END, action_id = given.action_id,
            text = coalesce(m.text, a.sent_text)
        FROM unnest(%s::text[], %s::bytea[], %s::uuid[]) AS given (account_id, key, action_id)
        JOIN action AS a ON a.id = given.action_id
        JOIN message_key AS k ON k.tenant_id = %s AND k.account_id = given.account_id AND k.key = given.key
        WHERE m.id = k.message_id
        """,
        (
            [echo.account_id for echo, _ in ours],
            [message_key(pepper, echo) for echo, _ in ours],
            [action_id for _, action_id in ours],
            tenant_id,
        ),
    )


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
