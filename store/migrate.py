"""Bring a database to the current schema: roles, numbered migrations, partitions ahead, installation secrets."""

import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import LiteralString, cast
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from store.db import SESSION_OPTIONS, StoreError
from store.partitions import ensure_partitions
from store.secrets import Keyring

MIGRATION_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
GROUP_ROLE = "earshot_process"
DEDUPE_PEPPER = "dedupe_pepper"
# Two stacks may migrate the same server at once: the roles are cluster-wide, so the lock must be too.
APPLY_TRIES, APPLY_AGAIN_S = 10, 0.5
ROLE_LOCK_ID = 0x4541_5253


@dataclass(frozen=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    sql_text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, so that an edited migration is noticed."""
        return hashlib.sha256(self.sql_text.encode()).hexdigest()


def list_migrations() -> list[Migration]:
    """All migrations, oldest first."""
    found: list[Migration] = []
    for entry in (files("store") / "migrations").iterdir():
        match = MIGRATION_NAME.match(entry.name)
        if match:
            found.append(Migration(int(match[1]), entry.name, entry.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.version)


def app_role_name(owner_url: str) -> str:
    """The restricted login role of this database: one per database, so that two on one server share nothing."""
    database = urlsplit(owner_url).path.lstrip("/") or "postgres"
    return f"{database}_app"


def app_database_url(owner_url: str, app_password: str) -> str:
    """The URL that processes use: the owner's with the restricted role and its password."""
    parts = urlsplit(owner_url)
    host = parts.netloc.rpartition("@")[2]
    credentials = f"{quote(app_role_name(owner_url), safe='')}:{quote(app_password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{credentials}@{host}"))


def _ensure_roles(conn: psycopg.Connection, *, app_role: str, app_password: str) -> None:
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (ROLE_LOCK_ID,))
        known = {row[0] for row in conn.execute("SELECT rolname FROM pg_roles").fetchall()}
        if GROUP_ROLE not in known:
            conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(GROUP_ROLE)))
        verb = "ALTER" if app_role in known else "CREATE"
        conn.execute(
            sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                sql.SQL(cast("LiteralString", verb)), sql.Identifier(app_role), sql.Literal(app_password)
            )
        )
        # A pooler between processes and server drops what a connection asks for at its start: the role asks for the same.
        for setting in re.findall(r"-c (\S+)", SESSION_OPTIONS):
            name, _, value = setting.partition("=")
            conn.execute(
                sql.SQL("ALTER ROLE {} SET {} TO {}").format(
                    sql.Identifier(app_role), sql.Identifier(name), sql.Literal(value)
                )
            )
        conn.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(GROUP_ROLE), sql.Identifier(app_role)))
        row = conn.execute("SELECT current_database(), current_user").fetchone()
        assert row is not None
        database = sql.Identifier(row[0])
        # The group is cluster-wide, so another database's app role must not be able to connect here.
        conn.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(app_role)))
        conn.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(row[1])))
        conn.execute(sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))


def _apply(conn: psycopg.Connection, migration: Migration) -> None:
    """In one transaction. Running processes hold locks on the tables in an order of their own: who loses to them tries again."""
    for tries_left in reversed(range(APPLY_TRIES)):
        try:
            _apply_once(conn, migration)
        except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
            if not tries_left:
                raise
            time.sleep(APPLY_AGAIN_S)
        else:
            return


def _apply_once(conn: psycopg.Connection, migration: Migration) -> None:
    with conn.transaction():
        conn.execute("SET LOCAL lock_timeout = '5s'")
        conn.execute(cast("LiteralString", migration.sql_text))
        conn.execute(
            "INSERT INTO schema_migration (version, name, checksum) VALUES (%s, %s, %s)",
            (migration.version, migration.name, migration.checksum),
        )


def _apply_pending(conn: psycopg.Connection) -> list[str]:
    applied: list[str] = []
    conn.execute("SELECT pg_advisory_lock(hashtext('earshot migrate'))")
    try:
        conn.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration (version integer PRIMARY KEY, name text NOT NULL, "
            "checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = dict(conn.execute("SELECT version, checksum FROM schema_migration").fetchall())
        for migration in list_migrations():
            if migration.version not in done:
                _apply(conn, migration)
                applied.append(migration.name)
            elif done[migration.version] != migration.checksum:
                message = f"migration {migration.name} was edited after it was applied; add a new one instead"
                raise StoreError(message, permanent=True)
    finally:
        conn.execute("SELECT pg_advisory_unlock(hashtext('earshot migrate'))")
    return applied


def _ensure_installation_secrets(conn: psycopg.Connection, keyring: Keyring) -> None:
    ciphertext = keyring.encrypt(
        secrets.token_bytes(32), tenant_id=0, table="installation_secret", column=DEDUPE_PEPPER
    )
    conn.execute(
        "INSERT INTO installation_secret (name, ciphertext) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING",
        (DEDUPE_PEPPER, ciphertext),
    )


def migrate(owner_url: str, *, app_password: str, keyring: Keyring) -> list[str]:
    """Create or update roles and schema; safe to repeat and to run beside running processes.

    Returns the names of the migrations applied now. Raises: StoreError when the server is too old, a migration fails, or an
    applied one was edited.
    """
    try:
        with psycopg.connect(owner_url, autocommit=True, connect_timeout=10) as conn:
            if conn.info.server_version < 18_00_00:  # uuidv7() came with 18.
                message = "Earshot needs PostgreSQL 18 or newer"
                raise StoreError(message, permanent=True)
            _ensure_roles(conn, app_role=app_role_name(owner_url), app_password=app_password)
            applied = _apply_pending(conn)
            ensure_partitions(conn, today=datetime.now(UTC).date())
            _ensure_installation_secrets(conn, keyring)
            return applied
    except psycopg.Error as error:
        message = f"migrate: {error.sqlstate or 'no connection'}: {error.diag.message_primary or type(error).__name__}"
        raise StoreError(message, permanent=False) from None
