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
# After so many that never came up, programs are started on their own.
MAX_FAILURES = 3
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
    """For the supervisor's thread alone, whose process must be a subreaper. One that dies is started again when it is next looked at."""

    def __init__(self, modules: Sequence[str], *, environ: Mapping[str, str], log: Path, cwd: Path) -> None:
        """environ: what the modules need to be read, without secrets: every program's /proc/PID/environ goes on showing it."""
        self._modules, self._environ, self._log, self._cwd = modules, environ, log, cwd
        self._process: Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._began_at = 0.0
        self._has_loaded = False
        self._failures = 0

    @property
    def pid(self) -> int | None:
        """Of the process that forks, while there is one."""
        return self._process.pid if self._process else None

    def is_loading(self) -> bool:
        """Whether it will be able to fork soon. Begins it where there is none."""
        if self._process is not None and self._process.poll() is not None:
            self._give_up("ended")
        if self._process is None:
            if self._failures >= MAX_FAILURES:
                return False
            self._begin()
        if not self._has_loaded:
            self._hear()
        return not self._has_loaded and self._process is not None

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
            self._failures = 0
            self._socket.settimeout(ANSWER_WITHIN_S)
        else:
            self._give_up("ended")

    def _give_up(self, why: str) -> None:
        self._failures += 1
        log.warning("the fork server is given up (%s); see %s", why, self._log)
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
        return Forked(int.from_bytes(answer, "big"))

    def close(self) -> None:
        """End it. What it has forked goes on."""
        if self._socket:
            self._socket.close()
        if self._process:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
        self._socket = self._process = None
        self._has_loaded = False
