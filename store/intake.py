"""What the receiver writes first: new messages with their open runs, and bodies that could not be read."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from channels.base import InboundMessage
from routing.survey_answers import tapped
from store.db import Connection, Database
from store.migrate import DEDUPE_PEPPER
from store.secrets import Keyring

# The two deliveries of one comment on a boosted post come within seconds; the same words days later are a new comment.
TWIN_WINDOW_S = 600
# WhatsApp's type for a picture in a history upload that comes later.
PLACEHOLDER = "media_placeholder"


@dataclass(frozen=True)
class StartedRun:
    """A message that has a pass to make. is_canary: it is one of our own. key: its message key, where it has just been stored."""

    tenant_id: int
    message_id: str
    run_id: str
    is_canary: bool = False
    key: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True)
class AddedMessages:
    """What was new. message_ids: by message key. runs: those to start now, in the order of the body."""

    message_ids: dict[bytes, str]
    runs: list[StartedRun]


def get_dedupe_pepper(conn: Connection, *, keyring: Keyring) -> bytes:
    """The installation's key for message keys: made once, survives key rotation. Needs the system scope."""
    row = conn.execute("SELECT ciphertext FROM installation_secret WHERE name = %s", (DEDUPE_PEPPER,)).fetchone()
    assert row is not None, "migrate has not run"
    return keyring.decrypt(row[0], tenant_id=0, table="installation_secret", column=DEDUPE_PEPPER)


def key_of(pepper: bytes, *, channel: str, source: str) -> bytes:
    """What recognises a message for ever without keeping its provider id, which holds a phone number."""
    return hmac.digest(pepper, f"{channel}\x1f{source}".encode(), hashlib.sha256)


def message_key(pepper: bytes, message: InboundMessage) -> bytes:
    """See `key_of`."""
    return key_of(pepper, channel=message.channel, source=message.key_source)


def _as_item(key: bytes, message: InboundMessage, *, is_taken_back: bool) -> dict[str, object]:
    """The columns of `_ITEM`. Bytes as Postgres reads them from a text."""
    return {
        "key": rf"\x{key.hex()}",
        "channel": message.channel,
        "surface": message.surface,
        "account_id": message.account_id,
        "provider_message_id": message.provider_message_id,
        "direction": message.direction,
        "message_type": message.message_type,
        "text": message.text,
        "sent_at": message.sent_at.isoformat() if message.sent_at else None,
        "sender": {
            "identities": [(identity.kind, identity.value) for identity in message.identities],
            "display_name": message.display_name,
        },
        "reply_to": message.reply_to_provider_id,
        "raw": rf"\x{message.raw.hex()}",
        "author": message.author,
        "group_id": message.group_id,
        "is_history": message.is_history,
        "state": "erased" if is_taken_back else _first_state(message),
        "choice_id": None if is_taken_back else _choice_id(message),
    }


def find_message_ids(conn: Connection, tenant_id: int, *, account_id: str, keys: Sequence[bytes]) -> dict[bytes, str]:
    """The messages that are known by these keys."""
    rows = conn.execute(
        """
        SELECT key, message_id::text
        FROM message_key
        WHERE tenant_id = %s AND account_id = %s AND key = ANY(%s)
        """,
        (tenant_id, account_id, list(keys)),
    ).fetchall()
    return {bytes(key): message_id for key, message_id in rows}


