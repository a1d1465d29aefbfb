"""People and machines that may sign in: users with roles per tenant, API keys."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from store.db import Connection, StoreError

API_KEY_PREFIX = "esk_"


@dataclass(frozen=True)
class UserRow:
    """One user as listed. tenants: slug and role; an operator sees all tenants."""

    email: str
    is_operator: bool
    tenants: dict[str, str]


def add_user(conn: Connection, *, email: str, password_hash: str, is_operator: bool) -> int | None:
    """Add a user; None when the e-mail is taken. Needs the system scope."""
    row = conn.execute(
        """
        INSERT INTO app_user (email, password_hash, is_operator)
        VALUES (lower(%s), %s, %s)
        ON CONFLICT (email) DO NOTHING
        RETURNING id
        """,
        (email, password_hash, is_operator),
    ).fetchone()
    return row[0] if row else None


def grant_role(conn: Connection, *, email: str, tenant_id: int, role: str) -> None:
    """Give a user a role in a tenant, replacing the one they had. Raises: StoreError when there is no such user."""
    added = conn.execute(
        """
        INSERT INTO membership (tenant_id, user_id, role)
        SELECT %s, id, %s FROM app_user WHERE email = lower(%s)
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET role = EXCLUDED.role
        """,
        (tenant_id, role, email),
    ).rowcount
    if not added:
        message = "there is no user with this e-mail"
        raise StoreError(message, permanent=True)
    # Whoever was invited or switched off has the role in force now.
    conn.execute(
        """
        DELETE FROM absent_member AS m
        USING app_user AS u
        WHERE m.user_id = u.id AND m.tenant_id = %s AND u.email = lower(%s)
        """,
        (tenant_id, email),
    )
    # A link that another tenant made must not give away an account that now opens this one too.
    conn.execute(
        """
        DELETE FROM one_time_link AS l
        USING app_user AS u
        WHERE l.user_id = u.id AND u.email = lower(%s) AND (l.purpose = 'join' AND l.tenant_id = %s
          OR l.purpose = 'password' AND l.tenant_id <> %s)
        """,
        (email, tenant_id, tenant_id),
    )


def list_users(conn: Connection) -> list[UserRow]:
    """All users by e-mail. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT u.email, u.is_operator,
               coalesce(jsonb_object_agg(t.slug, m.role) FILTER (WHERE t.id IS NOT NULL), '{}')
        FROM app_user AS u
        LEFT JOIN membership AS m ON m.user_id = u.id
        LEFT JOIN tenant AS t ON t.id = m.tenant_id
        GROUP BY u.id
        ORDER BY u.email
        """
    ).fetchall()
    return [UserRow(*row) for row in rows]


def _hash_key(key: str) -> bytes:
    # A key is 256 random bits: a plain hash is enough, there is nothing to guess.
    return hashlib.sha256(key.encode()).digest()


def create_api_key(
    conn: Connection,
    *,
    tenant_id: int,
    name: str,
    role: str,
    user_id: int | None = None,
    scopes: Sequence[str] | None = None,
) -> tuple[int, str]:
    """Make a key; returns its id and the key itself, which is not stored and can't be shown again.

    user_id: the person whose key it is; it acts as that person as long as they have a role in the tenant. scopes: what it may do
    of what its role allows; None: all of it.
    """
    key = API_KEY_PREFIX + secrets.token_urlsafe(32)
    row = conn.execute(
        """
        INSERT INTO api_key (tenant_id, name, role, key_hash, user_id, scopes)
        VALUES (%s, %s, %s, %s, %s, %s)
        RETURNING id
        """,
        (tenant_id, name, role, _hash_key(key), user_id, list(scopes) if scopes is not None else None),
    ).fetchone()
    assert row is not None
    return row[0], key


@dataclass(frozen=True)
class ApiKey:
    """A live key. user_id, user_role: the person it acts as, and their role in the tenant; None when it acts as itself.

    scopes: see create_api_key.
    """

    id: int
    tenant_id: int
    role: str
    user_id: int | None
    user_role: str | None
    scopes: list[str] | None


def find_api_key(conn: Connection, key: str) -> ApiKey | None:
    """The key, None when it is unknown or revoked, or its person was switched off or has no role any more. Needs the system scope.

    It is looked up by its hash, so the time says nothing about how close a guess was.
    """
    row = conn.execute(
        """
        SELECT k.id, k.tenant_id, k.role, k.user_id, m.role, k.scopes
        FROM api_key AS k
        LEFT JOIN app_user AS u ON u.id = k.user_id AND u.disabled_at IS NULL
        LEFT JOIN membership AS m ON m.tenant_id = k.tenant_id AND m.user_id = u.id
        WHERE k.key_hash = %s AND k.revoked_at IS NULL AND (k.user_id IS NULL OR m.role IS NOT NULL)
        """,
        (_hash_key(key),),
    ).fetchone()
    return ApiKey(*row) if row else None


def find_key_tenant(conn: Connection, key_id: int) -> int | None:
    """Whose key it is; None when there is none with this id. Needs the system scope."""
    row = conn.execute("SELECT tenant_id FROM api_key WHERE id = %s", (key_id,)).fetchone()
    return row[0] if row else None


def revoke_api_key(conn: Connection, key_id: int, *, tenant_id: int | None = None) -> bool:
    """Revoke a key at once. False when there is none with this id or it is revoked already.

    tenant_id: only a key of this tenant; None, for operators, needs the system scope.
    """
    return (
        conn.execute(
            """
            UPDATE api_key
            SET revoked_at = now()
            WHERE id = %s AND revoked_at IS NULL AND (%s::bigint IS NULL OR tenant_id = %s)
            """,
            (key_id, tenant_id, tenant_id),
        ).rowcount
        == 1
    )


@dataclass(frozen=True)
class ListedKey:
    """A key as people see it; the key itself is not stored. email: the person it acts as, None when it acts as itself."""

    id: int
    name: str
    role: str
    email: str | None
    created_at: datetime
    revoked_at: datetime | None
    scopes: list[str] | None


def list_api_keys(conn: Connection, tenant_id: int) -> list[ListedKey]:
    """The tenant's keys: live ones first, then newest first."""
    rows = conn.execute(
        """
        SELECT k.id, k.name, k.role, u.email, k.created_at, k.revoked_at, k.scopes
        FROM api_key AS k LEFT JOIN app_user AS u ON u.id = k.user_id
        WHERE k.tenant_id = %s
        ORDER BY k.revoked_at IS NOT NULL, k.id DESC
        """,
        (tenant_id,),
    ).fetchall()
    return [ListedKey(*row) for row in rows]


