"""Tenants and what they configure: applied from a checked file, secrets encrypted, read back by processes."""

import hashlib
import json
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from config.channel_account import ChannelConfig
from config.tenant import TenantConfig
from store.action_secrets import apply_action_secrets
from store.alert_targets import apply_targets
from store.channel_health import watch_account
from store.crm_connections import apply_connection
from store.db import Connection, StoreError
from store.secrets import Keyring


@dataclass(frozen=True)
class TenantRow:
    """One tenant as listed."""

    id: int
    slug: str
    name: str
    industry: str
    channels: int
    crm: str | None


def apply_tenant(conn: Connection, config: TenantConfig, *, keyring: Keyring) -> int:
    """Create or update the tenant, its channel accounts and its CRM connection; safe to repeat. Needs the system scope.

    Returns the tenant's id. Raises: StoreError when another tenant already has one of the accounts.
    """
    stored = config.model_dump(mode="json", exclude={"channels", "crm", "alerts"})
    row = conn.execute(
        """
        INSERT INTO tenant (slug, name, config)
        VALUES (%s, %s, %s)
        ON CONFLICT (slug) DO UPDATE SET name = EXCLUDED.name, config = EXCLUDED.config, updated_at = now()
        RETURNING id
        """,
        (config.slug, config.name, Jsonb(stored)),
    ).fetchone()
    assert row is not None
    tenant_id: int = row[0]
    _apply_channels(conn, tenant_id, config.channels, keyring=keyring)
    apply_connection(conn, tenant_id, config.crm, keyring=keyring)
    apply_action_secrets(conn, tenant_id, config, keyring=keyring)
    apply_targets(conn, tenant_id, config.alerts, keyring=keyring)
    return tenant_id


def _apply_channels(conn: Connection, tenant_id: int, channels: tuple[ChannelConfig, ...], *, keyring: Keyring) -> None:
    for channel in channels:
        owner = conn.execute(
            "SELECT tenant_id FROM channel_account WHERE kind = %s AND account_id = %s",
            (channel.kind, channel.account_id),
        ).fetchone()
        if owner and owner[0] != tenant_id:
            message = f"the {channel.kind} account {channel.account_id} already belongs to another tenant"
            raise StoreError(message, permanent=True)
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
        assert row is not None
        watch_account(conn, tenant_id, row[0], has_new_token=row[1])
    conn.execute(
        "DELETE FROM channel_account WHERE tenant_id = %s AND NOT (kind || ':' || account_id = ANY(%s))",
        (tenant_id, [f"{channel.kind}:{channel.account_id}" for channel in channels]),
    )


def list_tenants(conn: Connection) -> list[TenantRow]:
    """All tenants by slug. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT t.id, t.slug, t.name, t.config ->> 'industry',
               (SELECT count(*) FROM channel_account a WHERE a.tenant_id = t.id),
               (SELECT c.kind FROM crm_connection c WHERE c.tenant_id = t.id)
        FROM tenant t
        ORDER BY t.slug
        """
    ).fetchall()
    return [TenantRow(*row) for row in rows]


def find_tenant_id(conn: Connection, slug: str) -> int | None:
    """The tenant's id, or None. Needs the system scope."""
    row = conn.execute("SELECT id FROM tenant WHERE slug = %s", (slug,)).fetchone()
    return row[0] if row else None


def get_tenant_config(conn: Connection, tenant_id: int) -> TenantConfig:
    """What the tenant set, without channels and CRM. Raises: StoreError when there is no such tenant."""
    row = conn.execute("SELECT config FROM tenant WHERE id = %s", (tenant_id,)).fetchone()
    if row is None:
        message = "no_such_tenant"
        raise StoreError(message, permanent=True)
    return TenantConfig.model_validate(row[0])
