"""Tenants and what they configure: applied from a checked file, secrets encrypted, read back by processes."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from psycopg.types.json import Jsonb

from config.channel_account import ChannelConfig
from config.crm import CrmConfig
from config.tenant import TenantConfig
from store.action_secrets import apply_action_secrets
from store.alert_targets import apply_targets
from store.channel_health import watch_account
from store.db import Connection, StoreError
from store.secrets import Keyring

CRM_CREDENTIAL_FIELDS = {
    "token", "domain", "dc", "client_id", "client_secret", "refresh_token", "username", "private_key",
}  # fmt: skip


@dataclass(frozen=True)
class TenantRow:
    """One tenant as listed."""

    id: int
    slug: str
    name: str
    industry: str
    channels: int
    crm: str | None


@dataclass(frozen=True)
class CrmConnection:
    """A tenant's CRM: which kind, its credentials, what it may do, and why it is paused (None: it is not)."""

    kind: str
    credentials: dict[str, str] = field(repr=False)
    create_contacts: bool
    send_summary: bool
    high_value: dict[str, Any] | None
    provisioned: bool
    paused_because: str | None


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
    _apply_crm(conn, tenant_id, config.crm, keyring=keyring)
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


def _apply_crm(conn: Connection, tenant_id: int, crm: CrmConfig | None, *, keyring: Keyring) -> None:
    if crm is None:
        conn.execute("DELETE FROM crm_connection WHERE tenant_id = %s", (tenant_id,))
        return
    credentials: dict[str, str] = {}
    for name in sorted(CRM_CREDENTIAL_FIELDS):
        value = getattr(crm, name)
        if value is not None:
            credentials[name] = value if isinstance(value, str) else value.get_secret_value()
    sealed = keyring.encrypt(
        json.dumps(credentials).encode(), tenant_id=tenant_id, table="crm_connection", column="credentials"
    )
    settings = crm.model_dump(mode="json", exclude={"kind", *CRM_CREDENTIAL_FIELDS})
    # New credentials lift a pause: the admin has just acted.
    conn.execute(
        """
        INSERT INTO crm_connection (tenant_id, kind, credentials, config)
        VALUES (%s, %s, %s, %s)
        ON CONFLICT (tenant_id) DO UPDATE SET
            kind = EXCLUDED.kind, credentials = EXCLUDED.credentials, config = EXCLUDED.config,
            provisioned_at = NULL, paused_because = NULL, paused_at = NULL
        """,
        (tenant_id, crm.kind, sealed, Jsonb(settings)),
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


def find_crm_connection(conn: Connection, tenant_id: int, *, keyring: Keyring) -> CrmConnection | None:
    """The tenant's CRM connection with its credentials, or None when it has none."""
    row = conn.execute(
        "SELECT kind, credentials, config, provisioned_at IS NOT NULL, paused_because FROM crm_connection WHERE tenant_id = %s",
        (tenant_id,),
    ).fetchone()
    if row is None:
        return None
    kind, sealed, settings, provisioned, paused_because = row
    opened = keyring.decrypt(sealed, tenant_id=tenant_id, table="crm_connection", column="credentials")
    return CrmConnection(
        kind=kind,
        credentials=json.loads(opened),
        create_contacts=bool(settings.get("create_contacts", False)),
        send_summary=bool(settings.get("send_summary", True)),
        high_value=settings.get("high_value"),
        provisioned=provisioned,
        paused_because=paused_because,
    )


def mark_crm_provisioned(conn: Connection, tenant_id: int) -> None:
    """Our fields exist at the CRM."""
    conn.execute("UPDATE crm_connection SET provisioned_at = now() WHERE tenant_id = %s", (tenant_id,))


def pause_crm(conn: Connection, tenant_id: int, *, because: str) -> None:
    """Stop calling a CRM whose credentials or scopes don't work. Nothing is lost: rows stay dirty until it is lifted."""
    conn.execute(
        """
        UPDATE crm_connection
        SET paused_because = %s, paused_at = now()
        WHERE tenant_id = %s AND paused_because IS NULL
        """,
        (because, tenant_id),
    )


def has_crm(conn: Connection, tenant_id: int) -> bool:
    """Whether the tenant has a CRM connection, paused or not."""
    return conn.execute("SELECT FROM crm_connection WHERE tenant_id = %s", (tenant_id,)).fetchone() is not None
