"""Alert targets as people set them one by one: the URL goes in and never comes out again."""

from psycopg.types.json import Jsonb

from config.alerting import AlertTarget
from store.alert_targets import StoredTarget
from store.db import Connection
from store.secrets import Keyring

MAX_TARGETS = 20


def put_target(conn: Connection, tenant_id: int, *, name: str, target: AlertTarget, keyring: Keyring) -> bool:
    """Add a target or give a known one these values; False when the tenant has as many as fit. Needs the system scope."""
    conn.execute("SELECT FROM tenant WHERE id = %s FOR UPDATE", (tenant_id,))
    row = conn.execute(
        "SELECT count(*) FROM alert_target WHERE tenant_id = %s AND name <> %s", (tenant_id, name)
    ).fetchone()
    if row and row[0] >= MAX_TARGETS:
        return False
    sealed = keyring.encrypt(
        target.to.get_secret_value().encode(), tenant_id=tenant_id, table="alert_target", column="url"
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
    return True


def remove_target(conn: Connection, tenant_id: int, *, name: str) -> bool:
    """False: there was none. Needs the system scope."""
    return conn.execute("DELETE FROM alert_target WHERE tenant_id = %s AND name = %s", (tenant_id, name)).rowcount == 1


def find_target(conn: Connection, tenant_id: int, *, name: str) -> StoredTarget | None:
    """None when the tenant has none of this name."""
    row = conn.execute(
        "SELECT id, tenant_id, name, config, url FROM alert_target WHERE tenant_id = %s AND name = %s",
        (tenant_id, name),
    ).fetchone()
    return StoredTarget(*row) if row else None
