"""The people of a tenant: their roles, in force or not, and who may still sign in as its administrator."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from store.db import Connection

Standing = Literal["active", "no_password", "invited", "off"]


def lock_people(conn: Connection, tenant_id: int) -> None:
    """Hold off others who change this tenant's people until the transaction ends, so that two never take away its last two admins."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('earshot people'), %s)", (tenant_id,))


@dataclass(frozen=True)
class ListedPerson:
    """A person with a role in the tenant. standing: "no_password" may sign in as soon as one is chosen. display_name: theirs to set;
    empty for one who has not agreed to come yet. link_until: the end of their open link. seen_at: in this tenant's console.
    """

    user_id: int
    email: str
    display_name: str
    role: str
    standing: Standing
    link_until: datetime | None
    seen_at: datetime | None
    is_operator: bool

    @property
    def is_in_force(self) -> bool:
        """Whether the role counts."""
        return self.standing in {"active", "no_password"}


def list_people(conn: Connection, tenant_id: int, *, user_id: int | None = None) -> list[ListedPerson]:
    """Everybody with a role, also one that is not in force, by e-mail; or one of them. Needs the system scope."""
    rows = conn.execute(
        """
        WITH member AS (
            SELECT user_id, role, NULL AS because FROM membership WHERE tenant_id = %(tenant_id)s
            UNION ALL
            SELECT user_id, role, because FROM absent_member WHERE tenant_id = %(tenant_id)s
        )
        SELECT u.id, u.email, CASE WHEN m.because = 'invited' THEN '' ELSE u.display_name END, m.role,
               CASE
                   WHEN m.because IS NOT NULL THEN m.because
                   WHEN u.disabled_at IS NOT NULL THEN 'off'
                   WHEN u.password_hash IS NULL AND u.oidc_subject IS NULL THEN 'no_password'
                   ELSE 'active'
               END,
               (
                   SELECT max(l.expires_at)
                   FROM one_time_link AS l
                   WHERE l.user_id = u.id AND l.tenant_id = %(tenant_id)s AND l.expires_at > now()
               ),
               (
                   SELECT max(s.seen_at)
                   FROM web_session AS s
                   WHERE s.user_id = u.id AND coalesce(s.tenant_id, %(tenant_id)s) = %(tenant_id)s AND m.because IS NULL
               ),
               u.is_operator
        FROM member AS m JOIN app_user AS u ON u.id = m.user_id
        WHERE %(user_id)s::bigint IS NULL OR u.id = %(user_id)s
        ORDER BY u.email
        """,
        {"tenant_id": tenant_id, "user_id": user_id},
    ).fetchall()
    return [ListedPerson(*row) for row in rows]


def find_person(conn: Connection, tenant_id: int, user_id: int) -> ListedPerson | None:
    """One of them, None when they have no role here. Needs the system scope."""
    found = list_people(conn, tenant_id, user_id=user_id)
    return found[0] if found else None


def find_person_id(conn: Connection, email: str) -> int | None:
    """Whose e-mail it is, in whatever tenant. Needs the system scope."""
    row = conn.execute("SELECT id FROM app_user WHERE email = lower(%s)", (email,)).fetchone()
    return row[0] if row else None


def add_person(conn: Connection, *, email: str, display_name: str) -> int | None:
    """An account without a password; None when the e-mail has one already. Needs the system scope."""
    row = conn.execute(
        """
        INSERT INTO app_user (email, display_name)
        VALUES (lower(%s), %s)
        ON CONFLICT (email) DO NOTHING
        RETURNING id
        """,
        (email, display_name),
    ).fetchone()
    return row[0] if row else None


def add_member(conn: Connection, tenant_id: int, user_id: int, *, role: str) -> None:
    """A role in force from now on."""
    conn.execute(
        "INSERT INTO membership (tenant_id, user_id, role) VALUES (%s, %s, %s)",
        (tenant_id, user_id, role),
    )


