"""Who is signed in at the console: sessions on our side, so that one can be ended at once."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.db import Connection

# A session ends after a night's rest, and after a week whatever happens.
REST_H = 12
AGE_H = 7 * 24
# How exactly `seen_at` is known: a row is not written with every click.
SEEN_EVERY_S = 60
MAX_AGENT_CHARS = 300

Role = Literal["agent", "supervisor", "admin", "auditor"]


def _hash(token: str) -> bytes:
    # 256 random bits: there is nothing to guess, so a plain hash is enough.
    return hashlib.sha256(token.encode()).digest()


def begin_session(conn: Connection, user_id: int, *, user_agent: str = "") -> str:
    """Sign a person in; returns the token for their browser, which is not stored. Needs the system scope.

    user_agent: what the browser says of itself, so that the person knows their sessions apart.
    """
    token = secrets.token_urlsafe(32)
    told = "".join(letter for letter in user_agent if letter.isprintable())[:MAX_AGENT_CHARS]
    conn.execute(
        "INSERT INTO web_session (token_hash, user_id, user_agent) VALUES (%s, %s, %s)",
        (_hash(token), user_id, told),
    )
    conn.execute(
        "DELETE FROM web_session WHERE seen_at < now() - make_interval(hours => %s) OR created_at < now() - make_interval(hours => %s)",
        (REST_H, AGE_H),
    )
    return token


def end_session(conn: Connection, token: str) -> int | None:
    """Sign out; returns who that was, None when it was over before. Needs the system scope."""
    row = conn.execute(
        "DELETE FROM web_session WHERE token_hash = %s RETURNING user_id",
        (_hash(token),),
    ).fetchone()
    return row[0] if row else None


@dataclass(frozen=True)
class ListedSession:
    """A live session as its person sees it. is_this: the one that asks."""

    id: str
    user_agent: str
    created_at: datetime
    seen_at: datetime
    is_this: bool


def list_sessions(
    conn: Connection, user_id: int, *, token: str | None = None, tenant_id: int | None = None
) -> list[ListedSession]:
    """A person's live sessions, last seen first. tenant_id: only those at work there, or at no tenant yet. Needs the system scope."""
    rows = conn.execute(
        """
        SELECT id::text, user_agent, created_at, seen_at, token_hash = %(token)s
        FROM web_session
        WHERE user_id = %(user_id)s
          AND seen_at > now() - make_interval(hours => %(rest)s) AND created_at > now() - make_interval(hours => %(age)s)
          AND (%(tenant_id)s::bigint IS NULL OR coalesce(tenant_id, %(tenant_id)s) = %(tenant_id)s)
        ORDER BY seen_at DESC, web_session.id
        """,
        {"token": _hash(token or ""), "user_id": user_id, "rest": REST_H, "age": AGE_H, "tenant_id": tenant_id},
    ).fetchall()
    return [ListedSession(*row) for row in rows]


def end_sessions(
    conn: Connection,
    user_id: int,
    *,
    session_id: str | None = None,
    but: str | None = None,
    tenant_id: int | None = None,
) -> int:
    """End a person's sessions, or one of them; returns how many. Needs the system scope.

    but: the token of the one that stays. tenant_id: only those at work there, or at no tenant yet.
    """
    return conn.execute(
        """
        DELETE FROM web_session
        WHERE user_id = %(user_id)s AND token_hash <> %(but)s
          AND (%(session_id)s::uuid IS NULL OR id = %(session_id)s)
          AND (%(tenant_id)s::bigint IS NULL OR coalesce(tenant_id, %(tenant_id)s) = %(tenant_id)s)
        """,
        {"user_id": user_id, "but": _hash(but or ""), "session_id": session_id, "tenant_id": tenant_id},
    ).rowcount


@dataclass(frozen=True)
class Place:
    """A tenant that a person may work in, and as what."""

    tenant_id: int
    slug: str
    name: str
    role: Role


@dataclass(frozen=True)
class SignedIn:
    """A live session. tenant_id: the tenant last chosen, None when none was. places: by name; operators may work everywhere."""

    user_id: int
    email: str
    display_name: str
    uses_letters: bool
    is_operator: bool
    tenant_id: int | None
    places: tuple[Place, ...]

    @property
    def place(self) -> Place | None:
        """Where they work now: what they chose, else the first."""
        chosen = next((one for one in self.places if one.tenant_id == self.tenant_id), None)
        return chosen or (self.places[0] if self.places else None)


def find_session(conn: Connection, token: str, *, by_person: bool = True) -> SignedIn | None:
    """The session of this token, None when it is over. by_person: False leaves it as old as it is. Needs the system scope."""
    row = conn.execute(
        """
        SELECT u.id, u.email, u.display_name, u.uses_letters, u.is_operator, s.tenant_id,
               s.seen_at < now() - make_interval(secs => %s)
        FROM web_session AS s JOIN app_user AS u ON u.id = s.user_id
        WHERE s.token_hash = %s AND u.disabled_at IS NULL
          AND s.seen_at > now() - make_interval(hours => %s) AND s.created_at > now() - make_interval(hours => %s)
        """,
        (SEEN_EVERY_S, _hash(token), REST_H, AGE_H),
    ).fetchone()
    if row is None:
        return None
    user_id, email, display_name, uses_letters, is_operator, tenant_id, is_stale = row
    if is_stale and by_person:
        conn.execute("UPDATE web_session SET seen_at = now() WHERE token_hash = %s", (_hash(token),))
    places = conn.execute(
        """
        SELECT t.id, t.slug, t.name, coalesce(m.role, 'admin')
        FROM tenant AS t LEFT JOIN membership AS m ON m.tenant_id = t.id AND m.user_id = %s
        WHERE %s OR m.role IS NOT NULL
        ORDER BY t.name, t.id
        """,
        (user_id, is_operator),
    ).fetchall()
    found = tuple(Place(*place) for place in places)
    return SignedIn(user_id, email, display_name, uses_letters, is_operator, tenant_id, found)


def choose_tenant(conn: Connection, token: str, *, tenant_id: int) -> None:
    """Work there from now on. Needs the system scope."""
    conn.execute("UPDATE web_session SET tenant_id = %s WHERE token_hash = %s", (tenant_id, _hash(token)))
