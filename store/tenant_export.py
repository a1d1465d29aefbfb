"""All that a tenant's file would hold, but for its secrets, which are never read."""

from dataclasses import dataclass
from typing import Any

from store.action_secrets import list_kinds_with_secret
from store.alert_targets import list_targets
from store.db import Connection
from store.tenant_settings import TenantSettings, get_settings


@dataclass(frozen=True)
class TenantExport:
    """accounts, crm, targets: what is stored of each without secrets, as the tables of a tenant file. crm: None without one.

    secret_kinds: kinds of action that have a secret.
    """

    settings: TenantSettings
    accounts: tuple[dict[str, Any], ...]
    crm: dict[str, Any] | None
    targets: tuple[dict[str, Any], ...]
    secret_kinds: tuple[str, ...]


def read_tenant_export(conn: Connection, tenant_id: int) -> TenantExport:
    """Needs the system scope. Raises: StoreError when there is no such tenant."""
    accounts = conn.execute(
        """
        SELECT kind, account_id, waba_id, login, page_id, reply_url, mark_read, max_per_s
        FROM channel_account
        WHERE tenant_id = %s
        ORDER BY kind, account_id
        """,
        (tenant_id,),
    ).fetchall()
    names = ("kind", "account_id", "waba_id", "login", "page_id", "reply_url", "mark_read", "max_per_s")
    crm = conn.execute("SELECT kind, config, site FROM crm_connection WHERE tenant_id = %s", (tenant_id,)).fetchone()
    return TenantExport(
        settings=get_settings(conn, tenant_id),
        accounts=tuple(_without_none(dict(zip(names, row, strict=True))) for row in accounts),
        crm=_without_none({"kind": crm[0], **crm[1], _site_name(crm[0]): crm[2]}) if crm else None,
        targets=tuple(_without_none({"name": one.name, **one.config}) for one in list_targets(conn, [tenant_id])),
        secret_kinds=tuple(list_kinds_with_secret(conn, tenant_id)),
    )


def _site_name(kind: str) -> str:
    return "dc" if kind == "zoho" else "domain"


def _without_none(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
