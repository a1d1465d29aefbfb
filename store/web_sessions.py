"""Who is signed in at the console: sessions on our side, so that one can be ended at once."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal

from store.db import Connection

# A session ends after a night's rest, and after a week whatever happens.
REST_H = 12
AGE_H = 7 * 24
# How exactly `seen_at` is known: a row is not written with every click.
SEEN_EVERY_S = 60

Role = Literal["agent", "supervisor", "admin", "auditor"]


def _hash(token: str) -> bytes:
    # 256 random bits: there is nothing to guess, so a plain hash is enough.
    return hashlib.sha256(token.encode()).digest()


@dataclass(frozen=True)
class Account:
    """A person who may sign in, with the hash of their password."""

    user_id: int
    password_hash: str


def find_account(conn: Connection, email: str) -> Account | None:
    """None when nobody has this e-mail, or the person is switched off. Needs the system scope."""
    row = conn.execute(
        "SELECT id, password_hash FROM app_user WHERE email = lower(%s) AND disabled_at IS NULL", (email,)
    ).fetchone()
    return Account(*row) if row else None


def begin_session(conn: Connection, user_id: int) -> str:
    """Sign a person in; returns the token for their browser, which is not stored. Needs the system scope."""
    token = secrets.token_urlsafe(32)
    conn.execute("INSERT INTO web_session (token_hash, user_id) VALUES (%s, %s)", (_hash(token), user_id))
    conn.execute(
        "DELETE FROM web_session WHERE seen_at < now() - make_interval(hours => %s) OR created_at < now() - make_interval(hours => %s)",
        (REST_H, AGE_H),
    )
    return token


def end_session(conn: Connection, token: str) -> None:
    """Sign out. Needs the system scope."""
    conn.execute("DELETE FROM web_session WHERE token_hash = %s", (_hash(token),))


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
        SELECT u.id, u.email, u.is_operator, s.tenant_id, s.seen_at < now() - make_interval(secs => %s)
        FROM web_session AS s JOIN app_user AS u ON u.id = s.user_id
        WHERE s.token_hash = %s AND u.disabled_at IS NULL
          AND s.seen_at > now() - make_interval(hours => %s) AND s.created_at > now() - make_interval(hours => %s)
        """,
        (SEEN_EVERY_S, _hash(token), REST_H, AGE_H),
    ).fetchone()
    if row is None:
        return None
    user_id, email, is_operator, tenant_id, is_stale = row
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
    return SignedIn(user_id, email, is_operator, tenant_id, tuple(Place(*place) for place in places))


def choose_tenant(conn: Connection, token: str, *, tenant_id: int) -> None:
    """Work there from now on. Needs the system scope."""
    conn.execute("UPDATE web_session SET tenant_id = %s WHERE token_hash = %s", (tenant_id, _hash(token)))
