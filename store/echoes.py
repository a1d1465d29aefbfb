"""What the channel echoes of what went out: our own sends among it, and what a person typed in the channel's app."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from channels.base import InboundMessage
from store.db import Connection
from store.intake import message_key
from store.outbound import hash_of_sent, note_human_answers, note_replies

if TYPE_CHECKING:
    from datetime import datetime

# An echo later than this after a send that nobody knows the fate of is a person who typed the same words.
ECHO_WINDOW_S = 900


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