def lock_api_keys(conn: Connection, tenant_id: int) -> None:
    """Hold off others who make keys for this tenant until the transaction ends, so that one name is given once."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('earshot api key'), %s)", (tenant_id,))


@dataclass(frozen=True)
class ListedMember:
    """A person with a role in the tenant."""

    user_id: int
    email: str
    role: str
    disabled_at: datetime | None


def list_members(conn: Connection, tenant_id: int) -> list[ListedMember]:
    """The tenant's people by e-mail; operators, who may work in every tenant, only where they have a role."""
    rows = conn.execute(
        """
        SELECT u.id, u.email, m.role, u.disabled_at
        FROM membership AS m JOIN app_user AS u ON u.id = m.user_id
        WHERE m.tenant_id = %s
        ORDER BY u.email
        """,
        (tenant_id,),
    ).fetchall()
    return [ListedMember(*row) for row in rows]


@dataclass(frozen=True)
class Member:
    """A person in a tenant. role: theirs there, "operator" for one who may act in every tenant."""

    user_id: int
    role: str


def find_member(conn: Connection, *, email: str, tenant_id: int) -> Member | None:
    """The person with this e-mail, None when there is none, is switched off, or has no role in the tenant. Needs the system scope."""
    row = conn.execute(
        """
        SELECT u.id, CASE WHEN u.is_operator THEN 'operator' ELSE m.role END
        FROM app_user AS u LEFT JOIN membership AS m ON m.user_id = u.id AND m.tenant_id = %s
        WHERE u.email = lower(%s) AND u.disabled_at IS NULL AND (u.is_operator OR m.role IS NOT NULL)
        """,
        (tenant_id, email),
    ).fetchone()
    return Member(*row) if row else None
