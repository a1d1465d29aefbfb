"""Whoever was erased is remembered by keyed hashes, so that what is delivered late brings nothing back."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime

from crm_sync.phones import match_key
from store.db import Connection

# Meta delivers for up to 7 days, and an upload of history may come weeks after an account was connected.
KEPT_DAYS = 30


class SenderErasedError(Exception):
    """The message is from somebody who was erased after they had written it: it is not to be taken in."""


def _key(pepper: bytes, tenant_id: int, kind: str, value: str) -> bytes:
    spelled = match_key(value) or value if kind == "phone" else value
    return hmac.digest(pepper, f"erased\x1f{tenant_id}\x1f{kind}\x1f{spelled}".encode(), hashlib.sha256)


def remember_erased(conn: Connection, tenant_id: int, identities: Iterable[tuple[str, str]], *, pepper: bytes) -> None:
    """As erased now. identities: (kind, value)."""
    conn.execute(
        """
        INSERT INTO erased_identity (tenant_id, key, erased_at)
        SELECT %s, given, clock_timestamp() FROM unnest(%s::bytea[]) AS given ORDER BY given
        ON CONFLICT (tenant_id, key) DO UPDATE SET erased_at = EXCLUDED.erased_at
        """,
        (tenant_id, sorted({_key(pepper, tenant_id, kind, value) for kind, value in identities})),
    )


# Whether one of the identities was erased at that moment or later: the condition of an EXISTS.
WAS_ERASED = """
    SELECT FROM erased_identity WHERE tenant_id = %(tenant)s AND key = ANY(%(keys)s::bytea[]) AND erased_at >= %(written_at)s
"""
_EXISTS, _END = "SELECT EXISTS (", ")"


def erased_by(
    tenant_id: int, identities: Iterable[tuple[str, str]], *, at: datetime, pepper: bytes
) -> dict[str, object]:
    """The values of WAS_ERASED. at: the provider's time of what they wrote."""
    keys = [_key(pepper, tenant_id, kind, value) for kind, value in identities]
    return {"tenant": tenant_id, "keys": keys, "written_at": at}


def was_erased(
    conn: Connection, tenant_id: int, identities: Iterable[tuple[str, str]], *, at: datetime, pepper: bytes
) -> bool:
    """Whether one of these identities was erased at that moment or later. at: the provider's time of what they wrote."""
    row = conn.execute(_EXISTS + WAS_ERASED + _END, erased_by(tenant_id, identities, at=at, pepper=pepper)).fetchone()
    return bool(row and row[0])


def forget_old_identities(conn: Connection) -> int:
    """Hashes that nothing late can come for any more. Returns how many. Needs the system scope."""
    return conn.execute(
        "DELETE FROM erased_identity WHERE erased_at < now() - make_interval(days => %s)", (KEPT_DAYS,)
    ).rowcount
