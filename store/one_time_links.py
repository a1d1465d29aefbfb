"""Links that let their holder in once: to choose a password, or to take on a role with an account that exists."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal

from store.db import Connection

AGE_H = 72
Purpose = Literal["password", "join"]


def _hash(token: str) -> bytes:
    # 256 random bits: there is nothing to guess, so a plain hash is enough.
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def make_link(conn: Connection, *, tenant_id: int | None, user_id: int, purpose: Purpose) -> str:
    """The token of a new link, which is not stored; the one that was made here for this person before ends. Needs the system scope.

    tenant_id: None for one that the command line makes.
    """
    token = secrets.token_urlsafe(32)
    conn.execute("DELETE FROM one_time_link WHERE expires_at < now()")
    conn.execute(
        """
        INSERT INTO one_time_link (token_hash, tenant_id, user_id, purpose, expires_at)
        VALUES (%s, %s, %s, %s, now() + make_interval(hours => %s))
        ON CONFLICT (user_id, tenant_id) DO UPDATE
        SET token_hash = EXCLUDED.token_hash, purpose = EXCLUDED.purpose, created_at = now(), expires_at = EXCLUDED.expires_at
        """,
        (_hash(token), tenant_id, user_id, purpose, AGE_H),
    )
    return token


@dataclass(frozen=True)
class OneTimeLink:
    """A link that still works. tenant_name: whom it was made by, None for the command line."""

    tenant_id: int | None
    tenant_name: str | None
    user_id: int
    email: str
    purpose: Purpose


def find_link(conn: Connection, token: str) -> OneTimeLink | None:
    """None when it was used, is too old, was never made, or its person is switched off. Needs the system scope."""
    row = conn.execute(
        """
        SELECT l.tenant_id, t.name, u.id, u.email, l.purpose
        FROM one_time_link AS l
        JOIN app_user AS u ON u.id = l.user_id AND u.disabled_at IS NULL
        LEFT JOIN tenant AS t ON t.id = l.tenant_id
        WHERE l.token_hash = %s AND l.expires_at > now()
          AND (l.purpose = 'join' OR l.tenant_id IS NULL OR EXISTS (
              SELECT FROM membership AS m WHERE m.tenant_id = l.tenant_id AND m.user_id = l.user_id
          ))
        """,
        (_hash(token),),
    ).fetchone()
    return OneTimeLink(*row) if row else None


def use_link(conn: Connection, token: str) -> bool:
    """End it; of two who use it at once one gets True. Needs the system scope."""
    used = conn.execute("DELETE FROM one_time_link WHERE token_hash = %s AND expires_at > now()", (_hash(token),))
    return used.rowcount == 1


def end_links(conn: Connection, user_id: int, *, purpose: Purpose) -> None:
    """All open links of a person for this. Needs the system scope."""
    conn.execute("DELETE FROM one_time_link WHERE user_id = %s AND purpose = %s", (user_id, purpose))


def end_link_here(conn: Connection, tenant_id: int, user_id: int) -> None:
    """The link that this tenant made for the person."""
    conn.execute("DELETE FROM one_time_link WHERE tenant_id = %s AND user_id = %s", (tenant_id, user_id))
