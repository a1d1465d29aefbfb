"""How commands reach the installation: a running stack's stack.json, else the environment."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.errors import CommandError
from config.settings import SettingsError, environment_value
from store.db import Connection, Database, StoreError
from store.secrets import Keyring, SecretError

MAX_CONNECTIONS = 2
# What the server answers when it runs and can't work, as a person reads it.
_SERVER_TROUBLE = {
    "sqlstate_25006": "the database can only be read: it is a replica that nobody has promoted",
    "sqlstate_53100": "the database's disk is full: give it room, it goes on by itself",
    "sqlstate_53300": "the database has no connection left: see max_connections and DATABASE_POOL_SIZE",
}


@dataclass(frozen=True)
class Installation:
    """Where the database is and what opens its secrets. stack: the content of stack.json, empty without a running stack."""

    database_url: str = field(repr=False)
    keyring: Keyring = field(repr=False)
    stack: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @contextmanager
    def system_transaction(self) -> Generator[Connection]:
        """One transaction across tenants. Raises: CommandError instead of StoreError."""
        database = Database(self.database_url, pool_size=MAX_CONNECTIONS)
        try:
            with database.system_transaction() as conn:
                yield conn
        except StoreError as error:
            raise CommandError(describe(error)) from None
        finally:
            database.close()


def describe(error: StoreError) -> str:
    """A database error as a person reads it."""
    if error.code in {"no_connection", "pool_timeout"}:
        return "the database does not answer; is the stack running, and is DATABASE_URL right?"
    return _SERVER_TROUBLE.get(error.code, str(error))


def _running_stack(data_dir: Path) -> dict[str, Any]:
    from devstack.stack_error import StackError
    from devstack.stack_file import find_stack

    try:
        info = find_stack(data_dir)
    except StackError as error:
        raise CommandError(str(error)) from None
    return dict(info) if info else {}


def _secret(environ: Mapping[str, str], name: str, data_dir: Path) -> str | None:
    value = environment_value(environ, name)
    path = data_dir / "secrets" / name
    return value or (path.read_text(encoding="utf-8").strip() if path.exists() else None)


def find_installation(data_dir: Path) -> Installation:
    """The running stack of the data folder, else what the environment names.

    Raises: CommandError when there is neither, naming what to set.
    """
    environ = os.environ
    try:
        stack = _running_stack(data_dir)
        url = stack.get("database_url") or environment_value(environ, "DATABASE_URL")
        keys = _secret(environ, "EARSHOT_KEYS", data_dir)
        if not url or not keys:
            missing = "DATABASE_URL" if not url else "EARSHOT_KEYS"
            message = f"no stack runs for {data_dir} and {missing} is not set; start one with `earshot up`, or set it"
            raise CommandError(message)
        return Installation(url, Keyring.parse(keys), stack)
    except (SettingsError, SecretError, OSError) as error:
        raise CommandError(str(error)) from None
