"""Grandchildren that lost their parent: the supervisor inherits and buries them, and kills what is left at the end."""

import ctypes
import os
import signal
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
STATE_FIELD, PARENT_FIELD, SESSION_FIELD = 0, 1, 3  # of /proc/PID/stat, counted from the state


def adopt_orphans() -> None:
    """Let this process, not init, become the parent of its descendants' orphans. Linux only; elsewhere a no-op."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _adopted(*, known: Collection[int]) -> Iterator[tuple[int, bool]]:
    """Inherited processes, and whether each is dead.

    They are told from other children of this program by their session: so it must start none in a session of its own
    but through the supervisor.
    """
    me, our_session = os.getpid(), os.getsid(0)
    try:
        # The main thread inherits; children that another thread started are not in this list.
        pids = [int(pid) for pid in Path(f"/proc/self/task/{me}/children").read_text(encoding="ascii").split()]
        for pid in set(pids).difference(known):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            if int(fields[PARENT_FIELD]) == me and int(fields[SESSION_FIELD]) != our_session:
                yield pid, fields[STATE_FIELD] == "Z"
    except OSError:  # no such list on this system, or one ended while we looked
        return


def bury_dead(*, known: Collection[int]) -> None:
    """Collect inherited processes that have ended. known: processes that somebody else waits for."""
    for pid, is_dead in list(_adopted(known=known)):
        if is_dead:
            os.waitpid(pid, os.WNOHANG)


def kill_strays(*, known: Collection[int] = ()) -> int:
    """Kill and collect every inherited process; how many there were."""
    killed = 0
    while pids := [pid for pid, _ in _adopted(known=known)]:  # the orphans of those killed come next
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)
        killed += len(pids)
    return killed
