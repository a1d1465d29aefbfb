"""Postgres and the broker of a stack: embedded ones, or those that DATABASE_URL and REDIS_URL name."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from config.environment import environment_value
from devstack.child import ChildSpec
from devstack.data_dir import DataDir
from devstack.embedded import embedded_postgres, embedded_valkey, owner_url, url_by_socket
from devstack.ports import Ports
from devstack.secrets import Secrets
from devstack.services import STOP_SERVERS


@dataclass(frozen=True)
class Server:
    """url: with its credentials. child: None when it runs elsewhere."""

    url: str
    child: ChildSpec | None


@dataclass(frozen=True)
class DatabaseServer(Server):
    """first_connection: the command to be run once it runs, in the owner's environment. url_here: for processes of this machine."""

    first_connection: tuple[str, ...]
    url_here: str


FIRST_CONNECTION = (sys.executable, "-m", "devstack.first_connection")


def choose_postgres(data: DataDir, *, environ: Mapping[str, str], secrets: Secrets, ports: Ports) -> DatabaseServer:
    """The database as its owner. Raises: StackError, SettingsError, OSError."""
    given = environment_value(environ, "DATABASE_URL")
    if given:
        return DatabaseServer(given, child=None, first_connection=FIRST_CONNECTION, url_here=given)
    password, port = secrets.get("OWNER_DATABASE_PASSWORD"), ports.free()
    child = embedded_postgres(data, port=port, password=password.value, stop_phase=STOP_SERVERS)
    return DatabaseServer(
        owner_url(port=port, password=password.value),
        child=child,
        first_connection=(*FIRST_CONNECTION, str(password.path)),
        url_here=url_by_socket(data, port=port, password=password.value),
    )


def choose_redis(data: DataDir, *, environ: Mapping[str, str], secrets: Secrets, ports: Ports) -> Server:
    """The broker. Raises: StackError, SettingsError, OSError."""
    given = environment_value(environ, "REDIS_URL")
    if given:
        return Server(given, child=None)
    password, port = secrets.get("REDIS_PASSWORD").value, ports.free()
    child = embedded_valkey(data, port=port, password=password, stop_phase=STOP_SERVERS)
    return Server(f"redis://:{password}@127.0.0.1:{port}/0", child=child)
