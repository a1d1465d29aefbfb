"""Keeps the children of a stack alive, and leaves none behind."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from devstack.child import Child, ChildSpec
from devstack.fork_server import ForkServer
from devstack.launching import last_lines
from devstack.pacing import RestartPacing
from devstack.stack_error import StackError
from devstack.strays import adopt_orphans, bury_dead, kill_strays

log = logging.getLogger(__name__)

TICK_S = 0.25
READY_POLL_S = 0.03


class _Watched:
    """A child and when it started last, died, and may start again; times are monotonic seconds."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.pacing = RestartPacing()
        self.started_at = 0.0
        self.due_at: float | None = 0.0


class Supervisor:
    """Starts children, restarts those that die, stops them in order.

    One thread of its own starts and stops every child, because the kernel ends a child when the thread that started it
    ends. It is the caller's main thread that waits for children to become ready.
    """

    def __init__(
        self,
        *,
        logs: Path,
        cwd: Path,
        on_change: Callable[[], None],
        fork_servers: Mapping[str, ForkServer] | None = None,
    ) -> None:
        """on_change: called in the supervisor's thread after children have started. fork_servers: by the name that children say they are forked
        from; without one of that name they are started on their own.
        """
        self._logs = logs
        self._fork_servers = fork_servers or {}
        self._cwd = cwd
        self._on_change = on_change
        self._watched: list[_Watched] = []
        self._thread = threading.Thread(target=self._run, name="supervisor")
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._kill = threading.Event()
        self.ended = threading.Event()

    def running(self) -> list[tuple[ChildSpec, int]]:
        """Every running child with its process id, in the order they were added."""
        return [(watched.child.spec, pid) for watched in self._watched if (pid := watched.child.pid)]

    def start(self, specs: Sequence[ChildSpec]) -> None:
        """Start children side by side and wait until all are ready.

        Raises: StackError when one keeps dying or is not ready in time, with the end of its log.
        """
        children = [self._child(spec) for spec in specs]
        self._watched += [_Watched(child) for child in children]
        if not self._thread.is_alive():
            self._thread.start()
        self._wake.set()
        began = time.monotonic()
        while waiting := [child for child in children if not child.was_ready]:
            for child in waiting:
                self._see_whether_ready(child, waited_s=time.monotonic() - began)
            time.sleep(READY_POLL_S)

    def _child(self, spec: ChildSpec) -> Child:
        server = self._fork_servers.get(spec.forked_from) if spec.forked_from else None
        return Child(spec, logs=self._logs, cwd=self._cwd, fork_server=server)

    def _see_whether_ready(self, child: Child, *, waited_s: float) -> None:
        if child.pid and child.spec.ready():
            child.was_ready = True
            log.info("%s is ready", child.spec.name)
        elif child.early_deaths >= child.spec.start_attempts:
            message = f"{child.spec.name} does not start; the end of {child.log}:\n{last_lines(child.log)}"
            raise StackError(message)
        elif waited_s > child.spec.ready_timeout_s:
            message = (
                f"{child.spec.name} is not ready after {child.spec.ready_timeout_s:.0f} s; "
                f"the end of {child.log}:\n{last_lines(child.log)}"
            )
            raise StackError(message)

    def stop(self) -> None:
        """Stop all children phase by phase and wait until they are gone. Safe to repeat."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def kill_now(self) -> None:
        """Cut a stop short: kill what still runs."""
        self._kill.set()
        self._wake.set()

    def _run(self) -> None:
        adopt_orphans()
        try:
            while not self._stopping.is_set():
                for server in self._fork_servers.values():
                    server.is_loading()  # begins it, beside the first children
                    server.end_when_idle()
                self._look_after(self._watched)
                bury_dead(known=self._pids())
                self._wake.wait(TICK_S)
                self._wake.clear()
        except Exception:
            log.exception("the supervisor failed")
        finally:
            self._stop_all()
            for server in self._fork_servers.values():
                server.close()
            self.ended.set()

    def _pids(self) -> list[int]:
        return [pid for _, pid in self.running()]

    def _look_after(self, watched: Iterable[_Watched]) -> None:
        changed = False
        for one in list(watched):
            self._note_death(one)
            if one.due_at is not None and time.monotonic() >= one.due_at and one.child.may_start():
                changed |= self._start(one)
        if changed:
            self._on_change()

    def _note_death(self, one: _Watched) -> None:
        code = one.child.note_exit()
        if code is None:
            return
        # Its orphans would hold what the next one needs: Postgres's shared memory, until a long query ends.
        kill_strays(known=self._pids())
        now = time.monotonic()
        delay_s = one.pacing.delay_s(started_at=one.started_at, died_at=now)
        one.due_at = now + delay_s
        log.warning("%s ended (%s); starting it again in %.1f s", one.child.spec.name, code, delay_s)

    def _start(self, one: _Watched) -> bool:
        one.started_at = time.monotonic()
        one.due_at = None
        try:
            one.child.start()
        except OSError as error:
            one.child.early_deaths += 1
            delay_s = one.pacing.delay_s(started_at=one.started_at, died_at=one.started_at)
            one.due_at = one.started_at + max(delay_s, TICK_S)
            log.error("%s cannot be started: %s", one.child.spec.name, error.strerror)  # noqa: TRY400 -- no traceback
            return False
        log.info("%s runs as process %d", one.child.spec.name, one.child.pid)
        return True

    def _stop_all(self) -> None:
        for phase in sorted({one.child.spec.stop_phase for one in self._watched}):
            self._stop_phase([one.child for one in self._watched if one.child.spec.stop_phase == phase])
        strays = kill_strays(known=self._pids())
        log.info("stopped; %d strays", strays)

    def _stop_phase(self, children: list[Child]) -> None:
        began = time.monotonic()
        for child in children:
            child.ask_to_stop()
        while running := [child for child in children if child.note_exit() is None and child.pid]:
            for child in running:
                if self._kill.is_set() or time.monotonic() - began > child.spec.stop_grace_s:
                    log.warning("%s is killed", child.spec.name)
                    child.kill()
            time.sleep(READY_POLL_S)
