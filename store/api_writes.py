"""Writes that a program named: asked again within a day, they are answered as before and done once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from store.db import Connection

KEPT_FOR_H = 24


@dataclass(frozen=True)
class KnownWrite:
    """A write that was done before. request_hash: of all that it asked for."""

    request_hash: bytes
    status: int
    answer: Any


def begin_write(
    conn: Connection, tenant_id: int, *, api_key_id: int, key: str, request_hash: bytes
) -> KnownWrite | None:
    """Start a named write, or find the one of that name. Who comes at the same moment waits until the first one is through.

    The row stays only if the transaction does: a write that failed may be tried again under its name.
    """
    conn.execute(
        """
        DELETE FROM api_write
        WHERE tenant_id = %s AND api_key_id = %s AND key = %s AND created_at < now() - make_interval(hours => %s)
        """,
        (tenant_id, api_key_id, key, KEPT_FOR_H),
    )
    fresh = conn.execute(
        """
        INSERT INTO api_write (tenant_id, api_key_id, key, request_hash)
        VALUES (%s, %s, %s, %s)
        ON CONFLICT DO NOTHING
        RETURNING 1
        """,
        (tenant_id, api_key_id, key, request_hash),
    ).fetchone()
    if fresh:
        return None
    row = conn.execute(
        "SELECT request_hash, status, answer FROM api_write WHERE tenant_id = %s AND api_key_id = %s AND key = %s",
        (tenant_id, api_key_id, key),
    ).fetchone()
    assert row is not None
    return KnownWrite(bytes(row[0]), row[1], row[2])


def finish_write(conn: Connection, tenant_id: int, *, api_key_id: int, key: str, status: int, answer: Any) -> None:
    """Keep what the write is answered with."""
    conn.execute(
        "UPDATE api_write SET status = %s, answer = %s WHERE tenant_id = %s AND api_key_id = %s AND key = %s",
        (status, Jsonb(answer), tenant_id, api_key_id, key),
    )


def forget_writes(conn: Connection, tenant_id: int, *, before: datetime) -> int:
    """Drop the tenant's writes from before then; returns how many."""
    return conn.execute("DELETE FROM api_write WHERE tenant_id = %s AND created_at < %s", (tenant_id, before)).rowcount
