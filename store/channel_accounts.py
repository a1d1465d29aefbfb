"""The accounts webhooks come from and sends leave by, with their secrets opened."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from channels.base import SendingAccount
from store.db import Connection, StoreError
from store.secrets import Keyring


@dataclass(frozen=True)
class ReceivingAccount:
    """What the receiver needs of one account."""

    tenant_id: int
    kind: str
    account_id: str
    waba_id: str | None
    page_id: str | None
    app_secrets: tuple[str, ...] = field(repr=False)
    verify_token: str = field(repr=False)


def _open(keyring: Keyring, sealed: bytes, *, tenant_id: int, column: str) -> str:
    return keyring.decrypt(sealed, tenant_id=tenant_id, table="channel_account", column=column).decode()


def list_receiving_accounts(conn: Connection, *, keyring: Keyring) -> list[ReceivingAccount]:
    """All accounts of all tenants. Needs the system scope."""
    rows: list[Any] = conn.execute(
        """
        SELECT tenant_id, kind, account_id, waba_id, page_id, app_secrets, verify_token
        FROM channel_account
        ORDER BY id
        """
    ).fetchall()
    return [
        ReceivingAccount(
            tenant_id=tenant_id,
            kind=kind,
            account_id=account_id,
            waba_id=waba_id,
            page_id=page_id,
            app_secrets=tuple(json.loads(_open(keyring, app_secrets, tenant_id=tenant_id, column="app_secrets"))),
            verify_token=_open(keyring, verify_token, tenant_id=tenant_id, column="verify_token"),
        )
        for tenant_id, kind, account_id, waba_id, page_id, app_secrets, verify_token in rows
    ]


@dataclass(frozen=True)
class SenderAccount:
    """An account to send from, and how the tenant wants it used. blocked_because: None while it may send."""

    account: SendingAccount
    blocked_because: str | None
    mark_read: bool
    max_per_s: int


def get_sending_account(
    conn: Connection, tenant_id: int, *, kind: str, account_id: str, keyring: Keyring
) -> SenderAccount:
    """The account with its token and its newest secret.

    Raises: StoreError when the tenant has no such account (any more).
    """
    row = conn.execute(
        """
        SELECT access_token, app_secrets, login, page_id, waba_id, reply_url, sends_blocked_because, mark_read, max_per_s
        FROM channel_account
        WHERE tenant_id = %s AND kind = %s AND account_id = %s
        """,
        (tenant_id, kind, account_id),
    ).fetchone()
    if row is None:
        message = "no_such_account"
        raise StoreError(message, permanent=True)
    token, secrets, login, page_id, waba_id, reply_url, blocked_because, mark_read, max_per_s = row
    account = SendingAccount(
        account_id=account_id,
        access_token=_open(keyring, token, tenant_id=tenant_id, column="access_token"),
        login=login,
        page_id=page_id,
        waba_id=waba_id,
        signing_secret=json.loads(_open(keyring, secrets, tenant_id=tenant_id, column="app_secrets"))[0],
        reply_url=reply_url,
    )
    return SenderAccount(account, blocked_because, mark_read, max_per_s)


def block_sends(conn: Connection, tenant_id: int, *, kind: str, account_id: str, because: str) -> None:
    """Stop all sends of an account whose token or permission the channel refused, until the tenant is applied again."""
    conn.execute(
        """
        UPDATE channel_account
        SET sends_blocked_because = %s, sends_blocked_at = now()
        WHERE tenant_id = %s AND kind = %s AND account_id = %s AND sends_blocked_because IS NULL
        """,
        (because, tenant_id, kind, account_id),
    )


@dataclass(frozen=True)
class ListedAccount:
    """An account as people see it, without anything secret. reply_url: None where the channel is its own way back."""

    kind: str
    account_id: str
    login: str | None
    reply_url: str | None = field(repr=False)
    mark_read: bool
    max_per_s: int
    blocked_because: str | None
    token_state: str | None
    last_webhook_at: datetime | None


def list_accounts(conn: Connection, tenant_id: int) -> list[ListedAccount]:
    """The tenant's accounts by channel and id."""
    rows = conn.execute(
        """
        SELECT a.kind, a.account_id, a.login, a.reply_url, a.mark_read, a.max_per_s, a.sends_blocked_because,
               h.token_state, h.last_webhook_at
        FROM channel_account AS a LEFT JOIN channel_health AS h ON h.channel_account_id = a.id
        WHERE a.tenant_id = %s
        ORDER BY a.kind, a.account_id
        """,
        (tenant_id,),
    ).fetchall()
    return [ListedAccount(*row) for row in rows]


@dataclass(frozen=True)
class AccountHealth:
    """How an account is, as its channel says. usual_gap_s: how long it is usually silent, None while that is not known."""

    kind: str
    account_id: str
    login: str | None
    reply_url: str | None = field(repr=False)
    mark_read: bool
    max_per_s: int
    blocked_because: str | None
    blocked_at: datetime | None
    token_state: str | None
    token_since: datetime | None
    token_expires_at: datetime | None
    subscribed: bool | None
    error_code: str | None
    last_webhook_at: datetime | None
    usual_gap_s: float | None


def list_account_health(conn: Connection, tenant_id: int) -> list[AccountHealth]:
    """The tenant's accounts by channel and id, without anything secret."""
    rows = conn.execute(
        """
        SELECT a.kind, a.account_id, a.login, a.reply_url, a.mark_read, a.max_per_s, a.sends_blocked_because, a.sends_blocked_at,
               h.token_state, h.token_since, h.token_expires_at, h.subscribed, h.error_code, h.last_webhook_at, h.usual_gap_s
        FROM channel_account AS a LEFT JOIN channel_health AS h ON h.channel_account_id = a.id
        WHERE a.tenant_id = %s
        ORDER BY a.kind, a.account_id
        """,
        (tenant_id,),
    ).fetchall()
    return [AccountHealth(*row) for row in rows]
