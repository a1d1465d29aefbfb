"""How a program is started: through launch.py, with both outputs in its log."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_ROTATE_BYTES = 10 * 1024 * 1024
LAST_LINES_BYTES = 4096


@dataclass(frozen=True)
class Account:
    """The system account that a child runs as."""

    uid: int
    gid: int


def open_log(path: Path) -> int:
    """A descriptor that appends to the log; one that has grown too big is moved to NAME.log.1 first."""
    if path.exists() and path.stat().st_size > LOG_ROTATE_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def last_lines(path: Path, *, count: int = 5) -> str:
    """The end of a log, for an error message."""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - LAST_LINES_BYTES))
        return "\n".join(log.read().decode(errors="replace").splitlines()[-count:])


def resolve_program(argv: tuple[str, ...]) -> list[str]:
    """The command with its program as a full path, as exec wants it."""
    return [shutil.which(argv[0]) or argv[0], *argv[1:]]


def launch(
    argv: tuple[str, ...],
    *,
    environ: Mapping[str, str],
    log: Path,
    cwd: Path,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    own_session: bool = True,
    niceness: int = 0,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a process with both outputs in the log. own_session: out of the terminal's reach. pass_fds: descriptors that it is given.

    Raises: OSError.
    """
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    tie = [str(number) for number in (os.getpid(), int(death_signal), uid, gid, niceness)]
    output = open_log(log)
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(LAUNCHER), *tie, *resolve_program(argv)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environ),
            cwd=cwd,
            start_new_session=own_session,
            umask=0o077,
            pass_fds=pass_fds,
        )
    finally:
        os.close(output)
