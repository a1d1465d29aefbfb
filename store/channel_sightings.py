"""What the receiver has seen of each account beside messages: handshakes, and what it had to refuse and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.db import Connection

# How long an account may wait for its first handshake and still hear of wrong tokens.
WAITS_DAYS = 7
Seen = Literal["handshake", "wrong_token", "bad_signature", "unknown_account"]


@dataclass(frozen=True)
class Sighting:
    """account_id: None where a token fits no account of this kind. detail: the id that an unknown account gave itself."""

    kind: str
    account_id: str | None
    what: Seen
    detail: str | None = None


def note_sightings(conn: Connection, seen: Mapping[Sighting, int]) -> None:
    """Add what was seen so often. A wrong token is told to those accounts of its kind that wait for their first handshake.

    Needs the system scope.
    """
    # In order, so that two processes never wait for each other.
    for one, times in sorted(seen.items(), key=lambda item: (item[0].kind, item[0].account_id or "", item[0].what)):
        conn.execute(
            """
            INSERT INTO channel_sighting AS s (channel_account_id, tenant_id, what, detail, times)
            SELECT a.id, a.tenant_id, %(what)s, %(detail)s, %(times)s
            FROM channel_account AS a
            WHERE a.kind = %(kind)s
              AND CASE
                  WHEN %(account_id)s::text IS NOT NULL THEN a.account_id = %(account_id)s
                  -- Of thousands that work, none is written for a stranger's guess.
                  ELSE a.created_at > now() - make_interval(days => %(waits)s)
                      AND NOT EXISTS (
                          SELECT FROM channel_sighting AS h WHERE h.channel_account_id = a.id AND h.what = 'handshake'
                      )
                      AND NOT EXISTS (
                          SELECT FROM channel_health AS h
                          WHERE h.channel_account_id = a.id AND h.last_webhook_at IS NOT NULL
                      )
              END
            ORDER BY a.id
            ON CONFLICT (channel_account_id, what) DO UPDATE
                SET times = s.times + EXCLUDED.times, detail = EXCLUDED.detail, last_at = now()
            """,
            {
                "kind": one.kind,
                "account_id": one.account_id,
                "what": one.what,
                "detail": one.detail,
                "times": times,
                "waits": WAITS_DAYS,
            },
        )


@dataclass(frozen=True)
class Refusal:
    """Something that the receiver refused. since: when it last happened."""

    what: Seen
    detail: str | None
    times: int
    last_at: datetime


@dataclass(frozen=True)
class FirstSigns:
    """How far a new account has come. message_at: its newest message; conversation_id: where that stands, None until it does.

    refusals: newest first, only those that came after the last thing that worked.
    """

    connected_at: datetime
    handshake_at: datetime | None
    webhook_at: datetime | None
    message_at: datetime | None
    message_state: str | None
    conversation_id: str | None
    refusals: tuple[Refusal, ...]

    @property
    def was_shaken(self) -> bool:
        """The handshake was seen; where webhooks come it must have been."""
        return self.handshake_at is not None or self.has_webhook

    @property
    def has_webhook(self) -> bool:
        """A signed webhook of this account has come."""
        return self.webhook_at is not None or self.message_at is not None

    @property
    def is_read(self) -> bool:
        """A message went the whole way."""
        return self.message_state in {"done", "unanalyzed"}


def find_first_signs(conn: Connection, tenant_id: int, *, kind: str, account_id: str) -> FirstSigns | None:
    """None when the tenant has no such account."""
    row = conn.execute(
        """
        SELECT a.id, a.created_at, h.last_webhook_at, m.received_at, m.state, m.conversation_id::text
        FROM channel_account AS a LEFT JOIN channel_health AS h ON h.channel_account_id = a.id
        LEFT JOIN LATERAL (
            SELECT received_at, state, conversation_id
            FROM message
            -- Nothing is older than the account, and a tenant may have a million of others'.
            WHERE tenant_id = a.tenant_id AND id >= uuid_floor(a.created_at) AND channel = a.kind
              AND account_id = a.account_id AND direction = 'inbound' AND NOT is_history
            ORDER BY id DESC
            LIMIT 1
        ) AS m ON true
        WHERE a.tenant_id = %s AND a.kind = %s AND a.account_id = %s
        """,
        (tenant_id, kind, account_id),
    ).fetchone()
    if row is None:
        return None
    key, connected_at, webhook_at, message_at, state, conversation_id = row
    rows = conn.execute(
        """
        SELECT what, detail, times, last_at
        FROM channel_sighting
        WHERE tenant_id = %s AND channel_account_id = %s
        ORDER BY last_at DESC
        """,
        (tenant_id, key),
    ).fetchall()
    handshake_at = next((last_at for what, _, _, last_at in rows if what == "handshake"), None)
    worked_at = max((at for at in (webhook_at, message_at) if at), default=None)
    refusals = tuple(
        Refusal(*one)
        for one in rows
        if one[0] != "handshake"
        and (worked_at is None or one[3] > worked_at)
        and not (one[0] == "wrong_token" and handshake_at and one[3] < handshake_at)
    )
    return FirstSigns(connected_at, handshake_at, webhook_at, message_at, state, conversation_id, refusals)


@dataclass(frozen=True)
class AccountState:
    """An account as administrators see it, without anything secret. token_state, subscribed, error_code: as the channel said last."""

    kind: str
    account_id: str
    login: str | None
    has_reply_url: bool
    blocked_because: str | None
    token_state: str | None
    token_expires_at: datetime | None
    subscribed: bool | None
    error_code: str | None
    last_webhook_at: datetime | None
    is_silent: bool

    @property
    def is_well(self) -> bool:
        """Nothing is known to be wrong."""
        is_dead = self.token_state == "dead"  # noqa: S105 -- a state
        return not (self.blocked_because or is_dead or self.subscribed is False or self.is_silent)


def list_account_states(conn: Connection, tenant_id: int) -> list[AccountState]:
    """The tenant's accounts by channel and id."""
    rows = conn.execute(
        """
        SELECT a.kind, a.account_id, a.login, a.reply_url IS NOT NULL, a.sends_blocked_because, h.token_state, h.token_expires_at,
               h.subscribed, h.error_code, h.last_webhook_at,
               coalesce(h.last_webhook_at < now() - make_interval(secs => h.usual_gap_s), false)
        FROM channel_account AS a LEFT JOIN channel_health AS h ON h.channel_account_id = a.id
        WHERE a.tenant_id = %s
        ORDER BY a.kind, a.account_id
        """,
        (tenant_id,),
    ).fetchall()
    return [AccountState(*row) for row in rows]
