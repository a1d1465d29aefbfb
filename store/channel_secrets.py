"""One account as it is stored, with its secrets opened, so that a part of it can be changed."""

import json

from pydantic import SecretStr

from config.channel_account import ChannelConfig
from store.db import Connection
from store.secrets import Keyring

_TABLE = "channel_account"


def find_channel(
    conn: Connection, tenant_id: int, *, kind: str, account_id: str, keyring: Keyring
) -> ChannelConfig | None:
    """None when the tenant has no such account. Raises: SecretError."""
    row = conn.execute(
        """
        SELECT app_secrets, verify_token, access_token, waba_id, login, page_id, reply_url, mark_read, max_per_s
        FROM channel_account
        WHERE tenant_id = %s AND kind = %s AND account_id = %s
        FOR UPDATE
        """,
        (tenant_id, kind, account_id),
    ).fetchone()
    if row is None:
        return None
    sealed_secrets, sealed_verify, sealed_access, waba_id, login, page_id, reply_url, mark_read, max_per_s = row

    def opened(sealed: bytes, column: str) -> str:
        return keyring.decrypt(sealed, tenant_id=tenant_id, table=_TABLE, column=column).decode()

    # What is stored was checked when it came in.
    return ChannelConfig.model_construct(
        kind=kind,
        account_id=account_id,
        app_secret=tuple(SecretStr(one) for one in json.loads(opened(sealed_secrets, "app_secrets"))),
        verify_token=SecretStr(opened(sealed_verify, "verify_token")),
        access_token=SecretStr(opened(sealed_access, "access_token")),
        waba_id=waba_id,
        login=login,
        page_id=page_id,
        reply_url=reply_url,
        mark_read=mark_read,
        max_per_s=max_per_s,
    )


def has_other_owner(conn: Connection, tenant_id: int, *, kind: str, account_id: str) -> bool:
    """Whether another tenant has this account; whose, nobody learns. Needs the system scope."""
    return (
        conn.execute(
            "SELECT FROM channel_account WHERE kind = %s AND account_id = %s AND tenant_id <> %s",
            (kind, account_id, tenant_id),
        ).fetchone()
        is not None
    )
