"""A CRM connection's access token: stored encrypted, fetched by one worker at a time."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_sync.tokens import AccessToken
from store.db import Connection
from store.secrets import Keyring

LEASE_S = 15


@dataclass(frozen=True)
class StoredToken:
    """An access token that all workers share. version: rises with each new one."""

    token: AccessToken
    version: int
    expires_at: datetime | None
    is_fresh: bool


def find_token(conn: Connection, tenant_id: int, *, keyring: Keyring) -> StoredToken | None:
    """The shared token; None when none was fetched. is_fresh: it works for another minute at least, as far as the CRM told."""
    row = conn.execute(
        """
        SELECT access_token, token_version, token_expires_at,
               token_expires_at IS NULL OR token_expires_at > clock_timestamp() + interval '60 seconds'
        FROM crm_connection WHERE tenant_id = %s
        """,
        (tenant_id,),
    ).fetchone()
    if row is None or row[0] is None:
        return None
    opened = json.loads(keyring.decrypt(row[0], tenant_id=tenant_id, table="crm_connection", column="access_token"))
    return StoredToken(AccessToken(opened["value"], opened["api_base"]), row[1], row[2], row[3])


def take_token_lease(conn: Connection, tenant_id: int, *, version: int) -> bool:
    """The right to fetch the successor of this version (0: of none); one worker has it at a time."""
    row = conn.execute(
        """
        UPDATE crm_connection SET token_lease_until = clock_timestamp() + make_interval(secs => %s)
        WHERE tenant_id = %s AND (access_token IS NULL OR token_version = %s)
          AND coalesce(token_lease_until, '-infinity') < clock_timestamp()
        RETURNING tenant_id
        """,
        (LEASE_S, tenant_id, version),
    ).fetchone()
    return row is not None


def drop_token_lease(conn: Connection, tenant_id: int) -> None:
    """The CRM gave no token: another worker may ask."""
    conn.execute("UPDATE crm_connection SET token_lease_until = NULL WHERE tenant_id = %s", (tenant_id,))


def store_token(conn: Connection, tenant_id: int, token: AccessToken, *, keyring: Keyring) -> None:
    """Share a new token, and keep the refresh token that came with it in place of the old."""
    plain = json.dumps({"value": token.value, "api_base": token.api_base}).encode()
    sealed = keyring.encrypt(plain, tenant_id=tenant_id, table="crm_connection", column="access_token")
    conn.execute(
        """
        UPDATE crm_connection
        SET access_token = %s, token_version = token_version + 1, token_lease_until = NULL,
            token_expires_at = clock_timestamp() + make_interval(secs => %s)
        WHERE tenant_id = %s
        """,
        (sealed, token.expires_in_s, tenant_id),
    )
    if token.refresh_token is None:
        return
    row = conn.execute(
        "SELECT credentials FROM crm_connection WHERE tenant_id = %s FOR UPDATE", (tenant_id,)
    ).fetchone()
    assert row is not None
    opened = keyring.decrypt(row[0], tenant_id=tenant_id, table="crm_connection", column="credentials")
    credentials: dict[str, Any] = {**json.loads(opened), "refresh_token": token.refresh_token}
    plain = json.dumps(credentials, sort_keys=True).encode()
    sealed = keyring.encrypt(plain, tenant_id=tenant_id, table="crm_connection", column="credentials")
    conn.execute("UPDATE crm_connection SET credentials = %s WHERE tenant_id = %s", (sealed, tenant_id))
