"""The secrets of tenants' actions: encrypted, apart from their settings."""

from config.tenant import TenantConfig
from store.db import Connection
from store.secrets import Keyring


def apply_action_secrets(conn: Connection, tenant_id: int, config: TenantConfig, *, keyring: Keyring) -> None:
    """Keep what the file holds and forget what it holds no more. Needs the system scope."""
    given = {
        str(kind): action.secret.get_secret_value()
        for kind, action in config.actions.items()
        if action.secret is not None
    }
    conn.execute("DELETE FROM action_secret WHERE tenant_id = %s AND NOT kind = ANY(%s)", (tenant_id, list(given)))
    for kind, secret in given.items():
        put_action_secret(conn, tenant_id, kind, secret=secret, keyring=keyring)


def put_action_secret(conn: Connection, tenant_id: int, kind: str, *, secret: str, keyring: Keyring) -> None:
    """Set the secret of one kind of action, in place of the one before."""
    sealed = keyring.encrypt(secret.encode(), tenant_id=tenant_id, table="action_secret", column=kind)
    conn.execute(
        """
        INSERT INTO action_secret (tenant_id, kind, secret)
        VALUES (%s, %s, %s)
        ON CONFLICT (tenant_id, kind) DO UPDATE SET secret = EXCLUDED.secret
        """,
        (tenant_id, kind, sealed),
    )


def find_action_secret(conn: Connection, tenant_id: int, kind: str, *, keyring: Keyring) -> str | None:
    """The secret of one kind of action; None when the tenant has set none."""
    row = conn.execute(
        "SELECT secret FROM action_secret WHERE tenant_id = %s AND kind = %s", (tenant_id, kind)
    ).fetchone()
    if row is None:
        return None
    return keyring.decrypt(row[0], tenant_id=tenant_id, table="action_secret", column=kind).decode()


def list_kinds_with_secret(conn: Connection, tenant_id: int) -> list[str]:
    """The kinds of action that have one."""
    rows = conn.execute("SELECT kind FROM action_secret WHERE tenant_id = %s ORDER BY kind", (tenant_id,)).fetchall()
    return [kind for (kind,) in rows]