def add_invited(conn: Connection, tenant_id: int, user_id: int, *, role: str) -> None:
    """A role that waits until the person agrees."""
    conn.execute(
        "INSERT INTO absent_member (tenant_id, user_id, role, because) VALUES (%s, %s, %s, 'invited')",
        (tenant_id, user_id, role),
    )


def change_member_role(conn: Connection, tenant_id: int, user_id: int, *, role: str) -> None:
    """In force or not."""
    conn.execute(
        "UPDATE membership SET role = %s WHERE tenant_id = %s AND user_id = %s",
        (role, tenant_id, user_id),
    )
    conn.execute(
        "UPDATE absent_member SET role = %s WHERE tenant_id = %s AND user_id = %s",
        (role, tenant_id, user_id),
    )


def take_from_force(conn: Connection, tenant_id: int, user_id: int) -> bool:
    """Switch a person off here; other tenants keep them. False when they had no role in force."""
    return (
        conn.execute(
            """
            WITH gone AS (
                DELETE FROM membership
                WHERE tenant_id = %s AND user_id = %s
                RETURNING tenant_id, user_id, role
            )
            INSERT INTO absent_member (tenant_id, user_id, role, because)
            SELECT tenant_id, user_id, role, 'off' FROM gone
            """,
            (tenant_id, user_id),
        ).rowcount
        == 1
    )


def put_in_force(conn: Connection, tenant_id: int, user_id: int, *, because: Literal["invited", "off"]) -> bool:
    """Switch a person on again, or let one in who has agreed. False when no role waits for that."""
    return (
        conn.execute(
            """
            WITH back AS (
                DELETE FROM absent_member
                WHERE tenant_id = %s AND user_id = %s AND because = %s
                RETURNING tenant_id, user_id, role
            )
            INSERT INTO membership (tenant_id, user_id, role)
            SELECT tenant_id, user_id, role FROM back
            """,
            (tenant_id, user_id, because),
        ).rowcount
        == 1
    )


def withdraw_invitation(conn: Connection, tenant_id: int, user_id: int) -> bool:
    """Take back a role that the person has not agreed to. False when there is none."""
    return (
        conn.execute(
            "DELETE FROM absent_member WHERE tenant_id = %s AND user_id = %s AND because = 'invited'",
            (tenant_id, user_id),
        ).rowcount
        == 1
    )


def has_other_admin(conn: Connection, tenant_id: int, user_id: int) -> bool:
    """Whether somebody else can sign in as the tenant's administrator. Needs the system scope, and the lock on the people."""
    row = conn.execute(
        """
        SELECT EXISTS (
            SELECT
            FROM membership AS m JOIN app_user AS u ON u.id = m.user_id
            WHERE m.tenant_id = %s AND m.user_id <> %s AND m.role = 'admin' AND u.disabled_at IS NULL
              AND (u.password_hash IS NOT NULL OR u.oidc_subject IS NOT NULL)
        )
        """,
        (tenant_id, user_id),
    ).fetchone()
    assert row is not None
    return row[0]


def belongs_elsewhere(conn: Connection, tenant_id: int, user_id: int) -> bool:
    """Whether the account is also another tenant's, or an operator's, so that this tenant must not give it a new password.

    An invitation that the person has not agreed to does not count: it would tell who else asked them. Needs the system scope.
    """
    row = conn.execute(
        """
        SELECT EXISTS (SELECT FROM membership WHERE user_id = %(user_id)s AND tenant_id <> %(tenant_id)s)
            OR EXISTS (
                SELECT FROM absent_member WHERE user_id = %(user_id)s AND tenant_id <> %(tenant_id)s AND because = 'off'
            )
            OR EXISTS (SELECT FROM app_user WHERE id = %(user_id)s AND is_operator)
        """,
        {"tenant_id": tenant_id, "user_id": user_id},
    ).fetchone()
    assert row is not None
    return row[0]


def list_tenants_of(conn: Connection, user_id: int) -> list[int]:
    """Ids of the tenants where the person has a role in force. Needs the system scope."""
    rows = conn.execute("SELECT tenant_id FROM membership WHERE user_id = %s ORDER BY tenant_id", (user_id,)).fetchall()
    return [row[0] for row in rows]
