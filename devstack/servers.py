"""Postgres and the broker of a stack: embedded ones, or those that DATABASE_URL and REDIS_URL name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg

from config.environment import environment_value
from devstack.child import ChildSpec
from devstack.data_dir import DataDir
from devstack.embedded import embedded_postgres, embedded_valkey, ensure_database, owner_url
from devstack.health import postgres_answers
from devstack.ports import Ports
from devstack.secrets import Secrets
from devstack.services import STOP_SERVERS
from devstack.stack_error import StackError


@dataclass(frozen=True)
class Server:
    """url: with its credentials. child: None when it runs elsewhere. prepare: to be called once it runs."""

    url: str
    child: ChildSpec | None
    prepare: Callable[[], None]


def choose_postgres(data: DataDir, *, environ: Mapping[str, str], secrets: Secrets, ports: Ports) -> Server:
    """The database as its owner. Raises: StackError, SettingsError, OSError."""
    given = environment_value(environ, "DATABASE_URL")
    if given:
        return Server(given, child=None, prepare=lambda: _check_given_database(given))
    password, port = secrets.get("OWNER_DATABASE_PASSWORD"), ports.free()
    child = embedded_postgres(
        data, port=port, password=password.value, password_file=str(password.path), stop_phase=STOP_SERVERS
    )
    return Server(
        owner_url(port=port, password=password.value),
        child=child,
        prepare=lambda: ensure_database(port=port, password=password.value),
    )


def _check_given_database(url: str) -> None:
    try:
        answers = postgres_answers(url)
    except psycopg.OperationalError:
        answers = False
    if not answers:
        message = "the database that DATABASE_URL names does not answer, or refuses the user"
        raise StackError(message)


def choose_redis(data: DataDir, *, environ: Mapping[str, str], secrets: Secrets, ports: Ports) -> Server:
    """The broker. Raises: StackError, SettingsError, OSError."""
    given = environment_value(environ, "REDIS_URL")
    if given:
        return Server(given, child=None, prepare=_nothing)
    password, port = secrets.get("REDIS_PASSWORD").value, ports.free()
    child = embedded_valkey(data, port=port, password=password, stop_phase=STOP_SERVERS)
    return Server(f"redis://:{password}@127.0.0.1:{port}/0", child=child, prepare=_nothing)


def _nothing() -> None:
    pass
