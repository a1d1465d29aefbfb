"""A tenant's settings while people and programs change them: versions, who changed what, and what a file would take back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb

from config.settings_changes import SettingChange, list_changes
from config.tenant import TenantConfig
from store.audit_log import note_deed
from store.conversation_events import Actor
from store.db import Connection, StoreError

ChangedIn = Literal["file", "console", "api"]
# What has tables of its own, with its secrets encrypted.
_ELSEWHERE = {"channels", "crm", "alerts"}


@dataclass(frozen=True)
class TenantSettings:
    """config: without channels, CRM, alert targets and secrets. changed_in: where anything of the tenant was changed last."""

    config: TenantConfig
    version: int
    changed_in: ChangedIn


def stored_form(config: TenantConfig) -> dict[str, Any]:
    """As the settings are stored: JSON without what has tables of its own, and without secrets."""
    return config.model_dump(mode="json", exclude=_ELSEWHERE)


def get_settings(conn: Connection, tenant_id: int) -> TenantSettings:
    """Raises: StoreError when there is no such tenant."""
    row = conn.execute("SELECT config, version, changed_in FROM tenant WHERE id = %s", (tenant_id,)).fetchone()
    if row is None:
        message = "no_such_tenant"
        raise StoreError(message, permanent=True)
    return TenantSettings(TenantConfig.model_validate(row[0]), row[1], row[2])


def change_settings(
    conn: Connection,
    tenant_id: int,
    *,
    changed: TenantConfig,
    seen_version: int | None,
    by: Actor | None,
    changed_in: ChangedIn,
) -> int | None:
    """Store settings that were checked. Needs the system scope. Returns their version, the same one when nothing differs.

    seen_version: of the settings that `changed` was made from; None is returned when they have changed since. None: whatever stands.
    Raises: StoreError when there is no such tenant.
    """
    row = conn.execute(
        "SELECT config, version, updated_at FROM tenant WHERE id = %s FOR UPDATE", (tenant_id,)
    ).fetchone()
    if row is None:
        message = "no_such_tenant"
        raise StoreError(message, permanent=True)
    before, version, stored_at = row
    if seen_version is not None and seen_version != version:
        return None
    after = stored_form(changed)
    # What was stored by an older release may lack keys that have defaults.
    changes = list_changes(stored_form(TenantConfig.model_validate(before)), after)
    if not changes:
        return version
    conn.execute(
        """
        INSERT INTO tenant_version (tenant_id, version, config, changed, changed_in, at)
        VALUES (%s, %s, %s, '[]', 'file', %s)
        ON CONFLICT DO NOTHING
        """,
        (tenant_id, version, Jsonb(before), stored_at),
    )
    conn.execute(
        """
        UPDATE tenant
        SET config = %s, name = %s, version = %s, changed_in = %s, updated_at = now()
        WHERE id = %s
        """,
        (Jsonb(after), changed.name, version + 1, changed_in, tenant_id),
    )
    told = [{"path": one.path, "before": one.before, "after": one.after} for one in changes]
    conn.execute(
        """
        INSERT INTO tenant_version (tenant_id, version, config, changed, changed_in, by_user_id, by_key_id)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        """,
        (
            tenant_id,
            version + 1,
            Jsonb(after),
            Jsonb(told),
            changed_in,
            by.user_id if by else None,
            by.key_id if by else None,
        ),
    )
    note_deed(
        conn,
        tenant_id,
        by=by,
        deed="settings_changed",
        subject=f"version:{version + 1}",
        details={"changed_in": changed_in, "paths": [one.path for one in changes]},
    )
    return version + 1


def note_changed_part(
    conn: Connection, tenant_id: int, *, part: str, deed: str, by: Actor | None, changed_in: ChangedIn
) -> None:
    """Note that a channel, the CRM or an alert target was changed: part names it ("whatsapp:1098…"). Needs the system scope."""
    conn.execute("UPDATE tenant SET changed_in = %s, updated_at = now() WHERE id = %s", (changed_in, tenant_id))
    note_deed(conn, tenant_id, by=by, deed=deed, subject=part, details={"changed_in": changed_in})


@dataclass(frozen=True)
class SettingsVersion:
    """One version. by_email: None for the command line, for keys, and for people who are gone."""

    version: int
    changed: tuple[SettingChange, ...]
    changed_in: ChangedIn
    by_email: str | None
    by_key: str | None
    at: datetime


def list_versions(
    conn: Connection, tenant_id: int, *, before_version: int | None = None, limit: int
) -> list[SettingsVersion]:
    """Newest first; before_version: those older than it. Needs the system scope or the tenant's own."""
    rows = conn.execute(
        """
        SELECT v.version, v.changed, v.changed_in, u.email, k.name, v.at
        FROM tenant_version AS v LEFT JOIN app_user AS u ON u.id = v.by_user_id
            LEFT JOIN api_key AS k ON k.id = v.by_key_id AND k.tenant_id = v.tenant_id
        WHERE v.tenant_id = %s AND v.version < coalesce(%s, 2147483647)
        ORDER BY v.version DESC
        LIMIT %s
        """,
        (tenant_id, before_version, limit),
    ).fetchall()
    return [
        SettingsVersion(
            version,
            tuple(SettingChange(one["path"], one["before"], one["after"]) for one in changed),
            changed_in,
            email,
            key,
            at,
        )
        for version, changed, changed_in, email, key, at in rows
    ]


def find_version_config(conn: Connection, tenant_id: int, version: int) -> TenantConfig | None:
    """The settings as they were in a version, to be compared or stored again; None when it is not known."""
    row = conn.execute(
        "SELECT config FROM tenant_version WHERE tenant_id = %s AND version = %s", (tenant_id, version)
    ).fetchone()
    return TenantConfig.model_validate(row[0]) if row else None


def list_lost_changes(conn: Connection, config: TenantConfig) -> Sequence[str]:
    """What a file would take back that was changed in the console or by the API since a file was applied: paths of settings and names of
    accounts, CRM and alert targets. Empty when nothing would be lost. Needs the system scope.
    """
    row = conn.execute("SELECT id, config, changed_in FROM tenant WHERE slug = %s", (config.slug,)).fetchone()
    if row is None or row[2] == "file":
        return []
    tenant_id, stored, _ = row
    lost = [one.path for one in list_changes(stored_form(config), stored_form(TenantConfig.model_validate(stored)))]
    accounts = {f"{one.kind}:{one.account_id}" for one in config.channels}
    rows = conn.execute(
        "SELECT kind || ':' || account_id FROM channel_account WHERE tenant_id = %s ORDER BY id", (tenant_id,)
    ).fetchall()
    lost += [f"channels {account}" for (account,) in rows if account not in accounts]
    crm = conn.execute("SELECT kind FROM crm_connection WHERE tenant_id = %s", (tenant_id,)).fetchone()
    if crm and (config.crm is None or config.crm.kind != crm[0]):
        lost.append(f"crm {crm[0]}")
    if not config.alerts:
        targets = conn.execute(
            "SELECT name FROM alert_target WHERE tenant_id = %s ORDER BY id", (tenant_id,)
        ).fetchall()
        lost += [f"alerts {name}" for (name,) in targets]
    return lost