# One parameter for all that is given: a driver's array for each column costs more than all else a single message takes.
_ACTING = "WITH acting AS (SELECT %s::bigint AS tenant_id)"
# The tenant is set before the first row is there, and rows are what row-level security is asked about.
_ACTING_ALONE = "WITH acting AS (SELECT set_config('earshot.tenant', %s::bigint::text, true)::bigint AS tenant_id)"
_ADD = """
    , item AS MATERIALIZED (
        -- Ids in the order of the body; keys are inserted in an order of their own, so that two bodies can't deadlock.
        SELECT acting.tenant_id, item.*, uuidv7() AS message_id
        FROM acting, ROWS FROM (
            jsonb_to_recordset(%s::jsonb) AS (
                key bytea, channel text, surface text, account_id text, provider_message_id text, direction text, message_type text,
                text text, sent_at timestamptz, sender jsonb, reply_to text, raw bytea, author text, group_id text, is_history boolean,
                state text, choice_id text
            )
        ) WITH ORDINALITY AS item (
            key, channel, surface, account_id, provider_message_id, direction, message_type,
            text, sent_at, sender, reply_to, raw, author, group_id, is_history,
            state, choice_id, position
        )
    ), fresh AS (
        INSERT INTO message_key (tenant_id, account_id, key, message_id)
        SELECT tenant_id, account_id, key, message_id FROM item ORDER BY key
        ON CONFLICT DO NOTHING
        RETURNING message_id
    ), added AS (
        INSERT INTO message (
            id, tenant_id, channel, surface, account_id, provider_message_id, direction, message_type, text,
            sent_at, state, sender, reply_to_provider_id, author, group_id, is_history,
            choice_id, erased_at
        )
        SELECT message_id, tenant_id, channel, surface, account_id, provider_message_id, direction, message_type, text,
               coalesce(sent_at, now()), state, sender, reply_to, author, group_id, is_history,
               choice_id, CASE state WHEN 'erased' THEN now() END
        FROM item JOIN fresh USING (message_id)
        ORDER BY position
    ), kept AS (
        INSERT INTO message_raw (message_id, tenant_id, item)
        SELECT message_id, tenant_id, raw FROM item JOIN fresh USING (message_id) WHERE state <> 'erased'
    ), started AS (
        INSERT INTO run (tenant_id, message_id, kind)
        SELECT tenant_id, message_id, CASE state WHEN 'received' THEN 'initial' ELSE 'place' END
        FROM item JOIN fresh USING (message_id)
        WHERE state <> 'erased'
        ORDER BY position
        RETURNING id, message_id, kind
    )
    SELECT item.key, fresh.message_id::text, started.id::text, started.kind
    FROM fresh JOIN item USING (message_id) LEFT JOIN started USING (message_id)
    ORDER BY item.position
"""


def add_messages(
    conn: Connection, tenant_id: int, messages: Sequence[InboundMessage], *, pepper: bytes, tombstones: bool = False
) -> AddedMessages:
    """Insert what is new, in one statement however many there are; duplicates add nothing.

    Inbound messages get an open run; echoes and history are stored as `ignored` and get a run that only finds their place.
    tombstones: the messages were taken back before they came: nothing is kept but that they existed.
    The transaction must act for `tenant_id`.
    """
    unique = _unique(messages, pepper=pepper)
    doubles = {} if tombstones else _find_ad_twins(conn, tenant_id, unique, pepper=pepper)
    for key in doubles:
        del unique[key]
    added = AddedMessages({}, [])
    if unique:
        given = (tenant_id, _as_items(unique, tombstones=tombstones))
        added = _added(conn.execute(_ACTING + _ADD, given).fetchall(), tenant_id)
    _remember_doubles(conn, tenant_id, doubles)
    return added


def is_live(message: InboundMessage) -> bool:
    """Whether it is a customer's, of now, and comes once: nothing else needs to be looked at or changed when it is stored."""
    return _first_state(message) == "received" and message.ad_twin is None


def add_live_messages(
    database: Database, tenant_id: int, messages: Sequence[InboundMessage], *, pepper: bytes
) -> AddedMessages:
    """The same for messages that are all live, in a transaction of its own that is one trip to the server. Not within another.

    Raises: StoreError.
    """
    items = _as_items(_unique(messages, pepper=pepper), tombstones=False)
    return _added(database.fetch_alone(_ACTING_ALONE + _ADD, (tenant_id, items)), tenant_id)


