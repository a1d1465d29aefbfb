"""One child process: what it is, and how it is started, watched and stopped."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
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


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class ChildSpec:
    """What to run, and what the supervisor must know about it.

    group: the key in stack.json's `pids`. ready: asked again and again until it is true, must answer within a second.
    stop_phase: lower phases stop first. death_signal: sent by the kernel when the supervisor itself is killed.
    start_attempts: so many deaths before it was ever ready, and the start of the stack fails. niceness: -20 to 19, how far it lets the others of
    the stack go first; before them only where this account may.
    """

    name: str
    group: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    ready: Callable[[], bool]
    stop_phase: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_s: float = 10.0
    death_signal: signal.Signals = signal.SIGKILL
    account: Account | None = None
    before_start: Callable[[], None] = _nothing
    ready_timeout_s: float = 60.0
    start_attempts: int = 3
    niceness: int = 0


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
) -> subprocess.Popen[bytes]:
    """Start a process with both outputs in the log. own_session: out of the terminal's reach. Raises: OSError."""
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
        )
    finally:
        os.close(output)


class Child:
    """A running instance of a ChildSpec, and its successors. Only the supervisor's thread starts and stops it."""

    def __init__(self, spec: ChildSpec, *, logs: Path, cwd: Path) -> None:
        self.spec = spec
        self.log = logs / f"{spec.name}.log"
        self.was_ready = False
        self.early_deaths = 0
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it. Raises: OSError when its program cannot be run."""
        self.spec.before_start()
        self._process = launch(
            self.spec.argv,
            environ=self.spec.environ,
            log=self.log,
            cwd=self._cwd,
            account=self.spec.account,
            death_signal=self.spec.death_signal,
            niceness=self.spec.niceness,
        )

    def note_exit(self) -> int | None:
        """The exit code, once, when it has ended since the last look; else None. Kills what is left of its group."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is not None:
            self._signal_group(signal.SIGKILL)
            self._process = None
            self.early_deaths += not self.was_ready
        return code

    def ask_to_stop(self) -> None:
        """Send its stop signal to the leading process alone: it knows best what to do with its own children."""
        if self._process:
            self._process.send_signal(self.spec.stop_signal)

    def kill(self) -> None:
        """Kill it and its group at once."""
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process:
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                pass
            except PermissionError:  # macOS says so of a group of zombies
                pass
