"""One child process: what it is, and how it is started, watched and stopped."""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devstack.fork_server import Forked, ForkServer
from devstack.launching import Account, launch

if TYPE_CHECKING:
    from subprocess import Popen


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class ChildSpec:
    """What to run, and what the supervisor must know about it.

    group: the key in stack.json's `pids`. ready: asked again and again until it is true, must answer within a second.
    stop_phase: lower phases stop first. death_signal: sent by the kernel when the supervisor itself is killed.
    start_attempts: so many deaths before it was ever ready, and the start of the stack fails. niceness: -20 to 19, how far it lets the others of
    the stack go first; before them only where this account may. forked_from: the fork server that may become it, whose argv is `PYTHON -m MODULE ...`.
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
    forked_from: str | None = None


class Child:
    """A running instance of a ChildSpec, and its successors. Only the supervisor's thread starts and stops it."""

    def __init__(self, spec: ChildSpec, *, logs: Path, cwd: Path, fork_server: ForkServer | None = None) -> None:
        """fork_server: the one that the spec names, if there is one."""
        self.spec = spec
        self.log = logs / f"{spec.name}.log"
        self.was_ready = False
        self.early_deaths = 0
        self._cwd = cwd
        self._fork_server = fork_server
        self._process: Popen[bytes] | Forked | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process else None

    def may_start(self) -> bool:
        """Whether what it is forked from, if it is, need not be waited for."""
        return self._fork_server is None or not self._fork_server.is_loading()

    def start(self) -> None:
        """Start it. Raises: OSError when its program cannot be run."""
        self.spec.before_start()
        self._process = self._fork() or launch(
            self.spec.argv,
            environ=self.spec.environ,
            log=self.log,
            cwd=self._cwd,
            account=self.spec.account,
            death_signal=self.spec.death_signal,
            niceness=self.spec.niceness,
        )

    def _fork(self) -> Forked | None:
        if self._fork_server is None:
            return None
        return self._fork_server.fork(
            self.spec.argv,
            environ=self.spec.environ,
            log=self.log,
            cwd=self._cwd,
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