def _unique(messages: Sequence[InboundMessage], *, pepper: bytes) -> dict[bytes, InboundMessage]:
    """By message key; of those with the same one the first."""
    unique: dict[bytes, InboundMessage] = {}
    for message in messages:
        unique.setdefault(message_key(pepper, message), message)
    return unique


def _as_items(unique: Mapping[bytes, InboundMessage], *, tombstones: bool) -> str:
    return json.dumps([_as_item(key, message, is_taken_back=tombstones) for key, message in unique.items()])


def _added(rows: Sequence[tuple[Any, ...]], tenant_id: int) -> AddedMessages:
    return AddedMessages(
        message_ids={bytes(key): message_id for key, message_id, _, _ in rows},
        runs=[
            StartedRun(tenant_id, message_id, run_id, key=bytes(key))
            for key, message_id, run_id, kind in rows
            if kind == "initial"
        ],
    )


def fill_placeholders(conn: Connection, tenant_id: int, messages: Sequence[InboundMessage], *, pepper: bytes) -> None:
    """Give old pictures their captions: history uploads name a picture first and bring it, with its words, in a later body.

    The transaction must act for `tenant_id`.
    """
    late = [message for message in messages if message.is_history and message.message_type != PLACEHOLDER]
    if not late:
        return
    conn.execute(
        """
        WITH given AS (
            SELECT *
            FROM unnest(%s::text[], %s::bytea[], %s::text[], %s::text[], %s::bytea[])
                AS given (account_id, key, message_type, text, item)
        ), filled AS (
            UPDATE message AS m
            SET message_type = given.message_type, text = given.text
            FROM given JOIN message_key AS k ON k.tenant_id = %s AND k.account_id = given.account_id AND k.key = given.key
            WHERE m.id = k.message_id AND m.message_type = %s AND m.state <> 'erased'
            RETURNING m.id, given.item
        )
        UPDATE message_raw AS r SET item = filled.item FROM filled WHERE r.message_id = filled.id
        """,
        (
            [message.account_id for message in late],
            [message_key(pepper, message) for message in late],
            [message.message_type for message in late],
            [message.text for message in late],
            [message.raw for message in late],
            tenant_id,
            PLACEHOLDER,
        ),
    )


def _choice_id(message: InboundMessage) -> str | None:
    """Ids of our own answers only: what others put into their buttons is nobody's business here."""
    return message.choice_id if tapped(message.choice_id) else None


def _first_state(message: InboundMessage) -> Literal["received", "ignored"]:
    return "received" if message.direction == "inbound" and not message.is_history else "ignored"


def revive_history(
    conn: Connection, tenant_id: int, messages: Sequence[InboundMessage], *, added: AddedMessages, pepper: bytes
) -> list[StartedRun]:
    """Live messages that an upload of history brought first: they are triaged after all. Returns their runs.

    The transaction must act for `tenant_id`.
    """
    known = [message for message in messages if _first_state(message) == "received"]
    live = {key: one for one in known if (key := message_key(pepper, one)) not in added.message_ids}
    if not live:
        return []
    rows = conn.execute(
        """
        WITH found AS (
            SELECT k.message_id
            FROM unnest(%s::text[], %s::bytea[]) AS given (account_id, key)
            JOIN message_key AS k ON k.tenant_id = %s AND k.account_id = given.account_id AND k.key = given.key
        ), woken AS (
            UPDATE message AS m
            SET is_history = false, state = 'received', customer_id = NULL, conversation_id = NULL
            FROM found
            WHERE m.id = found.message_id AND m.is_history AND m.direction = 'inbound' AND m.state = 'ignored'
            RETURNING m.id
        ), unplaced AS (
            DELETE FROM run USING woken WHERE run.message_id = woken.id AND run.kind = 'place'
        )
        INSERT INTO run (tenant_id, message_id) SELECT %s, id FROM woken ORDER BY id RETURNING message_id::text, id::text
        """,
        ([message.account_id for message in live.values()], list(live), tenant_id, tenant_id),
    ).fetchall()
    return [StartedRun(tenant_id, message_id, run_id) for message_id, run_id in rows]


