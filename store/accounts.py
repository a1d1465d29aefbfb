"""What belongs to a person in all their tenants: password, name, language, look, and who they are at the sign-in provider."""

from dataclasses import dataclass

from store.db import Connection


@dataclass(frozen=True)
class Account:
    """A person who may sign in. password_hash: None until they have chosen a password."""

    user_id: int
    password_hash: str | None


def find_account(conn: Connection, email: str) -> Account | None:
    """None when nobody has this e-mail, or the person is switched off. Needs the system scope."""
    row = conn.execute(
        "SELECT id, password_hash FROM app_user WHERE email = lower(%s) AND disabled_at IS NULL", (email,)
    ).fetchone()
    return Account(*row) if row else None


@dataclass(frozen=True)
class Profile:
    """How a person wants the console. language, theme: None for what the browser says. uses_letters: single letters are shortcuts."""

    display_name: str
    language: str | None
    theme: str | None
    uses_letters: bool
    has_password: bool


def get_profile(conn: Connection, user_id: int) -> Profile:
    """Needs the system scope."""
    row = conn.execute(
        """
        SELECT display_name, language, theme, uses_letters, password_hash IS NOT NULL
        FROM app_user
        WHERE id = %s
        """,
        (user_id,),
    ).fetchone()
    assert row is not None
    return Profile(*row)


def set_profile(
    conn: Connection, user_id: int, *, display_name: str, language: str | None, theme: str | None, uses_letters: bool
) -> None:
    """Needs the system scope."""
    conn.execute(
        "UPDATE app_user SET display_name = %s, language = %s, theme = %s, uses_letters = %s WHERE id = %s",
        (display_name, language, theme, uses_letters, user_id),
    )


def set_look(conn: Connection, user_id: int, *, language: str | None, theme: str | None) -> None:
    """Keep what was chosen in the menu; None leaves what is there. Needs the system scope."""
    conn.execute(
        "UPDATE app_user SET language = coalesce(%s, language), theme = coalesce(%s, theme) WHERE id = %s",
        (language, theme, user_id),
    )


def set_letters(conn: Connection, user_id: int, *, uses_letters: bool) -> None:
    """Whether single letters are shortcuts. Needs the system scope."""
    conn.execute("UPDATE app_user SET uses_letters = %s WHERE id = %s", (uses_letters, user_id))


def get_password_hash(conn: Connection, user_id: int) -> str | None:
    """None when they have none yet. Needs the system scope."""
    row = conn.execute("SELECT password_hash FROM app_user WHERE id = %s", (user_id,)).fetchone()
    return row[0] if row else None


def set_password(conn: Connection, user_id: int, *, password_hash: str, instead_of: str | None = None) -> bool:
    """False when it is not `instead_of` any more, where one is given: somebody changed it meanwhile. Needs the system scope."""
    changed = conn.execute(
        "UPDATE app_user SET password_hash = %(new)s WHERE id = %(id)s AND (%(old)s::text IS NULL OR password_hash = %(old)s)",
        {"new": password_hash, "id": user_id, "old": instead_of},
    )
    return changed.rowcount == 1


@dataclass(frozen=True)
class KnownSubject:
    """An account as somebody from the sign-in provider finds it."""

    user_id: int
    is_disabled: bool
    is_operator: bool


def find_subject(conn: Connection, *, issuer: str, subject: str) -> KnownSubject | None:
    """Who came from there before as this subject. Needs the system scope."""
    row = conn.execute(
        """
        SELECT id, disabled_at IS NOT NULL, is_operator
        FROM app_user
        WHERE oidc_issuer = %s AND oidc_subject = %s
        """,
        (issuer, subject),
    ).fetchone()
    return KnownSubject(*row) if row else None


def bind_subject(conn: Connection, *, email: str, issuer: str, subject: str) -> KnownSubject | None:
    """Bind the account with this e-mail to the subject, once; None when there is none that is free. Needs the system scope.

    A password that it had goes, unless it is an operator's: whoever invited the person might have chosen it.
    """
    row = conn.execute(
        """
        UPDATE app_user
        SET oidc_issuer = %(issuer)s, oidc_subject = %(subject)s,
            password_hash = CASE WHEN is_operator THEN password_hash END
        WHERE email = lower(%(email)s) AND oidc_subject IS NULL AND disabled_at IS NULL
        RETURNING id, disabled_at IS NOT NULL, is_operator
        """,
        {"issuer": issuer, "subject": subject, "email": email},
    ).fetchone()
    return KnownSubject(*row) if row else None
