"""Tenants and what they configure: applied from a checked file, secrets encrypted, read back by processes."""

from dataclasses import dataclass

from psycopg.types.json import Jsonb

from config.channel_account import ChannelConfig
from config.tenant import TenantConfig
from store.action_secrets import apply_action_secrets
from store.alert_targets import apply_targets
from store.channel_settings import put_channel
from store.crm_connections import apply_connection
from store.db import Connection, StoreError
from store.secrets import Keyring
from store.tenant_settings import change_settings, stored_form


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
    tenant_id = add_tenant(conn, config) or find_tenant_id(conn, config.slug)
    assert tenant_id is not None
    change_settings(conn, tenant_id, changed=config, seen_version=None, by=None, changed_in="file")
    conn.execute("UPDATE tenant SET changed_in = 'file' WHERE id = %s", (tenant_id,))
    _apply_channels(conn, tenant_id, config.channels, keyring=keyring)
    apply_connection(conn, tenant_id, config.crm, keyring=keyring)
    apply_action_secrets(conn, tenant_id, config, keyring=keyring)
    apply_targets(conn, tenant_id, config.alerts, keyring=keyring)
    return tenant_id


def add_tenant(conn: Connection, config: TenantConfig) -> int | None:
    """A new tenant with these settings, without channels, CRM and alert targets. Needs the system scope.

    Returns its id, or None when there is one of that slug.
    """
    row = conn.execute(
        "INSERT INTO tenant (slug, name, config) VALUES (%s, %s, %s) ON CONFLICT (slug) DO NOTHING RETURNING id",
        (config.slug, config.name, Jsonb(stored_form(config))),
    ).fetchone()
    return row[0] if row else None


def _apply_channels(conn: Connection, tenant_id: int, channels: tuple[ChannelConfig, ...], *, keyring: Keyring) -> None:
    for channel in channels:
        put_channel(conn, tenant_id, channel, keyring=keyring)
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


@dataclass(frozen=True)
class ReadConfig:
    """A tenant's configuration, and the version of its row that it was read from."""

    config: TenantConfig
    row_version: str


def get_tenant_config(conn: Connection, tenant_id: int) -> TenantConfig:
    """What the tenant set, without channels and CRM. Raises: StoreError when there is no such tenant."""
    return read_tenant_config(conn, tenant_id).config


def read_tenant_config(conn: Connection, tenant_id: int, *, known: ReadConfig | None = None) -> ReadConfig:
    """The same. known: returned where the row has not been written since. Raises: StoreError when there is no such tenant."""
    row = conn.execute(
        "SELECT xmin::text, CASE WHEN xmin::text IS DISTINCT FROM %s THEN config END FROM tenant WHERE id = %s",
        (known.row_version if known else None, tenant_id),
    ).fetchone()
    if row is None:
        message = "no_such_tenant"
        raise StoreError(message, permanent=True)
    row_version, config = row
    return known if known and config is None else ReadConfig(TenantConfig.model_validate(config), row_version)
