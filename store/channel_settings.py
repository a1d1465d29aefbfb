"""A tenant's accounts at the channels, as files and the console set them: secrets encrypted."""

import hashlib
import json

from config.channel_account import ChannelConfig
from store.channel_health import watch_account
from store.db import Connection, StoreError
from store.secrets import Keyring


def put_channel(conn: Connection, tenant_id: int, channel: ChannelConfig, *, keyring: Keyring) -> None:
    """Add an account, or give a known one these values. Needs the system scope.

    Raises: StoreError, permanent, when another tenant has the account.
    """
    app_secrets = json.dumps([secret.get_secret_value() for secret in channel.app_secret])

    def seal(value: str, column: str) -> bytes:
        return keyring.encrypt(value.encode(), tenant_id=tenant_id, table="channel_account", column=column)

    access_token = seal(channel.access_token.get_secret_value(), "access_token")
    row = conn.execute(
        """
        INSERT INTO channel_account AS a (
            tenant_id, kind, account_id, waba_id, login, page_id, app_secrets, verify_token, access_token,
            applied_token_hash, reply_url, mark_read, max_per_s
        )
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (kind, account_id) DO UPDATE SET
            waba_id = EXCLUDED.waba_id, login = EXCLUDED.login, page_id = EXCLUDED.page_id,
            app_secrets = EXCLUDED.app_secrets, verify_token = EXCLUDED.verify_token,
            -- The file still holds the token that was refreshed meanwhile: the newer one stays, unless it is dead.
            access_token = CASE
                WHEN a.applied_token_hash = EXCLUDED.applied_token_hash AND NOT EXISTS (
                    SELECT FROM channel_health AS h WHERE h.channel_account_id = a.id AND h.token_state = 'dead'
                ) THEN a.access_token
                ELSE EXCLUDED.access_token
            END,
            applied_token_hash = EXCLUDED.applied_token_hash, reply_url = EXCLUDED.reply_url,
            mark_read = EXCLUDED.mark_read, max_per_s = EXCLUDED.max_per_s, sends_blocked_because = NULL
        -- Of two tenants who connect one account at once, the second must not overwrite the first one's.
        WHERE a.tenant_id = EXCLUDED.tenant_id
        RETURNING id, access_token = %s
        """,
        (
            tenant_id,
            channel.kind,
            channel.account_id,
            channel.waba_id,
            channel.login,
            channel.page_id,
            seal(app_secrets, "app_secrets"),
            seal(channel.verify_token.get_secret_value(), "verify_token"),
            access_token,
            hashlib.sha256(channel.access_token.get_secret_value().encode()).digest(),
            channel.reply_url,
            channel.mark_read,
            channel.max_per_s,
            access_token,
        ),
    ).fetchone()
    if row is None:
        message = f"the {channel.kind} account {channel.account_id} already belongs to another tenant"
        raise StoreError(message, permanent=True)
    watch_account(conn, tenant_id, row[0], has_new_token=row[1])


def remove_channel(conn: Connection, tenant_id: int, *, kind: str, account_id: str) -> bool:
    """Its webhooks are refused from now on, and nothing leaves by it. False: there was none. Needs the system scope."""
    return (
        conn.execute(
            "DELETE FROM channel_account WHERE tenant_id = %s AND kind = %s AND account_id = %s",
            (tenant_id, kind, account_id),
        ).rowcount
        == 1
    )
