"""The supervisor's side of devstack/forking.py: a process that has read what several programs share, and forks them."""

import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devstack.forking import LOADED, SIZE_BYTES
from devstack.launching import launch, open_log

if TYPE_CHECKING:
    from subprocess import Popen

log = logging.getLogger(__name__)

LOAD_WITHIN_S, ANSWER_WITHIN_S = 60.0, 5.0
# What has been forked has copied by then what it writes to, and this process's own are held by nobody else.
ENDS_AFTER_S = 30.0
# The longest command line is a receiver's, with a path in it.
ROOM_BYTES = 4096


class Forked:
    """A program that was forked for us and is our child, in the words of subprocess.Popen."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class ForkServer:
    """For the supervisor's thread alone, whose process must be a subreaper. It serves the start of a stack: whoever dies when it has ended, or
    where it cannot serve, is started on its own.
    """

    def __init__(
        self,
        modules: Sequence[str],
        *,
        environ: Mapping[str, str],
        log: Path,
        cwd: Path,
        ends_after_s: float = ENDS_AFTER_S,
    ) -> None:
        """environ: what the modules need to be read, without secrets: every program's /proc/PID/environ goes on showing it. ends_after_s: with
        nobody to fork, once it has forked somebody.
        """
        self._modules, self._environ, self._log, self._cwd = modules, environ, log, cwd
        self._ends_after_s = ends_after_s
        self._process: Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._began_at = 0.0
        self._forked_at: float | None = None
        self._has_loaded = self._is_over = False

    @property
    def pid(self) -> int | None:
        """Of the process that forks, while there is one."""
        return self._process.pid if self._process else None

    def is_loading(self) -> bool:
        """Whether it will be able to fork soon. Begins it, once."""
        if self._is_over:
            return False
        if self._process is None:
            self._begin()
        elif self._process.poll() is not None:
            self._give_up("ended")
        if not (self._has_loaded or self._is_over):
            self._hear()
        return not (self._has_loaded or self._is_over)

    def end_when_idle(self) -> None:
        """End it when the stack has started: it holds memory, and those who died later would share it with nobody."""
        if self._forked_at is not None and time.monotonic() - self._forked_at > self._ends_after_s:
            self.close()

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = launch(
                (
                    sys.executable, "-m", "devstack.forking",
                    "x" * ROOM_BYTES, str(os.getpid()), str(theirs.fileno()), *self._modules,
                ),
                environ=self._environ, log=self._log, cwd=self._cwd, pass_fds=(theirs.fileno(),),
            )  # fmt: skip
        ours.setblocking(False)
        self._socket, self._began_at, self._has_loaded = ours, time.monotonic(), False

    def _hear(self) -> None:
        assert self._socket is not None
        try:
            self._has_loaded = self._socket.recv(len(LOADED)) == LOADED
        except BlockingIOError:
            if time.monotonic() - self._began_at > LOAD_WITHIN_S:
                self._give_up("not loaded in time")
            return
        except OSError:
            pass
        if self._has_loaded:
            self._socket.settimeout(ANSWER_WITHIN_S)
        else:
            self._give_up("ended")

    def _give_up(self, why: str) -> None:
        log.warning("the fork server is given up (%s), programs are started on their own; see %s", why, self._log)
        self.close()

    def fork(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        log: Path,
        cwd: Path,
        death_signal: signal.Signals,
        niceness: int,
    ) -> Forked | None:
        """Start `PYTHON -m MODULE ARGUMENT...` with both outputs in the log, in a session of its own. None when it cannot."""
        if self._socket is None or not self._has_loaded:
            return None
        wanted = {
            "argv": [*argv], "environ": {**environ}, "cwd": str(cwd), "death_signal": int(death_signal), "niceness": niceness,
        }  # fmt: skip
        text, output = json.dumps(wanted).encode(), open_log(log)
        try:
            socket.send_fds(self._socket, [len(text).to_bytes(SIZE_BYTES, "big")], [output])
            self._socket.sendall(text)
            answer = self._socket.recv(SIZE_BYTES)
        except OSError:
            answer = b""
        finally:
            os.close(output)
        if not answer:
            self._give_up("no answer")
            return None
        self._forked_at = time.monotonic()
        return Forked(int.from_bytes(answer, "big"))

    def close(self) -> None:
        """End it, for good. What it has forked goes on."""
        if self._socket:
            self._socket.close()
        if self._process:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
        self._socket = self._process = None
        self._has_loaded, self._is_over = False, True
