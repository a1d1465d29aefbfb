"""Sealed columns from the old key to the new one, in batches, while everything runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from store.db import Connection
from store.secrets import Keyring

BATCH = 200


@dataclass(frozen=True)
class SealedColumn:
    """Where ciphertexts stand. key: what names a row, as SQL. tenant, bound_to: SQL for the tenant and the column's name that they are
    bound to.
    """

    table: LiteralString
    column: LiteralString
    bound_to: LiteralString
    key: LiteralString = "id"
    tenant: LiteralString = "tenant_id"


# Every column that holds what Keyring.encrypt made; a test holds it to the schema.
SEALED: tuple[SealedColumn, ...] = (
    # The pepper that messages are recognised by: sealed anew, never made anew.
    SealedColumn("installation_secret", "ciphertext", "name", key="name", tenant="0"),
    SealedColumn("channel_account", "app_secrets", "'app_secrets'"),
    SealedColumn("channel_account", "verify_token", "'verify_token'"),
    SealedColumn("channel_account", "access_token", "'access_token'"),
    SealedColumn("crm_connection", "credentials", "'credentials'", key="tenant_id"),
    SealedColumn("crm_connection", "access_token", "'access_token'", key="tenant_id"),
    SealedColumn("action_secret", "secret", "kind", key="tenant_id || '/' || kind"),
    SealedColumn("alert_target", "url", "'url'"),
    SealedColumn("webhook_subscription", "url", "'url:' || id"),
    SealedColumn("webhook_subscription", "secret", "'secret:' || id"),
    SealedColumn("webhook_subscription", "old_secret", "'secret:' || id"),
)


def count_by_key(conn: Connection) -> Mapping[str, int]:
    """Ciphertexts by the id of the key that they were sealed with. Needs the system scope."""
    found: dict[str, int] = {}
    for sealed in SEALED:
        for key_id, count in count_keys_of(conn, sealed).items():
            found[key_id] = found.get(key_id, 0) + count
    return found


def count_keys_of(conn: Connection, sealed: SealedColumn) -> Mapping[str, int]:
    """The same for one column."""
    key_id = _key_id(sealed.column)
    query: LiteralString = f"SELECT {key_id}, count(*) FROM {sealed.table} WHERE {key_id} IS NOT NULL GROUP BY 1"  # noqa: S608
    return dict(conn.execute(query).fetchall())


def _key_id(column: LiteralString) -> LiteralString:
    """SQL for the key's id in a ciphertext; see Keyring.encrypt for the layout. What is too short to be one has none."""
    return (
        f"CASE WHEN length({column}) > 2 AND get_byte({column}, 0) = 1 "
        f"THEN encode(substring({column} FROM 3 FOR get_byte({column}, 1)), 'escape') END"
    )


def reseal_batch(conn: Connection, sealed: SealedColumn, *, keyring: Keyring) -> int:
    """Seal up to BATCH rows anew with the newest key, each locked meanwhile: a token that is refreshed at this moment is not lost.

    Returns how many; 0 when none is left. Needs the system scope. Raises: SecretError when one can't be opened.
    """
    named = {
        "table": sql.Identifier(sealed.table),
        "column": sql.Identifier(sealed.column),
        "key": sql.SQL(sealed.key),
        "tenant": sql.SQL(sealed.tenant),
        "bound_to": sql.SQL(sealed.bound_to),
        "key_id": sql.SQL(_key_id(sealed.column)),
    }
    rows = conn.execute(
        sql.SQL(
            """
            SELECT {key}, {tenant}, {bound_to}, {column}
            FROM {table}
            WHERE {key_id} IS DISTINCT FROM %s AND {key_id} IS NOT NULL
            ORDER BY 1
            LIMIT %s
            FOR UPDATE
            """
        ).format(**named),
        (keyring.keys[0][0], BATCH),
    ).fetchall()
    for row_key, tenant_id, bound_to, ciphertext in rows:
        plain = keyring.decrypt(ciphertext, tenant_id=tenant_id, table=sealed.table, column=bound_to)
        conn.execute(
            sql.SQL("UPDATE {table} SET {column} = %s WHERE {key} = %s").format(**named),
            (keyring.encrypt(plain, tenant_id=tenant_id, table=sealed.table, column=bound_to), row_key),
        )
    return len(rows)
