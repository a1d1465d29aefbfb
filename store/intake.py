"""What the receiver writes: new messages with their open runs, delivery statuses, bodies that could not be read."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from channels.base import DeliveryStatus, InboundMessage
from store.db import Connection
from store.migrate import DEDUPE_PEPPER
from store.secrets import Keyring


@dataclass(frozen=True)
class StartedRun:
    """A message that is new and has a pass to make."""

    tenant_id: int
    message_id: str
    run_id: str


def get_dedupe_pepper(conn: Connection, *, keyring: Keyring) -> bytes:
    """The installation's key for message keys: made once, survives key rotation. Needs the system scope."""
    row = conn.execute("SELECT ciphertext FROM installation_secret WHERE name = %s", (DEDUPE_PEPPER,)).fetchone()
    assert row is not None, "migrate has not run"
    return keyring.decrypt(row[0], tenant_id=0, table="installation_secret", column=DEDUPE_PEPPER)


def message_key(pepper: bytes, message: InboundMessage) -> bytes:
    """What recognises the message for ever without keeping its provider id, which holds a phone number."""
    return hmac.digest(pepper, f"{message.channel}\x1f{message.key_source}".encode(), hashlib.sha256)


def _sender(message: InboundMessage) -> str:
    return json.dumps(
        {
            "identities": [[identity.kind, identity.value] for identity in message.identities],
            "display_name": message.display_name,
        }
    )


def add_messages(
    conn: Connection, tenant_id: int, messages: Sequence[InboundMessage], *, pepper: bytes
) -> list[StartedRun]:
    """Insert what is new, in one statement however many there are; duplicates add nothing.

    Inbound messages get an open run; echoes are stored as `ignored`. Returns the new runs in the order of `messages`.
    The transaction must act for `tenant_id`.
    """
    unique = {message_key(pepper, message): message for message in messages}
    if not unique:
        return []
    rows = conn.execute(
        """
        WITH item AS MATERIALIZED (
            -- Ids in the order of the body; keys are inserted in an order of their own, so that two bodies can't deadlock.
            SELECT *, uuidv7() AS message_id
            FROM unnest(
                %s::bytea[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                %s::timestamptz[], %s::jsonb[], %s::text[], %s::bytea[]
            ) WITH ORDINALITY AS item (
                key, channel, surface, account_id, provider_message_id, direction, message_type, text,
                sent_at, sender, reply_to, raw, position
            )
        ), fresh AS (
            INSERT INTO message_key (tenant_id, account_id, key, message_id)
            SELECT %s, account_id, key, message_id FROM item ORDER BY key
            ON CONFLICT DO NOTHING
            RETURNING message_id
        ), added AS (
            INSERT INTO message (
                id, tenant_id, channel, surface, account_id, provider_message_id, direction, message_type, text,
                sent_at, state, sender, reply_to_provider_id
            )
            SELECT message_id, %s, channel, surface, account_id, provider_message_id, direction, message_type, text,
                   coalesce(sent_at, now()), CASE direction WHEN 'inbound' THEN 'received' ELSE 'ignored' END, sender, reply_to
            FROM item JOIN fresh USING (message_id)
            ORDER BY position
        ), kept AS (
            INSERT INTO message_raw (message_id, tenant_id, item)
            SELECT message_id, %s, raw FROM item JOIN fresh USING (message_id)
        ), started AS (
            INSERT INTO run (tenant_id, message_id)
            SELECT %s, message_id FROM item JOIN fresh USING (message_id) WHERE direction = 'inbound' ORDER BY position
            RETURNING id, message_id
        )
        SELECT started.message_id, started.id
        FROM started JOIN item USING (message_id)
        ORDER BY item.position
        """,
        (
            list(unique),
            [message.channel for message in unique.values()],
            [message.surface for message in unique.values()],
            [message.account_id for message in unique.values()],
            [message.provider_message_id for message in unique.values()],
            [message.direction for message in unique.values()],
            [message.message_type for message in unique.values()],
            [message.text for message in unique.values()],
            [message.sent_at for message in unique.values()],
            [_sender(message) for message in unique.values()],
            [message.reply_to_provider_id for message in unique.values()],
            [message.raw for message in unique.values()],
            *[tenant_id] * 4,
        ),
    ).fetchall()
    return [StartedRun(tenant_id, str(message_id), str(run_id)) for message_id, run_id in rows]


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

    A later "failed" wins over "sent": acceptance is not delivery. The transaction must act for `tenant_id`.
    """
    changed = 0
    for status in statuses:
        action_id = _as_uuid(status.callback)
        if action_id is None:
            continue
        state = _SETTLED_STATE[status.state]
        changed += conn.execute(
            """
            UPDATE action
            SET state = %s, error_code = CASE WHEN %s = 'failed' THEN %s END,
                provider_message_id = coalesce(provider_message_id, %s), settled_at = now(), lease_until = NULL
            WHERE id = %s
              AND tenant_id = %s
              AND (state IN ('sending', 'uncertain') OR (state = 'sent' AND %s = 'failed'))
            """,
            (state, state, status.error_code, status.provider_message_id, action_id, tenant_id, state),
        ).rowcount
    return changed


def note_human_answers(conn: Connection, tenant_id: int, echoes: Sequence[InboundMessage]) -> None:
    """An answer typed in the channel's own app: the conversation is taken over and its clock stops.

    An echo of one of our own sends changes nothing; nor does one that comes while such a send is under way, because the echo can be
    faster than the answer that tells us its id. The transaction must act for `tenant_id`.
    """
    for echo in echoes:
        conn.execute(
            """
            UPDATE conversation AS c
            SET taken_over = true,
                last_human_answer_at = greatest(c.last_human_answer_at, coalesce(%(sent_at)s, now()))
            FROM customer_identity AS i
            WHERE i.tenant_id = %(tenant_id)s
              AND i.kind || ':' || i.value = ANY(%(identities)s)
              AND c.customer_id = i.customer_id
              AND c.channel = %(channel)s
              AND c.account_id = %(account_id)s
              AND NOT EXISTS (
                  SELECT FROM action AS a
                  WHERE a.conversation_id = c.id
                    AND (a.provider_message_id = %(provider_message_id)s OR a.state IN ('sending', 'uncertain'))
              )
            """,
            {
                "tenant_id": tenant_id,
                "identities": [f"{identity.kind}:{identity.value}" for identity in echo.identities],
                "channel": echo.channel,
                "account_id": echo.account_id,
                "sent_at": echo.sent_at,
                "provider_message_id": echo.provider_message_id,
            },
        )


def keep_unparsed_body(conn: Connection, *, channel: str, reason: str, body: bytes) -> None:
    """Keep a signed body that could not be read: the provider never sends it again. Needs the system scope."""
    conn.execute("INSERT INTO unparsed_body (channel, reason, body) VALUES (%s, %s, %s)", (channel, reason, body))