def _remember_doubles(conn: Connection, tenant_id: int, doubles: dict[bytes, tuple[str, bytes]]) -> None:
    """The other delivery's key leads to the message that was kept, so that a late repetition of it adds nothing either."""
    if not doubles:
        return
    conn.execute(
        """
        INSERT INTO message_key (tenant_id, account_id, key, message_id)
        SELECT k.tenant_id, k.account_id, given.key, k.message_id
        FROM unnest(%s::text[], %s::bytea[], %s::bytea[]) AS given (account_id, key, kept)
        JOIN message_key AS k ON k.tenant_id = %s AND k.account_id = given.account_id AND k.key = given.kept
        ORDER BY given.key
        ON CONFLICT DO NOTHING
        """,
        (
            [account_id for account_id, _ in doubles.values()],
            list(doubles),
            [kept for _, kept in doubles.values()],
            tenant_id,
        ),
    )


def _find_ad_twins(
    conn: Connection, tenant_id: int, unique: dict[bytes, InboundMessage], *, pepper: bytes
) -> dict[bytes, tuple[str, bytes]]:
    """Comments whose other delivery, for the ad or for the post, is here already or stands earlier in the body: key to
    (account, key of the one that is kept).
    """
    twins = {
        (
            message.account_id,
            key_of(pepper, channel="twin", source=message.ad_twin.source),
            message.ad_twin.from_ad,
        ): key
        for key, message in unique.items()
        if message.ad_twin
    }
    if not twins:
        return {}
    # Both deliveries may come at the same moment: one waits for the other here.
    conn.execute(
        "SELECT pg_advisory_xact_lock(given) FROM unnest(%s::bigint[]) AS given",
        (sorted({int.from_bytes(twin_key[:8], "big", signed=True) for _, twin_key, _ in twins}),),
    )
    rows = conn.execute(
        """
        WITH item AS (
            SELECT * FROM unnest(%s::text[], %s::bytea[], %s::boolean[], %s::bytea[]) AS item (account_id, twin_key, from_ad, key)
        ), seen AS (
            INSERT INTO comment_twin AS t (tenant_id, account_id, twin_key, from_ad, message_key)
            SELECT %s, account_id, twin_key, from_ad, key FROM item ORDER BY account_id, twin_key, from_ad
            -- The newest delivery of each side counts; the same comment again changes nothing.
            ON CONFLICT (tenant_id, account_id, twin_key, from_ad) DO UPDATE
                SET message_key = EXCLUDED.message_key, seen_at = now()
                WHERE t.message_key <> EXCLUDED.message_key
        )
        SELECT item.account_id, item.key, other.message_key
        FROM item JOIN comment_twin AS other
          ON other.tenant_id = %s AND other.account_id = item.account_id AND other.twin_key = item.twin_key
         AND other.from_ad <> item.from_ad AND other.message_key <> item.key
         AND other.seen_at > now() - make_interval(secs => %s)
        """,
        (
            [account_id for account_id, _, _ in twins],
            [twin_key for _, twin_key, _ in twins],
            [from_ad for _, _, from_ad in twins],
            list(twins.values()),
            tenant_id,
            tenant_id,
            TWIN_WINDOW_S,
        ),
    ).fetchall()
    doubles = {bytes(key): (account_id, bytes(kept)) for account_id, key, kept in rows}
    # Both in one body: the ad's goes.
    for account_id, twin_key, from_ad in twins:
        if from_ad and (account_id, twin_key, False) in twins:
            doubles[twins[(account_id, twin_key, True)]] = (account_id, twins[(account_id, twin_key, False)])
    return doubles


def keep_unparsed_body(conn: Connection, *, channel: str, reason: str, body: bytes) -> None:
    """Keep a signed body that could not be read: the provider never sends it again. Needs the system scope."""
    conn.execute("INSERT INTO unparsed_body (channel, reason, body) VALUES (%s, %s, %s)", (channel, reason, body))
