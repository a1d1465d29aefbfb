"""Where a tenant's alerts go: the URL encrypted, as it holds a token."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from config.alerting import AlertTarget, name_targets
from store.db import Connection
from store.secrets import Keyring

_TABLE, _COLUMN = "alert_target", "url"


def apply_targets(conn: Connection, tenant_id: int, targets: tuple[AlertTarget, ...], *, keyring: Keyring) -> None:
    """The tenant's targets are these, and no others. Needs the system scope."""
    named = name_targets(targets)
    conn.execute(
        "DELETE FROM alert_target WHERE tenant_id = %s AND NOT (name = ANY(%s))",
        (tenant_id, [name for name, _ in named]),
    )
    for name, target in named:
        sealed = keyring.encrypt(
            target.to.get_secret_value().encode(), tenant_id=tenant_id, table=_TABLE, column=_COLUMN
        )
        conn.execute(
            """
            INSERT INTO alert_target (tenant_id, name, service, url, config)
            VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (tenant_id, name) DO UPDATE
                SET service = EXCLUDED.service, url = EXCLUDED.url, config = EXCLUDED.config
            """,
            (tenant_id, name, target.service, sealed, Jsonb(target.model_dump(mode="json", exclude={"to", "name"}))),
        )


@dataclass(frozen=True)
class StoredTarget:
    """A target as workers use it. config: kinds, min_severity, quiet_hours."""

    id: int
    tenant_id: int
    name: str
    config: dict[str, Any]
    sealed: bytes = field(repr=False)

    def open_url(self, keyring: Keyring) -> str:
        """The apprise URL. Raises: SecretError."""
        return keyring.decrypt(self.sealed, tenant_id=self.tenant_id, table=_TABLE, column=_COLUMN).decode()


def list_targets(conn: Connection, tenant_ids: list[int]) -> list[StoredTarget]:
    """Targets of these tenants by id. Needs the system scope, or a tenant's own."""
    rows = conn.execute(
        """
        SELECT id, tenant_id, name, config, url FROM alert_target WHERE tenant_id = ANY(%s) ORDER BY id
        """,
        (tenant_ids,),
    ).fetchall()
    return [StoredTarget(*row) for row in rows]


@dataclass(frozen=True)
class TargetState:
    """A target as people see it, without its address. min_severity, kinds, quiet_hours: as the tenant's file says; None: not said.

    waiting, failed: deliveries of the last 30 days. sent_at: when something last left for it.
    """

    name: str
    service: str
    config: dict[str, Any]
    sent_at: datetime | None
    waiting: int
    failed: int
    last_error: str | None


def list_target_states(conn: Connection, tenant_id: int) -> list[TargetState]:
    """The tenant's targets by name."""
    rows = conn.execute(
        """
        SELECT t.name, t.service, t.config, t.sent_at, d.waiting, d.failed, d.last_error
        FROM alert_target AS t
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE state = 'pending') AS waiting, count(*) FILTER (WHERE state = 'failed') AS failed,
                   (array_agg(error_code ORDER BY id DESC) FILTER (WHERE error_code IS NOT NULL))[1] AS last_error
            FROM alert_delivery
            WHERE tenant_id = t.tenant_id AND target_id = t.id AND id >= uuid_floor(now() - interval '30 days')
        ) AS d
        WHERE t.tenant_id = %s
        ORDER BY t.name
        """,
        (tenant_id,),
    ).fetchall()
    return [TargetState(*row) for row in rows]
